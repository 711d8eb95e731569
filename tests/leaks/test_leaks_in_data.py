"""Leaks in films, labels, texts and split: `medley check-data` names each, and finds nothing in the clean cohort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from leaks_data import LABELS, Cohort, plant, read_film, save_png, shown
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from medley.core.records import Case, Prediction
from medley.evaluation.predictions.lines import write_predictions

TRIPPED = {
    "patients-across-parts",
    "duplicates-across-parts",
    "laterality-flips",
    "label-columns",
    "source-signature",
    "answer-in-file-name",
    "answer-in-header",
    "same-text-across-parts",
}
OF_VOLUMES = {
    "missing-sequences",
    "volume-geometry",
    "sequences-in-one-space",
    "looks-like-a-brain",
    "masks-fit-volumes",
    "brain-truth",
    "report-fits-truth",
    "healthy-from-file",
    "source-from-file",
}
NOTHING_TO_SEE = {"publications-across-parts", "dates", *OF_VOLUMES}  # the generated table has none of it


def failed(checks: dict[str, dict]) -> set[str]:
    return {name for name, check in checks.items() if check["status"] == "failed"}


def sick(case: Case) -> bool:
    return case.labels["Consolidation"] == 1


def test_the_clean_cohort_raises_nothing_and_every_tripped_check_has_looked(clean, check_data):
    code, checks = check_data(clean)
    assert code == 0
    assert {name: check["says"] for name, check in checks.items() if check["status"] in ("failed", "warning")} == {}
    assert {name for name, check in checks.items() if check["status"] == "not applicable"} == NOTHING_TO_SEE
    assert {checks[name]["status"] for name in TRIPPED} == {"ok"}
    assert checks["label-columns"]["numbers"]["columns_checked"] == len(LABELS) - 1, "all but No Finding"


def overlapping(clean: Cohort, folder: Path) -> tuple[Cohort, Case, Case]:
    """One of two studies of a train patient is moved to test, in a split that was not made by `medley split`."""
    train = clean.part("train")
    once, again = next((a, b) for i, a in enumerate(train) for b in train[i + 1 :] if a.patient_id == b.patient_id)
    parts = {**clean.parts, "train": [i for i in clean.parts["train"] if i != again.case_id]}
    return plant(folder, clean, parts={**parts, "test": [*clean.parts["test"], again.case_id]}), once, again


def test_patient_overlap(clean, check_data, tmp_path):
    leaky, once, again = overlapping(clean, tmp_path)
    code, checks = check_data(leaky)
    assert (code, failed(checks)) == (1, {"patients-across-parts"})
    assert checks["patients-across-parts"]["examples"] == [
        f"{once.patient_id}: train (case {once.case_id}), test (case {again.case_id})"
    ]


def test_patient_overlap_is_refused_by_what_scores(clean, medley, tmp_path):
    """Nobody gets a score out of such a split."""
    leaky, once, _ = overlapping(clean, tmp_path)
    for cohort, code in ((clean, 0), (leaky, 2)):
        write_predictions(tmp_path / "test.jsonl", [_constant(case) for case in cohort.part("test")])
        given = ("--train", cohort.cases, "--splits", cohort.splits, "--bootstrap", 0)
        found, said, err = medley("score", tmp_path / "test.jsonl", *given)
        assert found == code, err
    assert said == ""
    assert f"patient '{once.patient_id}' is in train and in test; split by patient" in err


def _constant(case: Case) -> Prediction:
    return Prediction(case.case_id, case.patient_id, "chest_findings", dict.fromkeys(LABELS, 0.5))


def test_a_near_duplicate_across_parts(clean, check_data, tmp_path):
    """A test study shows a train patient's film: cropped, brightened and encoded again."""
    theirs, ours = clean.part("train")[0], clean.part("test")[0]
    pixels = read_film(theirs.images[0].path)[2:-2, 1:-2]
    brighter = np.rint(255 * (pixels / 255.0) ** 0.8).astype(np.uint8)
    Image.fromarray(brighter).resize((96, 96)).save(tmp_path / "copy.jpg", quality=85)
    leaky = plant(
        tmp_path, clean, lambda case: shown(case, tmp_path / "copy.jpg") if case.case_id == ours.case_id else case
    )
    code, checks = check_data(leaky)
    assert (code, failed(checks)) == (1, {"duplicates-across-parts"})
    [example] = checks["duplicates-across-parts"]["examples"]
    assert theirs.images[0].path in example
    assert "copy.jpg" in example
    assert "near-duplicate" in example


def without_films(case: Case) -> Case:
    """For leaks that no film is part of: what has no films is looked through at once."""
    return replace(case, images=())


@pytest.mark.parametrize("setting", ["augment: {horizontal_flip: 0.5}", "transforms: [RandomHorizontalFlip, Resize]"])
def test_flips_by_recipe_under_laterality(clean, check_data, tmp_path, setting):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"trainer:\n  {setting}\n")
    code, checks = check_data(plant(tmp_path, clean, without_films), recipe=recipe)
    assert (code, failed(checks)) == (1, {"laterality-flips"})
    assert "orizontal" in checks["laterality-flips"]["examples"][0]


def test_flipped_films_under_laterality(clean, check_data, tmp_path):
    """Augmentation that was written to disk: ten studies got a mirrored second film."""
    chosen = {case.case_id for case in clean.part("train")[:10]}

    def mirror(case: Case) -> Case:
        if case.case_id not in chosen:
            return case
        flipped = read_film(case.images[0].path)[:, ::-1]
        path = save_png(tmp_path / f"{case.case_id}.png", flipped, "chest radiograph")
        return replace(case, images=(*case.images, *shown(case, path).images))

    code, checks = check_data(plant(tmp_path, clean, mirror))
    assert (code, failed(checks)) == (1, {"laterality-flips"})
    assert checks["laterality-flips"]["count"] == 10
    assert "mirrored" in checks["laterality-flips"]["examples"][0]


def renamed(order: Sequence[int]) -> Callable[[Case], Case]:
    """Every column gets the values of another: all are legal."""

    def change(case: Case) -> Case:
        return replace(case, labels={label: case.labels[LABELS[i]] for label, i in zip(LABELS, order, strict=True)})

    return change


def test_rotated_label_columns(clean, check_data, tmp_path):
    """The names of the columns slipped by one."""
    code, checks = check_data(plant(tmp_path, clean, renamed([1, 2, 3, 4, 5, 0])))
    assert code == 1
    assert failed(checks) == {"label-columns", "label-hierarchy"}, "parents and children went apart, too"
    assert "the names are rotated by 1" in checks["label-columns"]["says"]
    assert "column Cardiomegaly fits Lung Opacity" in " ".join(checks["label-columns"]["examples"])


def test_two_exchanged_label_columns_against_a_reference(clean, check_data, tmp_path):
    """Without reports, somebody else's table of the same studies tells."""
    rows = [[case.case_id, *(case.labels[label] for label in LABELS)] for case in clean.table.cases]
    reference = tmp_path / "labels.csv"
    reference.write_text("\n".join(",".join(map(str, row)) for row in [["case_id", *LABELS], *rows]))

    def bare(case: Case) -> Case:
        return replace(without_films(case), text={})

    assert check_data(plant(tmp_path / "clean", clean, bare), "--reference", reference)[0] == 0
    exchanged = renamed([0, 1, 2, 3, 5, 4])
    leaky = plant(tmp_path / "leaky", clean, lambda case: exchanged(bare(case)))
    code, checks = check_data(leaky, "--reference", reference)
    assert (code, "label-columns" in failed(checks)) == (1, True)
    assert "column Consolidation fits Support Devices of labels.csv" in checks["label-columns"]["examples"][0]


@pytest.mark.parametrize(
    ("told", "tripped"),
    [
        ("web", {"source-signature", "acquisition-shortcut"}),
        (None, {"acquisition-shortcut"}),  # the table keeps silent about where the films come from
    ],
)
def test_a_source_signature(clean, check_data, tmp_path, told, tripped):
    """The films with a consolidation come from a web site that puts a frame round them."""

    def collect(case: Case) -> Case:
        pixels = read_film(case.images[0].path)
        if sick(case):
            pixels = np.pad(pixels[3:-3, 3:-3], 3, constant_values=200)
            case = replace(case, source=told or case.source)
        return shown(case, save_png(tmp_path / "films" / Path(case.images[0].path).name, pixels, "chest radiograph"))

    code, checks = check_data(plant(tmp_path, clean, collect))
    assert (code, failed(checks)) == (1, tripped)
    assert "Consolidation" in checks["acquisition-shortcut"]["examples"][0]
    if told:
        assert "'web' is told from the rest" in checks["source-signature"]["says"]
        assert checks["source-signature"]["numbers"]["label_auroc_of_source"]["Consolidation"] > 0.9


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (lambda case: f"{'consolidation' if sick(case) else 'film'}_{case.case_id}.png", "Consolidation is 1, and the"),
        (lambda case: f"{'p' if sick(case) else 'q'}/{case.case_id}.png", "tells Consolidation with AUROC 1.000"),
    ],
)
def test_the_answer_in_the_file_name(clean, check_data, tmp_path, name, said):
    def rename(case: Case) -> Case:
        path = tmp_path / "films" / name(case)
        return shown(case, save_png(path, read_film(case.images[0].path), "chest radiograph"))

    code, checks = check_data(plant(tmp_path, clean, rename))
    assert (code, failed(checks)) == (1, {"answer-in-file-name"})
    assert said in checks["answer-in-file-name"]["examples"][0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Chest PA, evaluate consolidation", "Chest PA"), "StudyDescription: Chest PA, evaluate consolidation"),
        (("Chest, protocol 7", "Chest, protocol 8"), "protocol 7' tells Consolidation with AUROC 1.000"),
    ],
)
def test_the_answer_in_the_dicom_header(clean, check_data, tmp_path, words, said):
    """By name, or by a code."""

    def described(case: Case) -> Case:
        path = tmp_path / "films" / f"{case.case_id}.dcm"
        return shown(case, _save_dicom(path, read_film(case.images[0].path), words[not sick(case)]))

    code, checks = check_data(plant(tmp_path, clean, described))
    assert (code, failed(checks)) == (1, {"answer-in-header"})
    assert said in checks["answer-in-header"]["examples"][0]


def _save_dicom(path: Path, pixels: np.ndarray, description: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    film = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    film.SOPClassUID, film.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    film.Modality, film.BodyPartExamined, film.StudyDescription = "DX", "CHEST", description
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PixelRepresentation, film.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit = 8, 8, 7
    film.PixelData = pixels.tobytes()
    film.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize(("asked", "status"), [(sick, "failed"), (None, "warning")])
def test_a_label_named_in_the_indication(clean, check_data, tmp_path, asked, status):
    """Of every patient who has it: the answer is given away. Of one: it is told, and need not stop anybody."""
    one = next(case for case in clean.part("test") if sick(case))

    def ask(case: Case) -> Case:
        told = asked(case) if asked else case.case_id == one.case_id
        text = {**case.text, "indication": "Fever. Known consolidation."} if told else case.text
        return replace(without_films(case), text=text)

    code, checks = check_data(plant(tmp_path, clean, ask))
    assert (code, checks["text-names-labels"]["status"]) == (int(status == "failed"), status)
    assert "Consolidation is 1, and the text names it: Fever." in checks["text-names-labels"]["examples"][0]


@pytest.mark.parametrize(
    "retyped",
    [
        str,
        lambda text: text.upper().replace(". ", ".\n\n- "),
        lambda text: text.replace(" is ", " was ", 1),
        lambda text: text.replace(". ", ". Again, ", 1),
    ],
)
def test_the_same_report_across_parts(clean, check_data, tmp_path, retyped):
    """A test study carries the report of a train patient: copied, laid out anew, with a word changed, or one added."""
    theirs = max((case for case in clean.part("train") if sick(case)), key=lambda case: len(case.text["findings"]))
    ours = next(case for case in clean.part("test") if sick(case))
    report = {section: retyped(theirs.text[section]) for section in ("findings", "impression")}

    def copy(case: Case) -> Case:
        case = without_films(case)
        return replace(case, text={**case.text, **report}) if case.case_id == ours.case_id else case

    code, checks = check_data(plant(tmp_path, clean, copy))
    assert (code, failed(checks)) == (1, {"same-text-across-parts"})
    [example] = checks["same-text-across-parts"]["examples"]
    assert theirs.case_id in example
    assert ours.case_id in example
