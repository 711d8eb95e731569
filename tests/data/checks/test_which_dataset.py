"""Which dataset is it? The probe is quiet where healthy and ill come from one pipeline, and tells where they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from medley.core.records import ImageRef
from medley.core.seeds import generator
from medley.data.cases import CaseTable, read_cases, write_cases
from medley.data.checks.looks import look_at_all
from medley.data.checks.volumes.dataset import (
    TELLS_AUROC,
    check_healthy_from_file,
    check_source_from_file,
    study_features,
)
from medley.data.checks.volumes.facts import facts_of
from medley.data.checks.volumes.header import FIELDS
from medley.data.checks.volumes.study import StudyFacts
from medley.data.cohorts.brain.draw import draw
from medley.data.cohorts.brain.nifti import write_nifti as write_drawn
from medley.data.cohorts.brain.sampling import plan_study
from medley.data.preprocess.volume.nifti import read_nifti, write_nifti


@pytest.fixture(scope="module", autouse=True)
def files_alone():
    """The probe reads what single files are; brains and masks are not looked for here, which takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medley.data.checks.volumes.look.study_facts", lambda *_, **__: StudyFacts())
        yield


@pytest.fixture(scope="module")
def cohort(brains) -> CaseTable:
    return read_cases(brains / "cohort/cases.parquet")


@pytest.fixture(scope="module")
def looks(cohort):
    return look_at_all(cohort)


def with_scalp(values: np.ndarray, affine: np.ndarray, name: str):
    """A rim of fat around a dark skull, in air that has noise: a head as the scanner gives it."""
    brain, rng = values > 0, generator("scalp", name)
    rim = binary_dilation(brain, iterations=3) & ~binary_dilation(brain, iterations=1)
    out = np.where(brain, values, np.abs(rng.normal(0, 0.02 * values.max(), values.shape)))
    out[rim] = 1.4 * values[brain].mean() * rng.uniform(0.8, 1.2, int(rim.sum()))
    return out.astype(np.int16), affine


def with_identity(values: np.ndarray, affine: np.ndarray, name: str):
    return values.astype(np.int16), np.eye(4)


def of_z_scores(values: np.ndarray, affine: np.ndarray, name: str):
    return ((values - values[values > 0].mean()) / values[values > 0].std()).astype(np.float32), affine


def padded(values: np.ndarray, affine: np.ndarray, name: str):
    return np.pad(values, 4).astype(np.int16), affine


def mixed(cohort: CaseTable, folder: Path, change) -> CaseTable:
    """The cohort's lesions as they are, its healthy studies as files of another dataset."""
    rows = []
    for case in cohort.cases:
        case = replace(case, source="tumours", truth={"healthy": case.truth["healthy"]})
        if case.truth["healthy"]:
            images = []
            for image in case.images:
                raw, name = read_nifti(image.path), Path(image.path).name
                write_nifti(folder / name, *change(raw.values, raw.affine, name))
                images.append(ImageRef(image.view, str(folder / name)))
            case = replace(case, source="volunteers", images=tuple(images))
        rows.append(case)
    return write_cases(folder / "cases.parquet", rows, cohort.labels)


def test_the_generated_cohort_tells_nothing_by_its_files(cohort, looks):
    check = check_healthy_from_file(cohort, looks, seed=0)
    assert check.status == "ok", check.examples
    value, low, high = check.numbers["auroc"]
    assert low < TELLS_AUROC
    assert low <= value <= high
    assert check.numbers["healthy"] + check.numbers["lesion"] == len(cohort)


@pytest.mark.parametrize(
    ("change", "feature"),
    [
        (with_scalp, "background's noise"),
        (with_identity, "identity affine"),
        (of_z_scores, "values below zero"),
        (padded, "voxels along x (log2)"),
    ],
)
def test_healthy_scans_of_another_make_are_told_and_what_tells_is_named(cohort, tmp_path, change, feature):
    table = mixed(cohort, tmp_path, change)
    looks = look_at_all(table)
    check = check_healthy_from_file(table, looks)
    assert (check.status, check.count) == ("warning", 1)
    assert check.numbers["auroc"][1] > 0.9
    assert feature in [one["feature"] for one in check.numbers["features"]], check.examples
    assert check.numbers["features"][0]["auroc"] > 0.95
    assert "AUROC" in check.examples[0]
    assert "medians healthy" in check.examples[0]
    assert "preprocess brains" in check.todo
    source = check_source_from_file(table, looks)
    assert source.status == "warning"
    assert source.numbers["health_auroc_of_source"] == 1.0


def test_a_source_that_is_told_but_tells_no_health_is_said_and_no_more(cohort, tmp_path):
    """Half of the studies, healthy and ill alike, were stored in another way."""
    rows = []
    for number, case in enumerate(cohort.cases):
        images = case.images
        if number % 2:
            images = []
            for image in case.images:
                raw = read_nifti(image.path)
                path = tmp_path / Path(image.path).name
                write_nifti(path, *padded(raw.values, raw.affine, path.name))
                images.append(ImageRef(image.view, str(path)))
        truth = {"healthy": case.truth["healthy"]}
        rows.append(replace(case, images=tuple(images), source="ab"[number % 2], truth=truth, patient_id=str(number)))
    table = CaseTable(tuple(rows), cohort.labels)
    looks = look_at_all(table)
    check = check_source_from_file(table, looks)
    assert check.status == "ok"
    assert check.numbers["source_auroc"]["b"][1] > 0.9
    assert "tells no health" in check.says
    assert check_healthy_from_file(table, looks).status == "ok"


def test_a_few_studies_are_not_asked_and_the_reason_says_how_many_it_takes(cohort, looks):
    few = CaseTable(cohort.cases[:12], cohort.labels)
    looks = [look for look in looks if look.case_id in few.by_id]
    check = check_healthy_from_file(few, looks)
    assert check.status == "not applicable"
    assert "it takes 10 studies of 5 patients of either" in check.says
    assert check_source_from_file(few, looks).says.startswith("1 source with 10")
    assert check_healthy_from_file(few, ()).status == "not applicable"


def test_the_same_seed_gives_the_same_answer(cohort, looks):
    assert check_healthy_from_file(cohort, looks, 1).as_json() == check_healthy_from_file(cohort, looks, 1).as_json()
    one, other = (check_healthy_from_file(cohort, looks, seed).numbers["auroc"] for seed in (1, 2))
    assert one[0] == other[0]
    assert one[1:] != other[1:]


def test_a_lesion_moves_no_feature_by_much_of_what_scans_differ_by(tmp_path):
    """The same brains drawn with their lesions and without: what the probe reads must be of the file, not of the
    lesion."""
    with_lesion, without = [], []
    number = 0
    while len(with_lesion) < 24:
        plan = plan_study(13, number, "default")
        number += 1
        if plan.lesions:
            for into, one in ((with_lesion, plan), (without, replace(plan, lesions=()))):
                drawn = draw(one, 48, ("flair",))
                write_drawn(tmp_path / "one.nii.gz", drawn.images["flair"], drawn.grid, one.pose)
                facts, _ = facts_of(read_nifti(tmp_path / "one.nii.gz"), dict.fromkeys(FIELDS, 0.0))
                into.append(facts.features)
    for name in with_lesion[0]:
        ill, healthy = (np.array([one[name] for one in of]) for of in (with_lesion, without))
        assert abs((ill - healthy).mean()) <= 0.25 * max(healthy.std(), 1e-3), name


def test_a_study_is_one_row_whatever_its_sequences(cohort, looks):
    cases, names, features = study_features(cohort, looks)
    assert features.shape == (len(cohort), len(names))
    assert np.isfinite(features).all()
    assert [case.case_id for case in cases] == [case.case_id for case in cohort.cases]
    assert not [name for name in names if "percentile" in name and "faces" not in name]  # none of the brain's own
