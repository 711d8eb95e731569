"""From an image to an answer: whatever holds the film, however many there are, with a note and without."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import medley
from medley.core.errors import MedleyError
from medley.core.records import Film, Placement
from medley.data.preprocess.geometry import unfit
from medley.explain.attention import salience, upsample
from medley.explain.render import cropped
from medley.families.cxr_reasoner import Output
from medley.serving.predictor import Request
from medley.serving.schemas import Skipped


@pytest.fixture(scope="module")
def predictor(toy_run):
    return medley.load(toy_run)


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return ((rows * 3 + columns * 5) % 251).astype(np.uint8)


def dicom(path: Path, pixels: np.ndarray, **tags) -> Path:
    """A minimal chest DX of these uint8 or uint16 pixels."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, generate_uid()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.BodyPartExamined, data.PatientID = "DX", "CHEST", "SECRET-7"
    data.Rows, data.Columns, data.SamplesPerPixel = *pixels.shape[-2:], 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit = data.BitsStored - 1
    data.PixelData = pixels.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


def scores(answer) -> dict[str, float]:
    return dict(answer.prediction.scores)


def test_a_png_is_answered_in_full(predictor, square_films):
    answer = predictor.predict(square_films / "001-PA.png", text="Cough for a week.")
    said = json.loads(json.dumps(answer.as_json(), allow_nan=False))
    assert said["case_id"] == "001-PA.png"
    assert {label["name"] for label in said["labels"]} == set(predictor.labels)
    for label in said["labels"]:
        assert 0 < label["p_raw"] < 1
        assert label["delta_from_note"] == pytest.approx(label["p_raw"] - label["p_image_only"])
    probabilities = [label["p_raw"] for label in said["labels"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert said["model"]["family"] == "cxr_reasoner"
    assert said["model"]["version"] == medley.__version__
    assert (said["model"]["finished"], said["model"]["leaky"]) == (True, False)
    assert said["model"]["note_regime"] == "real"
    assert said["differential_text"] == answer.differential.text
    for one, line in zip(said["differential"], answer.differential.lines, strict=True):
        assert line == f"{one['rank']}. {one['text']}"
        assert one["text"].startswith(f"{one['name']}: {one['band']}")
    assert answer.heatmaps["Edema"][0].shape == (3, 3)


def test_without_a_note_nothing_is_said_of_one(predictor, square_films):
    film = square_films / "001-PA.png"
    without, with_note = predictor.predict(film), predictor.predict(film, text="fell down the stairs")
    for label in without.as_json()["labels"]:
        assert label["p_image_only"] == without.prediction.heads["image_only"][label["name"]], "the film has a head"
        assert label["delta_from_note"] is None
    assert without.as_json()["evidence"]["top_note_words"] == {}
    assert "ote:" not in without.differential.text
    assert scores(without) != scores(with_note)
    for nothing in ("", "  \n", "n/a", "None."):
        assert scores(predictor.predict(film, text=nothing)) == scores(without)


def test_a_dicom_says_what_its_png_says_and_its_view(predictor, tmp_path):
    pixels = gradient(60, 50)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    film = dicom(tmp_path / "film.dcm", pixels, ViewPosition="PA")
    answer = predictor.predict(film)
    assert answer.films[0].view == "PA"
    assert "SECRET-7" not in json.dumps(answer.as_json())
    assert scores(answer) == pytest.approx(scores(predictor.predict(f"PA={tmp_path / 'film.png'}")), abs=1e-6)
    inverted = dicom(
        tmp_path / "inverted.dcm", 255 - pixels, PhotometricInterpretation="MONOCHROME1", ViewPosition="PA"
    )
    assert scores(predictor.predict(inverted)) == pytest.approx(
        scores(answer), abs=1e-4
    )  # a half grey rounds otherwise


def test_two_views_are_read_together_in_any_order(predictor, square_films):
    pa, lateral = square_films / "000-PA.png", square_films / "000-LATERAL.png"
    both = predictor.predict(f"PA={pa}+LATERAL={lateral}")
    assert [one.view for one in both.films] == ["PA", "LATERAL"]
    assert len(both.heatmaps["Edema"]) == 2
    assert scores(both) == scores(predictor.predict(f"LATERAL={lateral}+PA={pa}"))
    assert scores(both) == scores(predictor.predict([f"PA={pa}", f"LATERAL={lateral}"]))
    assert scores(both) != scores(predictor.predict(f"PA={pa}"))
    assert both.prediction.case_id == "000-PA.png+000-LATERAL.png"


def test_more_films_than_views_are_grouped_as_in_scoring_and_averaged(predictor, square_films):
    a, b, side = (square_films / name for name in ("000-PA.png", "001-PA.png", "000-LATERAL.png"))
    answer = predictor.predict([f"PA={a}", f"AP={b}", f"LATERAL={side}"])
    pair, single = predictor.predict([f"PA={a}", f"LATERAL={side}"]), predictor.predict([f"AP={b}"])
    for label, p in scores(answer).items():
        assert p == pytest.approx((scores(pair)[label] + scores(single)[label]) / 2, abs=1e-6)
    assert [one.view for one in answer.films] == ["PA", "LATERAL", "AP"], "maps and films are in one order"
    np.testing.assert_allclose(answer.heatmaps["Edema"][2], single.heatmaps["Edema"][0], atol=1e-6)
    assert any("3 films" in warning for warning in answer.warnings)


def test_a_plus_or_an_equals_sign_in_a_name_is_no_trap(predictor, square_films, tmp_path):
    folder = tmp_path / "a+b=c"
    folder.mkdir()
    for name in ("one+two.png", "x=y.png"):
        shutil.copy(square_films / "001-PA.png", folder / name)
        assert predictor.predict(folder / name).prediction.case_id == name
        assert predictor.predict([folder / name]).prediction.case_id == name
    assert Request("x=y.png", folder=folder).images() == [(None, folder / "x=y.png")]


def test_a_long_note_is_cut_with_a_warning_and_a_whole_record_is_refused(predictor, square_films):
    film = square_films / "001-PA.png"
    answer = predictor.predict(film, text="cough " * 3000)
    assert any("the note is long: its last" in warning for warning in answer.warnings)
    with pytest.raises(MedleyError, match="the note has 100,000 characters"):
        predictor.predict(film, text="a" * 100_000)


def test_thresholds_make_decisions_and_their_lack_is_said(toy_run, square_films, tmp_path):
    film = square_films / "001-PA.png"
    run = Path(shutil.copytree(toy_run, tmp_path / "run"))
    (run / "thresholds.json").unlink(missing_ok=True)
    bare = medley.load(run).predict(film)
    assert all(label["threshold"] is None and label["decision"] is None for label in bare.as_json()["labels"])
    assert any("no thresholds" in warning for warning in bare.warnings)
    p = scores(bare)["Edema"]
    values = {"fused": {"Edema": p, "Fracture": p + 0.01 if p < 0.9 else 0.99, "Lung Opacity": None}}
    reasons = {"fused": {"Lung Opacity": "2 positives"}}
    record = {"metric": "max_f1", "values": values, "reasons": reasons, "case_ids": ["a"], "patient_ids": ["b"]}
    (run / "thresholds.json").write_text(json.dumps(record))
    answer = medley.load(run).predict(film)
    labels = {label["name"]: label for label in answer.as_json()["labels"]}
    assert labels["Edema"]["decision"] is True, "called from the threshold on"
    assert labels["Lung Opacity"]["decision"] is None
    (run / "thresholds.json").write_text('{"values": 3}')
    with pytest.raises(MedleyError, match=r"thresholds\.json"):
        medley.load(run)


def test_many_studies_go_on_past_the_ones_that_cannot_be_read(predictor, square_films, tmp_path):
    (tmp_path / "text.png").write_text("not a picture")
    good = square_films / "001-PA.png"
    requests = [
        Request(good, case_id="a"),
        Request(tmp_path / "text.png", case_id="b"),
        Request(tmp_path / "none.png"),
        Request("", case_id="d"),
        Request(good, text="x" * 100_000, case_id="e"),
        Request(str(good), text="cough", case_id="f"),
        Request("PA=", case_id="g"),
    ]
    answers = list(predictor.predict_many(requests))
    skipped = {item.case_id: item.reason for item in answers if isinstance(item, Skipped)}
    assert set(skipped) == {"b", "none.png", "d", "e", "g"}
    assert "it is a text file" in skipped["b"]
    assert "does not exist" in skipped["none.png"]
    assert "at least one image file" in skipped["d"]
    assert "100,000 characters" in skipped["e"]
    assert skipped["g"] == "PA= names no file: write PA=FILE"
    assert [a.prediction.case_id for a in answers if not isinstance(a, Skipped)] == ["a", "f"]


@pytest.mark.parametrize(("lost", "alone"), [("LATERAL", False), ("PA", True)])
def test_a_film_that_cannot_be_read_is_missing_and_told_and_the_study_is_answered(
    predictor, square_films, tmp_path, lost, alone
):
    """As in training and scoring, where a study keeps the films that can be read."""
    (tmp_path / "text.png").write_text("not a picture")
    files = {view: square_films / f"000-{view}.png" for view in ("PA", "LATERAL")}
    left = next(view for view in files if view != lost)
    study = "+".join(f"{view}={tmp_path / 'text.png' if view == lost else file}" for view, file in files.items())
    answer = predictor.predict(study)
    assert answer.prediction.scores == predictor.predict(f"{left}={files[left]}").prediction.scores
    assert [film.view for film in answer.films] == [left]
    assert "answered without a film of this study" in answer.warnings[0]
    assert "text.png" in answer.warnings[0]
    assert ("no frontal film of this study was read" in answer.warnings[1]) is alone
    [reason] = answer.as_json()["films_not_read"]
    assert "it is a text file" in reason
    with pytest.raises(MedleyError, match=r"text\.png.*; .*none\.png does not exist"):
        predictor.predict(f"{tmp_path / 'text.png'}+{tmp_path / 'none.png'}")
    assert predictor.predict(files["PA"]).unread == ()


class LooksAtLight(torch.nn.Module):
    """A model whose attention is made by hand: each patch's share is its share of the film's light."""

    def __init__(self, labels: int, grid: int):
        super().__init__()
        self.labels, self.grid = labels, grid
        self.anchor = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch) -> Output:
        b, v = batch.films_BV1HW.shape[:2]
        light = torch.nn.functional.adaptive_avg_pool2d(batch.films_BV1HW[:, :, 0], self.grid)
        maps = (light / light.sum((1, 2, 3), keepdim=True))[:, None].expand(b, self.labels, v, self.grid, self.grid)
        logits = {head: torch.full((b, self.labels, 1), 2.0) for head in ("fused", "image_only", "text_only")}
        words = torch.zeros(b, self.labels, batch.words_BL.shape[1])
        return Output(logits, maps, words, torch.ones(b, dtype=torch.bool))


@pytest.mark.parametrize(("height", "width"), [(120, 60), (60, 120), (97, 64)])
@pytest.mark.parametrize(
    ("y", "x", "zone"),
    [(0.2, 0.25, "right upper zone"), (0.2, 0.75, "left upper zone"), (0.65, 0.3, "right lower zone")],
)
def test_a_map_put_back_on_the_film_peaks_where_the_model_looked(toy_run, tmp_path, height, width, y, x, zone):
    """A bright patch at (y, x) of a film that is not square; the patient's right is on the image's left."""
    predictor = medley.load(toy_run)
    predictor.model = LooksAtLight(len(predictor.labels), grid=12)
    pixels = np.zeros((height, width), np.uint8)
    top, left, half = round(y * height), round(x * width), max(4, min(height, width) // 12)
    pixels[top - half : top + half, left - half : left + half] = 255
    Image.fromarray(pixels).save(tmp_path / "film.png")
    answer = predictor.predict(f"PA={tmp_path / 'film.png'}")
    heat, film = answer.heatmaps["Edema"][0], answer.films[0].film
    back = unfit(upsample(heat, film.placement.px), film.placement)
    assert back.shape == (height, width)
    peak = np.array(np.unravel_index(back.argmax(), back.shape))
    assert np.abs(peak - [top, left]).max() <= max(height, width) / 12 + half
    shown = answer.films[0].display
    picture, lit = cropped(shown, salience(heat, shown.placement.px)), cropped(shown, shown.pixels)
    assert picture.shape == lit.shape
    assert lit[np.unravel_index(picture.argmax(), picture.shape)] == 255, "in the picture the heat lies on the patch"
    finding = next(f for f in answer.findings if f.label == "Edema")
    assert finding.zone == zone


def test_zones_are_of_frontal_films_only(toy_run, square_films):
    predictor = medley.load(toy_run)
    predictor.model = LooksAtLight(len(predictor.labels), grid=12)
    answer = predictor.predict(f"LATERAL={square_films / '000-LATERAL.png'}")
    assert all(finding.zone is None for finding in answer.findings)


def test_cropping_takes_exactly_the_padding_away():
    placement = Placement(height=100, width=50, px=64, scale=0.64, top=0, left=16)
    square = np.zeros((64, 64), np.uint8)
    square[:, 16:48] = 1
    assert cropped(Film("PA", square, placement), square).min() == 1
    assert cropped(Film("PA", square, placement), square).shape == (64, 32)


def test_many_at_once_answer_as_one_at_a_time_and_a_bad_one_costs_only_itself(predictor, square_films):
    files = [f"PA={square_films / f'{index:03d}-PA.png'}" for index in range(20)]
    requests = [Request(file, "cough" if index % 2 else None) for index, file in enumerate(files)]
    requests.insert(7, Request(str(square_films / "nothing.png")))

    together = list(predictor.predict_many(requests))

    assert [type(one).__name__ for one in together].count("Skipped") == 1
    assert "nothing.png does not exist" in together.pop(7).reason
    for request, answer in zip([r for r in requests if "nothing" not in str(r.study)], together, strict=True):
        alone = predictor.answer(request)
        assert answer.prediction.case_id == alone.prediction.case_id
        assert answer.prediction.scores == pytest.approx(alone.prediction.scores, abs=1e-5)
        assert answer.differential.text == alone.differential.text
