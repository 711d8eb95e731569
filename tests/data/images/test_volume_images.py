"""Volumes of a source: read once, known by their bytes, left out by name where they cannot be read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medley.core.records import Case, ImageRef, VolumeGrid, VolumeInput
from medley.data.cases import CaseTable, read_cases, write_cases
from medley.data.images.volumes import Volumes, open_volumes

READS = VolumeInput(VolumeGrid((16, 24, 24), (160.0, 200.0, 200.0)), ("flair",))
IDS = ("a", "b", "c")


def write_brain(path: Path, lesion_x: float | None, seed: int = 0) -> Path:
    """A stripped ball of 70 mm with noise, and a bright spot at x (mm, negative is left)."""
    rng = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(*(np.arange(40),) * 3, indexing="ij"), axis=-1) * 5.0 - 97.5
    brain = (place**2).sum(-1) < 70**2
    values = (100 + rng.normal(0, 6, brain.shape)) * brain
    if lesion_x is not None:
        values[((place - (lesion_x, 10, 10)) ** 2).sum(-1) < 18**2] = 300
    affine = np.diag([5.0, 5.0, 5.0, 1.0])
    affine[:3, 3] = -97.5
    nibabel.Nifti1Image(values.astype(np.int16), affine).to_filename(path)
    return path


@pytest.fixture
def table(tmp_path) -> CaseTable:
    cases = []
    for number, name in enumerate(IDS):
        path = write_brain(tmp_path / f"{name}.nii.gz", (-30.0, 30.0, None)[number], number)
        truth = {"healthy": name == "c"}
        image = ImageRef("flair", path.name)
        cases.append(Case(name, name, name, (image,), {"report": "x"}, {}, truth, synthetic=True))
    write_cases(tmp_path / "cases.parquet", cases, ["Lesion"])
    return read_cases(tmp_path / "cases.parquet")


def opened(table: CaseTable, tmp_path: Path) -> Volumes:
    return open_volumes(READS, table, [case.case_id for case in table.cases], tmp_path / "cache", workers=1)


def test_left_is_at_low_w_and_the_voxels_keep_the_contract(table, tmp_path):
    volumes = opened(table, tmp_path)
    for name, left in (("a", True), ("b", False)):
        study = volumes.study(table.by_id[name], table.by_id[name].images, None)
        bright = np.argwhere(study.volume.voxels[0] > 200)
        assert (bright[:, 2].mean() < READS.grid.shape[2] / 2) == left
        assert study.volume.voxels.dtype == np.uint8
        assert study.volume.voxels.max() == 255


def test_a_volume_is_made_once_and_a_changed_file_is_another(table, tmp_path):
    first = opened(table, tmp_path)
    made = sorted(first.store.glob("*.npz"))
    stamps = [path.stat().st_mtime_ns for path in made]
    assert len(made) == len(IDS)
    again = opened(table, tmp_path)
    assert [path.stat().st_mtime_ns for path in made] == stamps
    assert again.keys == first.keys
    write_brain(Path(table.by_id["a"].images[0].path), 20.0, 9)
    changed = opened(table, tmp_path)
    path = table.by_id["a"].images[0].path
    assert changed.keys[path] != first.keys[path]
    assert len(list(first.store.glob("*.npz"))) == len(IDS) + 1


def test_what_was_made_when_it_was_killed_is_made_anew(table, tmp_path):
    """The record is renamed into place last: voxels without it are not believed."""
    first = opened(table, tmp_path)
    key = first.keys[table.by_id["b"].images[0].path]
    (first.store / f"{key}.json").unlink()
    (first.store / f"{key}.npz").write_bytes(b"half")
    again = opened(table, tmp_path)
    case = table.by_id["b"]
    assert again.study(case, case.images, None).volume.voxels.shape == (1, *READS.grid.shape)
    assert "brain_ml" in json.loads((again.store / f"{key}.json").read_text())


def test_what_cannot_be_read_is_left_out_and_says_why(table, tmp_path):
    path = Path(table.by_id["b"].images[0].path)
    path.write_bytes(path.read_bytes()[:4000])
    lacking = replace(table.by_id["c"], images=(replace(table.by_id["c"].images[0], view="t1"),))
    table = replace(table, cases=(*table.cases[:2], lacking))
    volumes = opened(table, tmp_path)
    assert [bool(volumes.groups(case)) for case in table.cases] == [True, False, False]
    assert volumes.wanted(lacking) == []
    [(name, why)] = volumes.unreadable.items()
    assert name == str(path)
    assert path.name in why


def test_of_a_healthy_brain_the_lesion_is_known_to_lie_nowhere(table, tmp_path):
    volumes = opened(table, tmp_path)
    healthy, other = (volumes.study(table.by_id[name], table.by_id[name].images, None) for name in ("c", "a"))
    regions = volumes.with_regions(healthy, ["lesion"]).volume.regions
    assert not regions["lesion"].any()
    assert volumes.with_regions(other, ["lesion"]).volume.regions == {}, "nothing is known of it"


def test_half_of_an_epoch_is_mirrored_and_the_draw_belongs_to_the_case(table, tmp_path):
    volumes = opened(table, tmp_path)
    case = table.by_id["a"]
    study = volumes.study(case, case.images, None)
    seen = [volumes.augmented(study, case.images, 1, epoch, how="mirror") for epoch in range(40)]
    flipped = [np.array_equal(one.volume.voxels, study.volume.voxels[..., ::-1]) for one in seen]
    assert 10 < sum(flipped) < 30
    again = [volumes.augmented(study, case.images, 1, epoch, how="mirror").volume.voxels for epoch in range(40)]
    assert all(np.array_equal(one.volume.voxels, two) for one, two in zip(seen, again, strict=True))
    blank = volumes.blank(study)
    assert not blank.volume.voxels.any()
