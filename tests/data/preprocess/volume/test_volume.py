"""The one path: any make of the same brain gives the same volume; the contract holds; bad studies are one clear
line."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from brain_data import turned, write_dicom_series

from medley.core.errors import MedleyError, MissingExtra, UnreadableImage
from medley.core.records import VolumeGrid
from medley.data.preprocess.volume import volume as module
from medley.data.preprocess.volume.grid import TINY_GRID, as_ras, steps_mm, to_source
from medley.data.preprocess.volume.volume import load_volume, prepare_volume

FAST = {"check": False}


def marked(bare):
    """The brain with a bright block in its left front upper quarter, and where that is in the world (mm)."""
    values = bare.values.copy()
    spot = (-30.0, 20.0, 30.0)
    index = np.rint(np.linalg.inv(bare.affine) @ [*spot, 1])[:3].astype(int)
    values[tuple(slice(i - 3, i + 4) for i in index)] = 2000
    return values, spot


def test_the_contract_of_a_volume(bare, save):
    volume, record = prepare_volume({"flair": save("a.nii.gz", bare.values, bare.affine)}, TINY_GRID, **FAST)
    voxels = volume.voxels
    assert (voxels.shape, voxels.dtype) == ((1, 32, 64, 64), np.uint8)
    inside = voxels[voxels > 0]
    assert (inside.min(), inside.max()) == (1, 255)
    assert np.mean(inside == 255) == pytest.approx(0.005, abs=0.003)
    assert np.mean(inside == 1) == pytest.approx(0.005, abs=0.003)
    ml = (voxels > 0).sum() * np.prod(steps_mm(TINY_GRID)) / 1000
    assert ml == pytest.approx(bare.millilitres, rel=0.03)
    assert record.mask == "stripped"
    assert record.brain_ml == pytest.approx(bare.millilitres, rel=0.01)
    assert record.outside_fov == 0
    assert record.warnings == ()
    assert not voxels[:, [0, -1]].any()  # the field of view holds the template's brain, which is a large one
    assert not voxels[:, :, [0, -1]].any()
    assert not voxels[:, :, :, [0, -1]].any()


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "ASR", "IPL", "SRA"])
def test_the_patient_s_left_front_top_is_at_low_w_high_h_high_d_however_it_is_stored(bare, save, codes):
    values, spot = marked(bare)
    volume = load_volume({"t1": save("a.nii.gz", *turned(values, bare.affine, codes))}, TINY_GRID, **FAST)
    d, h, w = np.argwhere(volume.voxels[0] >= 250).mean(0)
    assert w < 31
    assert h > 32
    assert d > 16
    assert (volume.affine @ [d, h, w, 1])[:3] == pytest.approx(spot, abs=2)


def oblique(values, affine, degrees, sizes):
    """The same brain as another scan would hold it: tilted about x and resampled on voxels of `sizes`."""
    from scipy.ndimage import affine_transform

    a = np.radians(degrees)
    tilt = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    shape = np.ceil(np.array([190, 240, 230]) / sizes).astype(int)
    at = np.eye(4)
    at[:3, :3] = tilt @ np.diag(sizes)
    middle = affine @ [*(np.array(values.shape) - 1) / 2, 1]
    at[:3, 3] = middle[:3] - at[:3, :3] @ ((shape - 1) / 2)
    path = np.linalg.inv(affine) @ at
    return affine_transform(values, path[:3, :3], path[:3, 3], tuple(shape), order=1), at


@pytest.mark.parametrize(
    ("degrees", "sizes"), [(0, (2, 2, 2)), (20, (2.6, 2.6, 2.6)), (12, (1.5, 1.5, 6)), (-15, (4, 1.8, 1.8))]
)
def test_oblique_and_anisotropic_scans_of_one_brain_agree(bare, save, degrees, sizes):
    from scipy.ndimage import gaussian_filter

    values, _ = marked(bare)
    straight = load_volume({"t1": save("a.nii.gz", values, bare.affine)}, TINY_GRID, **FAST)
    other = save("b.nii.gz", *oblique(values, bare.affine, degrees, np.array(sizes)))
    tilted = load_volume({"t1": other}, TINY_GRID, **FAST)
    assert tilted.affine[:3, 3] == pytest.approx(straight.affine[:3, 3], abs=4)
    one, two = (gaussian_filter(volume.voxels[0].astype(float), (1, 2, 2)) for volume in (straight, tilted))
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > (0.97 if max(sizes) < 4 else 0.93)


def test_healthy_and_ill_take_the_same_path(bare, save):
    """Same bytes, other folder and file names: byte for byte the same volume. And nothing in the code asks for them."""
    values, affine = turned(bare.values, bare.affine, "LPS")
    volumes = [
        load_volume({"flair": save(name, values, affine)}, TINY_GRID)
        for name in ("HealthyBrains/sub-01_FLAIR.nii.gz", "unhealthy/BraTS20_Training_001_flair.nii.gz")
    ]
    assert volumes[0].voxels.tobytes() == volumes[1].voxels.tobytes()
    assert volumes[0].affine.tobytes() == volumes[1].affine.tobytes()
    folder = Path(inspect.getfile(module)).parent
    for path in folder.glob("*.py"):
        code = [line for line in path.read_text().splitlines() if '"' in line and "healthy" in line.lower()]
        assert all(line.lstrip().startswith(("Nothing", '"""', "#")) or '"""' in line for line in code), path


def test_nifti_and_dicom_of_one_brain_are_one_volume(bare, tmp_path, save):
    values, affine = turned(np.rint(bare.values), bare.affine, "LPS")
    nifti = load_volume({"flair": save("a.nii.gz", values, affine)}, TINY_GRID, **FAST)
    dicom = load_volume({"flair": write_dicom_series(tmp_path / "series", values, affine)}, TINY_GRID, **FAST)
    assert np.abs(nifti.voxels.astype(int) - dicom.voxels.astype(int)).max() <= 1


def test_a_volume_that_lies_on_the_grid_is_taken_voxel_by_voxel(bare, save):
    first = load_volume({"flair": save("a.nii.gz", bare.values, bare.affine)}, TINY_GRID, **FAST)
    again = load_volume({"flair": save("b.nii.gz", *as_ras(first.voxels[0], first.affine))}, TINY_GRID, **FAST)
    assert again.affine == pytest.approx(first.affine, abs=1e-4)
    changed = first.voxels != again.voxels
    assert changed.mean() < 1e-3  # a speck that hangs off the brain may be lost


def test_sequences_on_grids_of_their_own_are_laid_on_one(bare, save):
    values, spot = marked(bare)
    files = {
        "t2": save("t2.nii.gz", *turned(*oblique(values, bare.affine, 10, np.array((2, 2, 4))), "LPS")),
        "flair": save("flair.nii.gz", values, bare.affine),
        "t1c": save("t1c.nii.gz", *oblique(values, bare.affine, -8, np.array((2.5, 2.5, 2.5)))),
    }
    volume, record = prepare_volume(files, TINY_GRID, **FAST)
    assert volume.sequences == ("flair", "t1c", "t2")  # in the order of SEQUENCES, whatever was named first
    assert volume.source_shape == bare.values.shape
    assert [one.axes for one in record.sequences] == ["RAS", "RAS", "LPS"]
    for voxels in volume.voxels:
        d, h, w = np.argwhere(voxels >= 250).mean(0)
        assert (volume.affine @ [d, h, w, 1])[:3] == pytest.approx(spot, abs=2.5)


def test_a_map_on_the_grid_goes_back_onto_the_source(bare, save):
    values, spot = marked(bare)
    stored, affine = turned(values, bare.affine, "ASR")
    volume = load_volume({"t1": save("a.nii.gz", stored, affine)}, TINY_GRID, **FAST)
    back = to_source((volume.voxels[0] >= 250).astype(np.float32), volume)
    assert back.shape == stored.shape
    middle = np.argwhere(back > 0.5).mean(0)
    assert (affine @ [*middle, 1])[:3] == pytest.approx(spot, abs=2)
    assert stored[tuple(np.rint(middle).astype(int))] == 2000


def test_a_mask_file_on_any_grid_is_the_brain(bare, head, save):
    mask = save("mask.nii.gz", *turned(bare.brain, bare.affine, "LPI"))
    volume, record = prepare_volume({"t1": save("a.nii.gz", head.values, head.affine)}, TINY_GRID, mask=mask)
    assert record.mask == "given"
    stripped = load_volume({"t1": save("b.nii.gz", bare.values, bare.affine)}, TINY_GRID, **FAST)
    assert np.mean((volume.voxels > 0) == (stripped.voxels > 0)) > 0.995
    assert record.outline > 0.6
    with pytest.raises(UnreadableImage, match="every voxel is 0"):
        load_volume(
            {"t1": save("a.nii.gz", head.values, head.affine)},
            TINY_GRID,
            mask=save("empty.nii.gz", np.zeros(bare.brain.shape, np.uint8), bare.affine),
        )
    far = bare.affine.copy()
    far[:3, 3] += 900
    with pytest.raises(UnreadableImage, match="its brain mask lies elsewhere in space"):
        load_volume(
            {"t1": save("a.nii.gz", head.values, head.affine)}, TINY_GRID, mask=save("f.nii.gz", bare.brain, far)
        )


def test_a_segmentation_becomes_regions_in_shares(bare, save):
    labels = np.zeros(bare.values.shape, np.uint8)
    labels[12:24, 26:38, 18:30], labels[14:22, 28:36, 20:28], labels[16:20, 30:34, 22:26] = 2, 4, 1
    files = {"flair": save("a.nii.gz", bare.values, bare.affine)}
    volume = load_volume(files, TINY_GRID, segmentation=save("seg.nii.gz", labels, bare.affine), **FAST)
    assert set(volume.regions) == {"lesion", "necrosis", "edema", "enhancement"}
    for name, label in (("necrosis", 1), ("edema", 2), ("enhancement", 4)):
        ml = volume.regions[name].sum() / 255 * np.prod(steps_mm(TINY_GRID)) / 1000
        assert ml == pytest.approx((labels == label).sum() * 64 / 1000, rel=0.05), name
    whole = volume.regions["lesion"].astype(int)
    parts = sum(volume.regions[name].astype(int) for name in ("necrosis", "edema", "enhancement"))
    assert np.abs(whole - parts).max() <= 3
    ms = load_volume(files, TINY_GRID, segmentation=save("ms.nii.gz", labels > 0, bare.affine), **FAST)
    assert set(ms.regions) == {"lesion"}
    none = load_volume(files, TINY_GRID, segmentation=save("no.nii.gz", labels * 0, bare.affine), **FAST)
    assert not none.regions["lesion"].any()
    assert "edema" in none.regions
    with pytest.raises(UnreadableImage, match="holds the label 5"):
        load_volume(files, TINY_GRID, segmentation=save("odd.nii.gz", labels + 3, bare.affine), **FAST)
    with pytest.raises(UnreadableImage, match="another affine"):
        load_volume(files, TINY_GRID, segmentation=save("off.nii.gz", labels, np.diag([4.0, 4, 4, 1])), **FAST)


def test_sequences_of_other_spaces_are_refused(bare, save):
    flair = save("flair.nii.gz", bare.values, bare.affine)
    far = bare.affine.copy()
    far[:3, 3] += (0, 150, 0)
    with pytest.raises(UnreadableImage, match=r"do not lie in one space: \d+% of the brain lie outside"):
        load_volume({"flair": flair, "t1": save("far.nii.gz", bare.values, far)}, TINY_GRID, **FAST)
    near = bare.affine.copy()
    near[:3, 3] += (0, 20, 0)
    room = np.pad(bare.values, 8)
    near[:3, 3] -= near[:3, :3] @ [8, 8, 8]
    _, record = prepare_volume({"flair": flair, "t1": save("near.nii.gz", room, near)}, TINY_GRID, **FAST)
    assert any("are they co-registered?" in said for said in record.warnings)


def test_what_cannot_be_asked(bare, save):
    path = save("a.nii.gz", bare.values, bare.affine)
    with pytest.raises(MedleyError, match="unknown sequence 'flare'; did you mean 'flair'"):
        load_volume({"flare": path}, TINY_GRID)
    with pytest.raises(MedleyError, match="at least one sequence"):
        load_volume({}, TINY_GRID)
    flat = np.where(bare.brain, 7.0, 0.0)
    with pytest.raises(UnreadableImage, match="one value all over the brain"):
        load_volume({"t1": save("flat.nii.gz", flat, bare.affine)}, TINY_GRID, **FAST)


def test_n4_without_its_package_names_the_extra(bare, save, monkeypatch):
    from medley.data.preprocess.volume import bias

    monkeypatch.setattr(bias, "installed", lambda name: False)
    with pytest.raises(MissingExtra, match=r"medley\[brain\]"):
        load_volume({"t1": save("a.nii.gz", bare.values, bare.affine)}, TINY_GRID, n4=True)


def test_a_small_field_of_view_says_what_it_cuts(bare, save):
    grid = VolumeGrid((16, 32, 32), (80.0, 192.0, 160.0))
    _, record = prepare_volume({"t1": save("a.nii.gz", bare.values, bare.affine)}, grid, **FAST)
    assert record.outside_fov > 0.2
    assert any("outside the field of view" in said for said in record.warnings)


@pytest.mark.parametrize("package", ["ants", "SimpleITK"])
def test_n4_takes_a_shading_away(bare, package, monkeypatch):
    from medley.data.preprocess.volume import bias

    pytest.importorskip(package)
    monkeypatch.setattr(bias, "installed", lambda name: name == package)
    across = np.linspace(-1, 1, bare.values.shape[0])[:, None, None] * np.ones(bare.values.shape)
    shaded = (bare.values * np.exp(0.4 * across)).astype(np.float32)

    def slope(values) -> float:
        return float(np.polyfit(across[bare.brain], np.log(values[bare.brain].clip(1)), 1)[0])

    assert abs(slope(bias.corrected(shaded, bare.affine, bare.brain)) - slope(bare.values)) < 0.1 < slope(shaded) - 0.2
