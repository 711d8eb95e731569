"""What of a request a model of volumes reads: which file is which sequence, brain masks, folders of studies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.records import VolumeInput
from medley.data.preprocess.volume.align import mni152
from medley.data.preprocess.volume.grid import TINY_GRID
from medley.data.preprocess.volume.nifti import write_nifti
from medley.serving.opening.request import Request
from medley.serving.opening.volumes import open_volume, studies_below

FLAIR = VolumeInput(TINY_GRID, ("flair",))


@pytest.fixture
def brain():
    """(values, mask, affine) of the template at 4 mm."""
    values, mask, affine = mni152()
    affine = affine.copy()
    affine[:3, :3] *= 4
    return (1 + 950 * values * mask)[::4, ::4, ::4].astype(np.int16), mask[::4, ::4, ::4], affine


@pytest.fixture
def write(brain, tmp_path):
    def written(name: str, values=None) -> Path:
        write_nifti(tmp_path / name, np.where(brain[1], brain[0], 0) if values is None else values, brain[2])
        return tmp_path / name

    return written


def test_a_series_is_what_its_header_says_whatever_its_folder_is_called(named_series):
    for folder in ("IM0", "flair"):
        with pytest.raises(UnreadableImage, match=f"{folder} holds no flair: add flair=FILE"):
            open_volume(Request(named_series(folder, "SAG T1 MPRAGE")), FLAIR)


def test_what_is_said_wins_over_the_name_and_is_remarked(write):
    opened = open_volume(Request(f"flair={write('a_T2.nii.gz')}"), FLAIR)
    assert opened.remarks[0] == "a_T2.nii.gz was given as flair; its name or header says t2"
    opened = open_volume(Request(str(write("scan.nii.gz"))), FLAIR)
    assert opened.remarks[0] == "nothing says what scan.nii.gz was made as: it is taken for flair"


def test_files_that_are_not_read_are_named(write):
    opened = open_volume(Request([f"flair={write('a.nii.gz')}", write("b.nii.gz"), write("c_t1.nii.gz")]), FLAIR)
    assert opened.remarks[0] == "not read, as this model reads flair alone: t1, b.nii.gz"


def test_a_brain_mask_decides_what_is_brain(brain, write):
    half = brain[1].copy()
    half[:, :, : half.shape[2] // 2] = False
    whole = open_volume(Request(f"flair={write('a.nii.gz')}"), FLAIR).volume
    masked = open_volume(Request(f"flair={write('a.nii.gz')}+mask={write('m.nii.gz', half.astype(np.uint8))}"), FLAIR)
    assert masked.volume.quality["mask"] == "given"
    assert (masked.volume.volume.voxels > 0).sum() < 0.7 * (whole.volume.voxels > 0).sum()
    two = "+".join(f"mask={write(name, half.astype(np.uint8))}" for name in ("m.nii.gz", "n.nii.gz"))
    with pytest.raises(MedleyError, match="are both given as the brain mask"):
        open_volume(Request(f"flair={write('a.nii.gz')}+{two}"), FLAIR)


def test_a_folder_becomes_its_studies_and_anything_else_stays(write, named_series, tmp_path):
    for name in ("day/one/flair.nii.gz", "day/one/t1.nii.gz", "day/two/scan.nii.gz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write(name)
    one, two = studies_below(Request(tmp_path / "day", "a note"), alone=True)
    assert (one.case_id, two.case_id, one.text) == ("one", "two", "a note")
    assert {said for said, _ in one.images()} == {"flair", "t1"}
    assert open_volume(two, FLAIR).volume.volume.sequences == ("flair",)
    assert studies_below(Request(tmp_path / "day"), alone=False)[0].case_id == "day/one"
    for other in (Request(tmp_path / "day/one/t1.nii.gz"), Request(named_series("s", "AX FLAIR"))):
        assert studies_below(other, alone=True) == [other]
    (tmp_path / "bare").mkdir()
    [empty] = studies_below(Request(tmp_path / "bare"), alone=True)
    with pytest.raises(MedleyError, match="holds no brain volume"):
        open_volume(empty, FLAIR)
