"""The same brain twice, stored in another way: found. Strangers, and two sequences of one head: not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medley.core.records import ImageRef
from medley.data.cases import read_cases, write_cases
from medley.data.checks.doctor import examine
from medley.data.checks.duplicates import NEAR, find_pairs
from medley.data.checks.looks import look_at_all
from medley.data.checks.volumes.alike import SAME_VOLUME, SURE_VOLUME
from medley.data.preprocess.volume.nifti import read_nifti, write_nifti
from medley.data.splits import make_split, write_splits


def stored_otherwise(path: Path, folder: Path, kind: str) -> Path:
    raw = read_nifti(path)
    values, affine = raw.values, raw.affine.copy()
    if kind == "same bytes":
        (folder / "copy.nii.gz").write_bytes(path.read_bytes())
        return folder / "copy.nii.gz"
    if kind == "turned axes":
        values, affine = values.transpose(1, 0, 2)[::-1], affine @ turn(values.shape)
    elif kind == "z-scores":
        seen = values[values > 0]
        values = (values - seen.mean()) / seen.std()
    elif kind == "padded":
        values = np.pad(values, 5)
        affine[:3, 3] -= affine[:3, :3] @ [5, 5, 5]
    elif kind == "8 bits":
        values = np.rint(values / values.max() * 255).astype(np.uint8)
    elif kind == "mirrored":
        axis = int(np.argmax(np.abs(affine[0, :3])))
        values = np.flip(values, axis)
    write_nifti(folder / "copy.nii.gz", values, affine)
    return folder / "copy.nii.gz"


def turn(shape) -> np.ndarray:
    """From the index of `values.transpose(1, 0, 2)[::-1]` to that of `values`."""
    back = np.zeros((4, 4))
    back[1, 0], back[0, 1], back[2, 2], back[3, 3] = -1, 1, 1, 1
    back[1, 3] = shape[1] - 1
    return back


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("same bytes", "same file"),
        ("turned axes", "same pixels"),
        ("z-scores", NEAR),
        ("padded", NEAR),
        ("8 bits", NEAR),
        ("mirrored", NEAR),
    ],
)
def test_a_copy_under_another_patient_is_found_however_it_was_stored(brains, tmp_path, kind, told):
    table = read_cases(brains / "cohort/cases.parquet")
    copied = stored_otherwise(Path(table.cases[0].images[0].path), tmp_path, kind)
    thief = replace(table.cases[0], case_id="copy", patient_id="other", images=(ImageRef("flair", str(copied)),))
    table = write_cases(tmp_path / "cases.parquet", [*table.cases[:8], thief], table.labels)
    pairs = [pair for pair in find_pairs(look_at_all(table)) if "copy" in (pair.one.case_id, pair.other.case_id)]
    assert [(pair.kind, pair.sure, pair.turned) for pair in pairs] == [
        (told, True, "mirrored" if kind == "mirrored" else "")
    ]
    assert {pairs[0].one.case_id, pairs[0].other.case_id} == {table.cases[0].case_id, "copy"}


def test_strangers_are_far_below_the_limit_and_visits_of_one_patient_are_no_leak(brains):
    table = read_cases(brains / "cohort/cases.parquet")
    pairs = find_pairs(look_at_all(table))
    patient = {case.case_id: case.patient_id for case in table.cases}
    assert all(patient[pair.one.case_id] == patient[pair.other.case_id] for pair in pairs)
    assert 0.5 < SAME_VOLUME < SURE_VOLUME < 1


def test_a_copy_in_two_parts_fails_and_both_parts_are_named(brains, tmp_path):
    table = read_cases(brains / "cohort/cases.parquet")
    split = make_split(table, by="stratified", seed=1, fractions=(0.6, 0.15, 0.25))
    first = table.by_id[split.parts["train"][0]]
    second = table.by_id[split.parts["test"][0]]
    copied = stored_otherwise(Path(first.images[0].path), tmp_path, "8 bits")
    rows = [
        replace(case, images=(ImageRef("flair", str(copied)), *case.images[1:])) if case is second else case
        for case in table.cases
    ]
    table = write_cases(tmp_path / "cases.parquet", rows, table.labels)
    write_splits(tmp_path / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.6, 0.15, 0.25)))
    checks = {c.name: c for c in examine(tmp_path / "cases.parquet", tmp_path / "splits.json", workers=1).checks}
    check = checks["duplicates-across-parts"]
    assert (check.status, check.count) == ("failed", 1)
    assert "of one volume in two parts (train and test 1)" in check.says


def test_two_images_that_mirror_each_other_are_told_where_sides_matter(brains, tmp_path):
    table = read_cases(brains / "cohort/cases.parquet")
    copied = stored_otherwise(Path(table.cases[0].images[0].path), tmp_path, "mirrored")
    other = replace(table.cases[0], case_id="copy", images=(ImageRef("flair", str(copied)),))
    write_cases(tmp_path / "cases.parquet", [*table.cases[:6], other], table.labels)
    checks = {check.name: check for check in examine(tmp_path / "cases.parquet", workers=1).checks}
    assert checks["laterality-flips"].status == "failed"
    assert "volumes are mirrored" in checks["laterality-flips"].says
