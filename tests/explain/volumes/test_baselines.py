"""What a hidden place shows: tissue of its surroundings, a haze, the other hemisphere, or nothing."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.explain.volumes.baselines import BASELINES, baseline, contacts
from medley.explain.volumes.midplane import find_midplane, mirrored
from medley.explain.volumes.supervoxels import supervoxels

SPACING_MM = (4.0, 3.0, 3.0)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_keeps_shape_dtype_and_background(brain, name):
    fill = baseline(name, brain.voxels, brain.pieces, brain.spacing_mm)
    assert fill.shape == brain.voxels.shape
    assert fill.dtype == brain.voxels.dtype
    assert not fill[0][~brain.mask].any()
    assert (fill[0][brain.mask] > 0).all() == (name != "zero")


@pytest.mark.parametrize("name", ["mean", "blur", "mirror"])
def test_a_lesion_of_one_side_is_gone(brain, name):
    fill = baseline(name, brain.voxels, brain.pieces, brain.spacing_mm)[0]
    normal = brain.voxels[0][brain.mask & ~brain.lesion].mean()
    was = brain.voxels[0][brain.lesion].mean() - normal
    assert fill[brain.lesion].mean() - normal < 0.45 * was


def test_the_mean_is_that_of_the_neighbours_by_the_area_they_share():
    pieces = np.zeros((1, 2, 4), np.int32)
    pieces[0, :, :2] = 1
    pieces[0, 0, 2:], pieces[0, 1, 2:] = 2, 3
    voxels = np.choose(pieces, [0, 10, 100, 200])[None].astype(np.float32)
    areas = contacts(pieces, (1.0, 2.0, 3.0))
    np.testing.assert_array_equal(areas, [[0, 2, 2], [2, 0, 6], [2, 6, 0]])
    fill = baseline("mean", voxels, pieces, (1.0, 2.0, 3.0))
    assert fill[0, 0, 0, 0] == pytest.approx(150)
    assert fill[0, 0, 0, 3] == pytest.approx((2 * 10 + 6 * 200) / 8)


def test_a_piece_without_neighbours_shows_the_brains_mean():
    pieces = np.array([[[1, 1, 0, 2]]], np.int32)
    fill = baseline("mean", np.array([[[[10.0, 20.0, 0.0, 60.0]]]], np.float32), pieces, (1.0, 1.0, 1.0))
    np.testing.assert_allclose(fill[0, 0, 0], [30, 30, 0, 30])


def test_the_mirror_of_a_symmetric_brain_changes_nothing(make_brain):
    voxels, _ = make_brain(symmetric=True, at=None)
    np.testing.assert_array_equal(voxels, voxels[..., ::-1])
    pieces = supervoxels(voxels, SPACING_MM, 20)
    np.testing.assert_array_equal(baseline("mirror", voxels, pieces, SPACING_MM), voxels)


def test_a_symmetric_brain_off_the_middle_of_the_grid_changes_nothing_either(make_brain):
    voxels, _ = make_brain(symmetric=True, at=None)
    moved = np.roll(voxels, 2, axis=-1)
    pieces = supervoxels(moved, SPACING_MM, 20)
    np.testing.assert_array_equal(baseline("mirror", moved, pieces, SPACING_MM), moved)


def test_the_mid_plane_of_a_turned_brain_is_found(make_brain):
    """Turned by 6 degrees and moved by 7.4 mm; a lesion on one side hardly pulls it."""
    voxels, lesion = make_brain(shift=7.4, turn=6.0, at=(13, 20, 11))
    plane = find_midplane(voxels, SPACING_MM)
    assert plane.tilt_degrees == pytest.approx(6, abs=1)
    middle = (np.array(voxels.shape[1:]) - 1) / 2 * SPACING_MM
    assert np.dot(plane.normal, middle + np.array([0, 0, 7.4])) == pytest.approx(plane.offset_mm, abs=1.0)
    other = mirrored(voxels, SPACING_MM, plane)
    outside = ~lesion & (voxels[0] > 0) & (other[0] > 0) & (mirrored(lesion[None], SPACING_MM, plane)[0] == 0)
    assert np.median(np.abs(voxels[0][outside].astype(float) - other[0][outside])) <= 3


def test_mirroring_twice_about_a_plane_of_the_grid_gives_the_brain_back(brain):
    plane = find_midplane(brain.voxels, brain.spacing_mm)
    if plane.normal[2] == 1.0:
        np.testing.assert_array_equal(
            mirrored(mirrored(brain.voxels, brain.spacing_mm, plane), brain.spacing_mm, plane), brain.voxels
        )
    points = np.array([[10.0, 20.0, 30.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(plane.mirror(plane.mirror(points)), points)


def test_an_unknown_baseline_names_the_nearest(brain):
    with pytest.raises(MedleyError, match="unknown baseline 'miror'; did you mean 'mirror'"):
        baseline("miror", brain.voxels, brain.pieces, brain.spacing_mm)
