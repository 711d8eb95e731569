"""Answers of a model that writes: what the report is of, what it is held against, and what is shown of it."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import medley as toolkit
from medley.core.errors import MedleyError
from medley.core.records import Prediction, Report
from medley.serving.picture import draw_answer
from medley.training.data import aggregate


@pytest.fixture(scope="module")
def predictor(report_run):
    return toolkit.load(report_run)


@pytest.fixture
def writing(predictor, monkeypatch):
    """Makes the model write the texts that a study's number of films and its place in the batch ask for."""

    def write(sections: dict[str, str]):
        said = iter(range(1000))

        def written(model, processor, output):
            numbers = [next(said) for _ in output.gate_B]
            reports = [{name: f"{text} Report {n}." for name, text in sections.items()} for n in numbers]
            return [Report(report, dict.fromkeys(report, (0.5, 0.25))) for report in reports]

        monkeypatch.setattr(predictor, "family", replace(predictor.family, write=written))
        return predictor

    return write


def warned(answer, words: str) -> bool:
    return any(words in warning for warning in answer.warnings)


def test_the_answer_holds_the_report_its_confidence_and_its_flags(writing, report_films):
    predictor = writing({"findings": "No edema.", "impression": "Normal chest."})
    said = json.loads(json.dumps(predictor.predict(report_films / "001-PA.png").as_json(), allow_nan=False))
    assert said["report"] == {"findings": "No edema. Report 0.", "impression": "Normal chest. Report 0."}
    assert said["sentence_confidence"]["findings"] == [0.5, 0.25]
    called = {label["name"]: label["p_raw"] >= 0.5 for label in said["labels"]}
    flagged = {flag["label"]: flag["report"] for flag in said["consistency"]}
    assert flagged.get("Edema") == ("denied" if called["Edema"] else None), "a negated mention is no mention"
    assert flagged.get("Fracture") == ("not mentioned" if called["Fracture"] else None)


def test_a_report_is_never_rewritten(writing, report_films):
    """A model that says what its findings deny is flagged, and its words stay."""
    predictor = writing({"findings": "There is pulmonary edema. There is a rib fracture. There is an opacity."})
    answer = predictor.predict(report_films / "001-PA.png")
    assert answer.prediction.hypothesis["findings"].startswith("There is pulmonary edema. There is a rib fracture.")
    absent = {f.label for f in answer.findings if not f.positive}
    assert {flag.label for flag in answer.flags} == absent
    assert {flag.report for flag in answer.flags} <= {"said"}


def test_a_model_that_writes_nothing_says_so_and_is_no_normal_report(writing, report_films):
    answer = writing({}).predict(report_films / "001-PA.png")
    assert warned(answer, "the model wrote nothing of this study")
    assert answer.flags == ()
    assert "report" not in answer.as_json()


def test_one_film_is_answered_and_the_lack_of_the_other_is_said(predictor, report_films):
    pa, side = report_films / "000-PA.png", report_films / "000-LATERAL.png"
    alone, both = predictor.predict(f"PA={pa}"), predictor.predict(f"PA={pa}+LATERAL={side}")
    assert warned(
        alone, "one film: this model reads a frontal and a lateral film of a study together, and had no lateral"
    )
    assert warned(predictor.predict(f"LATERAL={side}"), "and had no frontal one")
    assert not warned(both, "one film")
    assert alone.prediction.hypothesis
    assert both.prediction.hypothesis


@pytest.mark.parametrize("third", ["AP", "LATERAL"])
def test_of_more_films_than_are_read_the_report_is_of_the_first_ones_and_says_so(writing, report_films, third):
    predictor = writing({"findings": "The heart is normal."})
    pa, side, more = (report_films / f"{name}.png" for name in ("000-PA", "000-LATERAL", "004-PA"))
    answer = predictor.predict([f"{third}={more}", f"LATERAL={side}", f"PA={pa}"])
    first = more if third == "LATERAL" else side
    assert answer.prediction.hypothesis["findings"].endswith("Report 0."), "of the first group, in the order of scoring"
    assert warned(answer, "3 films are not read all together but in 2 groups: each finding pools the groups")
    assert warned(answer, f"the report was written from {pa} and {first} alone")
    scores = [predictor.predictions([study])[0].scores for study in predictor.read(request_of(answer)).studies]
    for label, p in answer.prediction.scores.items():
        assert p == pytest.approx(np.mean([one[label] for one in scores]), abs=1e-6)


def request_of(answer):
    from medley.serving.predictor import Request

    return Request([f"{film.view}={film.quality['file']}" for film in answer.films])


def test_two_frontal_films_are_two_groups(predictor, report_films):
    a, b = (report_films / f"{name}.png" for name in ("001-PA", "002-PA"))
    assert warned(predictor.predict(f"PA={a}+PA={b}"), "2 films are not read all together but in 2 groups")


def test_a_text_is_never_pooled():
    group = [
        Prediction("a", "p", "chest_report", {"Edema": p}, hypothesis={"findings": text}, extra={"gate": p})
        for p, text in ((0.2, "First."), (0.6, "Second."))
    ]
    whole = aggregate(group, "mean")
    assert whole.scores["Edema"] == pytest.approx(0.4)
    assert (whole.hypothesis, whole.extra) == ({"findings": "First."}, {"gate": 0.2})


def test_a_note_that_is_not_read_is_said_not_to_be(report_run, report_films):
    deaf = toolkit.load(report_run)
    deaf.recipe = deaf.recipe.model_copy(update={"model": {**deaf.recipe.model, "note_tokens": 0}})
    answer = deaf.predict(report_films / "001-PA.png", text="cough")
    assert warned(answer, "this model reads no notes")
    assert not warned(answer, "the note is long")


def test_a_dicom_is_read_like_its_png(predictor, tmp_path):
    pixels = (np.add.outer(np.arange(60) * 3, np.arange(50) * 5) % 251).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, generate_uid()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    data = FileDataset(str(tmp_path / "film.dcm"), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", "CHEST", "PA"
    data.Rows, data.Columns, data.SamplesPerPixel = *pixels.shape, 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelData = 7, pixels.tobytes()
    data.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    dicom, png = predictor.predict(tmp_path / "film.dcm"), predictor.predict(f"PA={tmp_path / 'film.png'}")
    assert dicom.prediction.hypothesis == png.prediction.hypothesis
    assert dict(dicom.prediction.scores) == pytest.approx(dict(png.prediction.scores), abs=1e-6)


def test_the_picture_grows_by_the_report(writing, report_films):
    def height(sections: dict[str, str]) -> int:
        answer = writing(sections).predict(report_films / "001-PA.png")
        return Image.open(io.BytesIO(draw_answer(replace(answer, flags=()), None))).size[1]

    short, long = height({"findings": "Normal."}), height({"findings": "The heart costs $5 and $6 咳. " * 40})
    assert long > short + 100
    answer = writing({"findings": "Normal."}).predict(report_films / "001-PA.png")
    silent = replace(answer, prediction=replace(answer.prediction, hypothesis={}), flags=())
    assert Image.open(io.BytesIO(draw_answer(silent, None))).size[1] < short


def test_predict_prints_report_and_flags_and_keeps_them(medley, report_run, report_films, tmp_path):
    film, out = report_films / "001-PA.png", tmp_path / "out"
    code, printed, err = medley("predict", report_run, film, "--out", out)
    assert code == 0, err
    [kept] = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    for section, text in kept["report"].items():
        assert f"{section.capitalize()}: {text}" in printed
    for flag in kept["consistency"]:
        assert f"look again: {flag['text']}" in err
    [line] = [json.loads(line) for line in (out / "predictions.jsonl").read_text().splitlines()]
    assert line["hypothesis"] == kept["report"]
    assert (out / kept["evidence"]["picture"]).read_bytes().startswith(b"\x89PNG")


def test_weights_of_another_family_are_one_line(medley, report_run, toy_run, report_films, tmp_path):
    run = Path(shutil.copytree(report_run, tmp_path / "run"))
    shutil.copy(toy_run / "config.yaml", run / "config.yaml")
    for command in ("predict", "evaluate"):
        code, printed, err = medley(command, run, *([report_films / "001-PA.png"] if command == "predict" else []))
        assert (code, printed) == (2, "")
        assert len(err.splitlines()) == 1
        assert "is of the family chexquery, and the run's config.yaml says cxr_reasoner" in err
    (run / "config.yaml").write_text(yaml.safe_dump({"size": "toy"}))
    with pytest.raises(MedleyError, match="family"):
        toolkit.load(run)
