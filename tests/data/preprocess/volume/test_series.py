"""DICOM series: the geometry is that of the same volume in NIfTI; what is no single MR series of a head is refused."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest
from brain_data import write_dicom_series

from medley.core.errors import UnreadableImage
from medley.data.preprocess.volume.orient import axis_codes
from medley.data.preprocess.volume.series import is_series, read_series, series_said

AFFINE = np.array([[-1.1, 0.1, 0, 40], [0.1, -1.4, 0.9, 50], [0, 0.35, 3.6, -60], [0, 0, 0, 1]], float)
TILTED = np.linalg.qr(AFFINE[:3, :3])[0] @ np.diag([1.1, 1.4, 4.0])


@pytest.fixture
def affine():
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = TILTED, (40, 50, -60)
    return out


VALUES = np.arange(24 * 20 * 12).reshape(24, 20, 12)


def test_a_series_is_the_volume_that_it_was_cut_from(tmp_path, affine):
    raw = read_series(write_dicom_series(tmp_path / "s", VALUES, affine))
    if raw.affine[:3, 2] @ affine[:3, 2] < 0:  # slices may be counted from the other end
        values, at = VALUES[:, :, ::-1], affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 11], [0, 0, 0, 1]])
    else:
        values, at = VALUES, affine
    assert np.array_equal(raw.values, values)
    assert raw.affine == pytest.approx(at, abs=1e-4)
    assert is_series(tmp_path / "s")
    assert series_said(tmp_path / "s").startswith("AX FLAIR")


def test_axes_of_a_plain_axial_series_go_lps(tmp_path):
    axial = np.diag([-1.0, -1.0, 3.0, 1.0])
    assert axis_codes(read_series(write_dicom_series(tmp_path / "s", VALUES, axial)).affine) == "LPS"


def test_rescaling_is_each_slice_s_own_and_windows_are_not_applied(tmp_path, affine):
    folder = write_dicom_series(
        tmp_path / "s", VALUES, affine, RescaleSlope=2, RescaleIntercept=5, WindowCenter=10, WindowWidth=4
    )
    one = next(iter(sorted(folder.iterdir())))
    dataset = pydicom.dcmread(one)
    dataset.RescaleSlope = 4
    dataset.save_as(one)
    raw = read_series(folder)
    plain = read_series(write_dicom_series(tmp_path / "plain", VALUES, affine))
    other = [
        place for place in range(12) if not np.array_equal(raw.values[:, :, place], plain.values[:, :, place] * 2 + 5)
    ]
    assert len(other) == 1
    assert np.array_equal(raw.values[:, :, other[0]], plain.values[:, :, other[0]] * 4 + 5)


def edited(folder, number, **changes):
    path = sorted(folder.iterdir())[number]
    dataset = pydicom.dcmread(path)
    for name, value in changes.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return folder


def dropped(folder):
    by_place = sorted(folder.iterdir(), key=lambda p: pydicom.dcmread(p).ImagePositionPatient[2])
    by_place[5].unlink()
    return folder


def doubled(folder):
    first = sorted(folder.iterdir())[0]
    shutil.copy(first, folder / "copy.dcm")
    return folder


def one_left(folder):
    for path in sorted(folder.iterdir())[1:]:
        path.unlink()
    return folder


def cut(folder):
    path = sorted(folder.iterdir())[3]
    path.write_bytes(path.read_bytes()[:-300])
    return folder


def chest(folder):
    for number in range(len(list(folder.iterdir()))):
        edited(folder, number, Modality="CR", SeriesInstanceUID=f"9.{number}")
    return folder


def emptied(folder):
    sorted(folder.iterdir())[-1].write_bytes(b"")
    return folder


BAD = {
    "two series": (
        lambda f: edited(f, 2, SeriesInstanceUID="9.9", SeriesDescription="T1"),
        "holds 2 series: 'AX FLAIR'",
    ),
    "modality": (lambda f: edited(f, 0, Modality="CT"), "modality CT, which is no MRI"),
    "chest films": (chest, "modality CR, which is no MRI"),
    "an empty slice": (emptied, "is of 0 bytes; fetch the series again"),
    "body part": (lambda f: edited(f, 0, BodyPartExamined="SHOULDER"), "body part SHOULDER, which is no brain"),
    "a gap": (dropped, "slices are missing"),
    "two echoes": (doubled, "lie at one place"),
    "one slice": (one_left, "holds 1 slice, a 2D image"),
    "localizer": (
        lambda f: edited(f, 4, ImageOrientationPatient=[1, 0, 0, 0, 0, -1]),
        "slices of several orientations",
    ),
    "sizes": (lambda f: edited(f, 4, PixelSpacing=[2.0, 2.0]), "slices of several sizes"),
    "no position": (lambda f: edited(f, 4, ImagePositionPatient=None), "lacks ImagePositionPatient"),
    "enhanced": (lambda f: edited(f, 0, NumberOfFrames=12), "enhanced multi-frame DICOM; convert it"),
    "cut slice": (cut, "damaged DICOM"),
}


@pytest.mark.parametrize("kind", BAD)
def test_each_bad_folder_is_one_clear_line(tmp_path, affine, kind):
    change, message = BAD[kind]
    folder = change(write_dicom_series(tmp_path / "s", VALUES, affine))
    with pytest.raises(UnreadableImage, match=message) as told:
        read_series(folder)
    assert str(folder) in str(told.value)
    assert "\n" not in str(told.value)


def test_a_folder_of_something_else_and_a_single_slice(tmp_path, affine):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("none")
    with pytest.raises(UnreadableImage, match="holds no DICOM image"):
        read_series(tmp_path / "empty")
    assert not is_series(tmp_path / "empty")
    folder = write_dicom_series(tmp_path / "s", VALUES, affine)
    with pytest.raises(UnreadableImage, match="name the folder that holds its whole series"):
        read_series(next(folder.iterdir()))


def test_what_lies_beside_the_slices_is_passed_over(tmp_path, affine):
    folder = write_dicom_series(tmp_path / "s", VALUES, affine)
    (folder / "notes.txt").write_text("none")
    other = pydicom.dcmread(sorted(folder.glob("*.dcm"))[0])
    for name in ("PixelData", "Rows", "Columns"):
        delattr(other, name)
    other.Modality = "PR"
    other.save_as(folder / "presentation.dcm")
    raw = read_series(folder)
    assert raw.values.shape == (24, 20, 12)
    assert "1 file of s hold no image" in raw.warnings[0]
