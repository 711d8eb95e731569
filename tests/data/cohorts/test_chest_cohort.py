"""The folder that is written: the same bytes whatever the workers, whole or not at all, and readable as it says."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.data.cases import read_cases
from medley.data.cohorts import cohort_of
from medley.data.cohorts.chest import generate, read_masks
from medley.data.cohorts.chest.cohort import write_masks

PX, CASES = 48, 36


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    out = tmp_path_factory.mktemp("cohort") / "chest"
    return out, generate(out, CASES, seed=4, px=PX, workers=1)


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_workers(cohort, tmp_path):
    generate(tmp_path / "again", CASES, seed=4, px=PX, workers=2)
    assert digests(tmp_path / "again") == digests(cohort[0])


def test_a_study_is_the_same_in_a_smaller_cohort(cohort, tmp_path):
    out, table = cohort
    small = generate(tmp_path / "small", 5, seed=4, px=PX, workers=1)
    large = digests(out)
    for name, digest in digests(tmp_path / "small").items():
        if name.startswith(("films", "masks", "anatomy")):
            assert large[name] == digest
    for mine, theirs in zip(small.cases, table.cases, strict=False):
        assert (mine.case_id, mine.patient_id, mine.labels, mine.text, mine.truth) == (
            theirs.case_id,
            theirs.patient_id,
            theirs.labels,
            theirs.text,
            theirs.truth,
        )


def test_films_masks_and_truth_fit_each_other(cohort):
    out, table = cohort
    assert read_cases(out / "cases.parquet").digest == table.digest
    for case in table.cases:
        assert case.synthetic
        assert tuple(case.labels) == CHEXPERT_14
        assert set(case.text) == {"findings", "impression"}
        assert case.images[0].view in ("PA", "AP")
        for image in case.images:
            pixels = np.asarray(Image.open(image.path))
            assert (pixels.shape, pixels.dtype) == ((PX, PX), np.uint8)
        present = {label for label, value in case.labels.items() if value == 1}
        if present == {"No Finding"}:
            assert "masks" not in case.truth
            assert case.truth["findings"] == []
            continue
        masks = read_masks(out / case.truth["masks"])
        assert set(masks) == present
        for entry in case.truth["findings"]:
            assert entry["side"] in ("right", "left", "bilateral", "midline")
            assert entry["severity"] in ("mild", "moderate", "severe")
            if entry["box"] is not None:
                x0, y0, x1, y1 = entry["box"]
                assert masks[entry["label"]][y0:y1, x0:x1].sum() >= entry["area_px"] > 0
    assert any(len(case.images) == 2 for case in table.cases)
    assert len({case.patient_id for case in table.cases}) < len(table)


def test_the_summary_says_what_made_it(cohort):
    summary = json.loads((cohort[0] / "cohort.json").read_text())
    assert summary["synthetic"] is True
    assert (summary["seed"], summary["cases"], summary["difficulty"], summary["px"]) == (4, CASES, "default", PX)
    assert summary["positives"]["No Finding"] == sum(case.labels["No Finding"] == 1 for case in cohort[1].cases)


def test_progress_is_told_to_the_end(tmp_path):
    told = []
    generate(tmp_path / "c", 10, seed=1, px=32, workers=1, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 10


@pytest.mark.parametrize(
    ("change", "word"),
    [({"cases": 0}, "cases"), ({"px": 8}, "px"), ({"workers": 0}, "workers"), ({"difficulty": "defualt"}, "'default'")],
)
def test_bad_input_is_one_clear_line_and_leaves_nothing(tmp_path, change, word):
    asked = {"cases": 2, "seed": 1, "px": 32} | change
    with pytest.raises(MedleyError, match=word):
        generate(tmp_path / "bad", **asked)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(MedleyError, match="exists already"):
        generate(tmp_path, 1, seed=1, px=32)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_masks_read_back_and_bad_mask_files_are_named(tmp_path):
    mask = np.random.default_rng(0).random((20, 20)) > 0.5
    write_masks(tmp_path / "m.npz", {"Edema": mask})
    assert (read_masks(tmp_path / "m.npz")["Edema"] == mask).all()
    (tmp_path / "text.npz").write_text("no masks")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "m.npz").read_bytes()[:40])
    for name in ("text.npz", "cut.npz", "none.npz"):
        with pytest.raises(MedleyError, match=name):
            read_masks(tmp_path / name)


def test_every_family_of_chest_films_has_this_cohort():
    assert {cohort_of(family) for family in ("cxr_reasoner", "chexquery", "mavl")} == {generate}
    with pytest.raises(MedleyError, match="did you mean 'chexquery'"):
        cohort_of("chexqury")
