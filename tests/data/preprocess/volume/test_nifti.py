"""NIfTI files: what is read, and one clear line for each that cannot be."""

from __future__ import annotations

import gzip

import nibabel as nib
import numpy as np
import pytest

from medley.core.errors import UnreadableImage
from medley.data.preprocess.volume.nifti import read_nifti, stem, write_nifti


def image(values=None, affine=None) -> nib.Nifti1Image:
    values = np.arange(12**3, dtype=np.float32).reshape(12, 12, 12) if values is None else values
    return nib.Nifti1Image(values, np.diag([-2.0, -2.0, 3.0, 1.0]) if affine is None else affine)


def saved(path, one) -> str:
    path.write_bytes(one.to_bytes())
    return str(path)


def test_values_and_affine_come_as_stored_whatever_the_name_says(tmp_path):
    for name, packed in (("a.nii", False), ("b.nii.gz", True), ("c.nii", True), ("d.nii.gz", False)):
        content = image().to_bytes()
        (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
        raw = read_nifti(tmp_path / name)
        assert np.array_equal(raw.values, np.asarray(image().dataobj))
        assert np.array_equal(raw.affine, np.diag([-2.0, -2.0, 3.0, 1.0]))
        assert stem(name) == name[0]


def test_nifti2_and_one_volume_of_a_4d_file(tmp_path):
    values = np.arange(12**3, dtype=np.int16).reshape(12, 12, 12, 1)
    (tmp_path / "two.nii").write_bytes(nib.Nifti2Image(values, np.eye(4) * 2).to_bytes())
    assert read_nifti(tmp_path / "two.nii").values.shape == (12, 12, 12)


def test_written_and_read_back_and_the_same_bytes_each_time(tmp_path):
    values = np.arange(12**3, dtype=np.uint8).reshape(12, 12, 12)
    affine = np.array([[0, 0, 1.5, 4], [2, 0, 0, -9], [0, -1.2, 0, 30], [0, 0, 0, 1]], float)
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(tmp_path / name, values, affine)
    raw = read_nifti(tmp_path / "a.nii.gz")
    assert np.array_equal(raw.values, values)
    assert raw.affine == pytest.approx(affine)
    assert all("qform" not in said for said in raw.warnings)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_sform_goes_before_qform_and_a_quarrel_is_told(tmp_path):
    one = image()
    one.set_sform(np.diag([2.0, 2.0, 2.0, 1.0]), 1)
    one.set_qform(np.diag([-2.0, -2.0, 2.0, 1.0]), 1)
    raw = read_nifti(saved(tmp_path / "a.nii", one))
    assert raw.affine[0, 0] == 2
    assert "sform says its axes go RAS, qform LPS" in raw.warnings[0]
    one.set_sform(None, 0)
    assert read_nifti(saved(tmp_path / "b.nii", one)).affine[0, 0] == -2


def without_orientation():
    one = image()
    one.set_sform(None, 0)
    one.set_qform(None, 0)
    return one.to_bytes()


def with_values(change, shape=(12, 12, 12), dtype=np.float32):
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    change(values)
    return image(values).to_bytes()


def analyze():
    return bytearray(image().to_bytes()[:344] + b"\0\0\0\0" + image().to_bytes()[348:])


def pair():
    return bytearray(image().to_bytes()[:344] + b"ni1\0" + image().to_bytes()[348:])


def singular():
    content = image()
    content.set_sform(np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float), 1)
    return content.to_bytes()


COLOUR = np.zeros((12, 12, 12), [("R", "u1"), ("G", "u1"), ("B", "u1")])

BAD = {
    "4D": (lambda: image(np.ones((12, 12, 12, 5), np.float32)).to_bytes(), "is a 4D volume of 5 volumes"),
    "2D": (lambda: image(np.arange(144, dtype=np.float32).reshape(12, 12)).to_bytes(), "is a 2D image"),
    "slice": (lambda: with_values(lambda v: None, (20, 20, 1)), "is a 2D image"),
    "few slices": (lambda: with_values(lambda v: None, (20, 20, 5)), "is a stack of few slices"),
    "nan": (lambda: with_values(lambda v: v.__setitem__((0, 0), np.nan)), "has 12 of 1728 voxels that are NaN or inf"),
    "infinite": (lambda: with_values(lambda v: v.__setitem__((1, 1, 1), np.inf)), "has 1 of 1728 voxels"),
    "empty": (lambda: with_values(lambda v: v.fill(0)), "is empty: every voxel is 0"),
    "no affine": (without_orientation, "says no orientation"),
    "singular": (singular, "affine that is singular"),
    "huge voxels": (lambda: image(affine=np.diag([200.0, 2, 2, 1])).to_bytes(), "voxels of 200 x 2 x 2 mm"),
    "cut gzip": (lambda: gzip.compress(image().to_bytes())[:2000], "gzip file that is cut off"),
    "cut plain": (lambda: image().to_bytes()[:3000], "is cut off"),
    "cut header": (lambda: image().to_bytes()[:100], "has 100 bytes"),
    "nothing": (lambda: b"", r"is empty \(0 bytes\)"),
    "text": (lambda: b"no volume at all, only words" * 20, "is no NIfTI: it begins with"),
    "colour": (lambda: nib.Nifti1Image(COLOUR, np.eye(4)).to_bytes(), "colour or complex numbers"),
    "complex": (lambda: image(np.ones((12, 12, 12), np.complex64)).to_bytes(), "colour or complex numbers"),
    "analyze": (analyze, "does not say which side is left"),
    "pair": (pair, "header of a .hdr/.img pair"),
}


@pytest.mark.parametrize("kind", BAD)
def test_each_bad_file_is_one_clear_line(tmp_path, kind):
    content, message = BAD[kind]
    path = tmp_path / "bad.nii.gz"
    path.write_bytes(content())
    with pytest.raises(UnreadableImage, match=message) as told:
        read_nifti(path)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_places_that_are_no_file(tmp_path):
    with pytest.raises(UnreadableImage, match="does not exist"):
        read_nifti(tmp_path / "none.nii")
    with pytest.raises(UnreadableImage, match="is a folder"):
        read_nifti(tmp_path)


def test_a_mask_may_be_all_zero_and_a_slab_is_warned_of(tmp_path):
    path = saved(tmp_path / "m.nii", image(np.zeros((12, 12, 12), np.uint8)))
    assert not read_nifti(path, labels=True).values.any()
    raw = read_nifti(saved(tmp_path / "slab.nii", image(np.indices((80, 80, 12)).sum(0).astype(np.float32))))
    assert "covers only 36 mm along one axis" in raw.warnings[0]
