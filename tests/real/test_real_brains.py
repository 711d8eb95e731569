"""Real brain MRI: every volume at hand goes through the one path, the right way round; what is no brain does not."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from medley.core.errors import UnreadableImage
from medley.data.brain_sides import sides_in
from medley.data.preprocess.volume.find import find_studies
from medley.data.preprocess.volume.grid import TINY_GRID, to_source
from medley.data.preprocess.volume.nifti import read_nifti
from medley.data.preprocess.volume.series import read_series
from medley.data.preprocess.volume.volume import load_volume, prepare_volume, read_source

STRIPPED = ("BraTS-GLI-00001-000", "TCGA-DU-7294", "MS_patient19_MNI", "MS_patient26_MNI", "MR_Gd")


@pytest.fixture(scope="module")
def brains(real_data) -> Path:
    folder = real_data / "brain_mri"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture(scope="module")
def series(real_data, tmp_path_factory) -> Path:
    """The slices of the zipped series in a folder of their own."""
    folder = tmp_path_factory.mktemp("series")
    with zipfile.ZipFile(next((real_data / "dicom").glob("brain_t1_series*.zip"))) as packed:
        for number, name in enumerate(one for one in packed.namelist() if one.lower().endswith(".dcm")):
            with packed.open(name) as source, (folder / f"{number}.dcm").open("wb") as target:
                shutil.copyfileobj(source, target)
    return folder


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*/*.nii.gz")) if "seg" not in path.name and "lesion" not in path.name]


def test_every_volume_goes_through_and_is_taken_for_a_brain(brains):
    paths = _files(brains)
    assert len(paths) >= 20
    for path in paths:
        volume, record = prepare_volume({"flair": path}, TINY_GRID)
        assert record.mask == ("stripped" if any(name in str(path) for name in STRIPPED) else "template"), path
        assert 900 < record.brain_ml < 1800, path
        assert record.outside_fov < 0.005, path
        assert record.outline > 0.45, path
        assert record.tissue > 0.03, path
        assert record.symmetry > 0.3, path
        assert record.looks == "", path
        assert not any("look" in said for said in record.warnings), path
        back = to_source(volume.voxels[0], volume)
        source = read_source(path).values
        brain = back > 0
        assert brain.shape == source.shape
        assert np.corrcoef(back[brain], source[brain])[0, 1] > 0.55, path  # what went there came from there, at 5 mm


def test_studies_are_found_as_they_lie(brains):
    studies, passed = find_studies(brains)
    names = {study.name: [sequence for sequence, _ in study.files] for study in studies}
    assert sorted(names["BraTS-GLI-00001-000"]) == ["flair", "t1", "t1c", "t2"]
    assert sorted(names["MSlong_patient01_raw"]) == ["flair", "t1", "t2"]
    assert names["niivue__MR_Gd"] == ["t1c"]
    assert names["niivue__chris_t1"] == ["t1"]
    assert names["niivue__chris_PD"] == ["unknown"]
    ms = next(study for study in studies if study.name == "MS_patient19_MNI")
    assert ms.segmentation.name == "lesion_consensus_gt.nii.gz"
    assert passed["segmentation, of which its study has several"] == 4


def test_sequences_with_grids_of_their_own_lie_on_one(brains):
    folder = brains / "MSlong_patient01_raw"
    files = {
        name: folder / f"study1_{said}.nii.gz" for name, said in (("flair", "FLAIR"), ("t1", "T1W"), ("t2", "T2W"))
    }
    volume, record = prepare_volume(files, TINY_GRID)
    assert volume.sequences == ("flair", "t1", "t2")
    assert len({one.voxel_mm for one in record.sequences}) == 3
    flair, t1, t2 = volume.voxels.astype(float)
    seen = (flair > 0) & (t1 > 0) & (t2 > 0)
    assert np.corrcoef(flair[seen], t1[seen])[0, 1] > 0.3  # fluid is dark on both
    assert np.corrcoef(t1[seen], t2[seen])[0, 1] < -0.2  # and bright on T2


def test_the_side_of_a_real_tumour(brains):
    """GLI-00001's is on the left by its affine: in LPS indices it lies at the high x, image right as radiologists
    hang."""
    folder = brains / "BraTS-GLI-00001-000"
    segmentation = folder / "seg-BraTS23_1_algorithmic.nii.gz"
    volume = load_volume({"flair": folder / "t2f.nii.gz"}, TINY_GRID, segmentation=segmentation, check=False)
    raw = read_nifti(segmentation, labels=True)
    index = np.argwhere(raw.values > 0).mean(0)
    x_mm = (raw.affine @ [*index, 1])[0]
    middle = (volume.affine @ [*(np.array(TINY_GRID.shape) - 1) / 2, 1])[0]
    assert sides_in(volume) == ("right" if x_mm > middle else "left")
    lesion = volume.regions["lesion"] > 127
    assert volume.voxels[0][lesion].mean() > 1.3 * volume.voxels[0][volume.voxels[0] > 0].mean()  # bright on FLAIR


def test_a_dicom_series_of_a_head(series):
    raw = read_series(series)
    assert raw.values.shape == (256, 256, 192)
    _, record = prepare_volume({"t1": series}, TINY_GRID)
    assert record.mask == "template"
    assert record.looks == ""
    assert 1000 < record.brain_ml < 1700  # a child of three


def test_two_series_in_one_folder_and_other_parts_of_the_body(series, real_data, tmp_path):
    others = real_data / "dicom/non_chest"
    for name, message in (
        ("CT1_J2KR.dcm", "modality CT"),
        ("RG2_HIP_CR.dcm", "modality CR"),
        ("MR2_SHOULDER.dcm", "no brain|1 slice, a 2D image"),
        ("MR4_BRAIN_J2KR.dcm", "1 slice, a 2D image"),
    ):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(others / name, folder)
        with pytest.raises(UnreadableImage, match=message):
            load_volume({"t1": folder}, TINY_GRID)
    mixed = tmp_path / "mixed"
    shutil.copytree(series, mixed)
    shutil.copy(others / "MR4_BRAIN_J2KR.dcm", mixed)
    with pytest.raises(UnreadableImage, match="holds 2 series"):
        load_volume({"t1": mixed}, TINY_GRID)


def test_a_real_brain_whose_header_turns_it_is_found_out(brains, tmp_path):
    from medley.data.preprocess.volume.nifti import write_nifti

    raw = read_source(brains / "BraTS-GLI-00001-000/t2f.nii.gz")
    upside_down = raw.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 154], [0, 0, 0, 1]])
    write_nifti(tmp_path / "turned.nii.gz", raw.values.astype(np.int16), upside_down)
    _, record = prepare_volume({"flair": tmp_path / "turned.nii.gz"}, TINY_GRID)
    assert record.looks in ("LPS", "RPS")
    assert "the header says its axes go LPI" in record.warnings[0]
