"""What is found in folders and tables of brains: masks by name, what is passed over and said, what is refused."""

from __future__ import annotations

import pytest
from brain_data import write_dicom_series

from medley.core.errors import MedleyError
from medley.data.preprocess.volume.find import find_studies
from medley.data.preprocess.volume.nifti import write_nifti


@pytest.fixture
def files(tmp_path, bare):
    """Make empty-handed NIfTI files: what is asked here is their names."""

    def make(*names: str):
        for name in names:
            write_nifti(tmp_path / f"{name}.nii.gz", bare.values, bare.affine)
        return tmp_path

    return make


def test_what_all_names_begin_with_is_the_study_s_own_name(files):
    studies, passed = find_studies(files("roi_01_flair", "roi_01_t1", "roi_02_flair", "roi_02_t1"))
    assert [(study.name, len(study.files)) for study in studies] == [("roi-01", 2), ("roi-02", 2)]
    assert not passed


def test_a_mask_alone_is_counted_and_not_lost(files):
    folder = files("a/i_labels_flair", "b/x_flair")
    studies, passed = find_studies(folder)
    assert [study.name for study in studies] == ["b"]
    assert passed == {"mask by its name, with no volume beside it": 1}
    with pytest.raises(MedleyError, match=r"holds no brain volume.*; passed over: mask by its name"):
        find_studies(folder / "a")


@pytest.mark.parametrize(
    ("beside", "segmentation", "mask", "counted"),
    [
        ("p1_mask", False, False, "mask that does not say of what (brain_mask and lesion_mask would)"),
        ("p1_bet_mask", False, True, None),
        ("p1_brain_mask", False, True, None),
        ("p1_lesion_mask", True, False, None),
        ("p1_seg", True, False, None),
    ],
)
def test_what_a_mask_is_of_is_not_guessed(files, beside, segmentation, mask, counted):
    [study], passed = find_studies(files("p1_flair", "p1_t1", beside))
    assert (study.segmentation is not None, study.mask is not None) == (segmentation, mask)
    assert list(passed) == ([counted] if counted else [])


def test_a_study_that_is_called_brain_has_a_segmentation_all_the_same(files):
    for study in find_studies(files("brain_01_flair", "brain_01_seg", "brain_02_flair", "brain_02_t1", "brain_02_seg"))[
        0
    ]:
        assert (study.segmentation is not None, study.mask) == (True, None), study.name


def test_rows_without_a_path_and_rows_that_are_too_long_are_counted(files):
    folder = files("x_flair")
    (folder / "list.csv").write_text("case_id,flair\na,x_flair.nii.gz\nb,\nc,x_flair.nii.gz,more\n")
    studies, passed = find_studies(folder / "list.csv")
    assert [study.name for study in studies] == ["a"]
    assert passed == {"row without a path": 1, "row with more fields than the header": 1}
    (folder / "list.csv").write_bytes(b"case_id,flair\n" + b"a,x_flair.nii.gz\n" * 40 + b"b,x\0.nii.gz\n")
    with pytest.raises(MedleyError, match="line 42 holds a NUL byte"):
        find_studies(folder / "list.csv")


def test_two_studies_of_one_name_are_told_by_their_files(files):
    folder = files("a__b/flair", "a/b/flair")
    with pytest.raises(
        MedleyError, match=r"a/b/flair\.nii\.gz and .*a__b/flair\.nii\.gz would both be written to a__b"
    ):
        find_studies(folder)


def test_what_is_no_source_says_what_to_do(files, bare):
    folder = files("x_flair")
    series = write_dicom_series(folder / "series", bare.values.round(), bare.affine)
    for name, content, said in (
        ("brains.zip", b"PK", "is an archive; unpack it"),
        ("brain.img", b"\0" * 200, "is an Analyze pair"),
        ("one", sorted(series.iterdir())[0].read_bytes(), "is one DICOM image; name the folder"),
        ("notes.txt", b"none", "is no folder, NIfTI file"),
    ):
        (folder / name).write_bytes(content)
        with pytest.raises(MedleyError, match=said):
            find_studies(folder / name)
