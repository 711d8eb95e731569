"""Sides on the patient's own midline: turned, shifted, cropped heads; the 10 % rule."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Volume
from medley.data.brain_sides import find_midplane, side_shares, sides_in, sides_of


def head(yaw=0.0, roll=0.0, shift=(0.0, 0.0, 0.0), sizes=(2.0, 2.0, 2.0), shape=(100, 110, 90)):
    """An egg of a brain with a brainstem, its affine, and the patient's own x of every voxel (mm, right > 0)."""
    affine = np.diag([*sizes, 1.0])
    affine[:3, 3] = -np.array(sizes) * (np.array(shape) - 1) / 2
    index = np.indices(shape).reshape(3, -1)
    world = affine[:3, :3] @ index + affine[:3, 3:] - np.array(shift)[:, None]
    a, b = np.radians(yaw), np.radians(roll)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    x, y, z = (about_z @ about_y).T @ world
    egg = (x / (66 + 6 * np.tanh(-y / 40))) ** 2 + (y / 84) ** 2 + (z / 58) ** 2 < 1
    stem = (np.hypot(x, y + 20) < 16) & (z < 0) & (z > -85)
    return (egg | stem).reshape(shape), affine, x.reshape(shape), y.reshape(shape)


@pytest.mark.parametrize(
    ("yaw", "roll", "shift"), [(0, 0, (0, 0, 0)), (9, 0, (0, 0, 0)), (0, 8, (7, 0, 0)), (-12, 6, (-9, 5, 3))]
)
def test_the_plane_is_the_patient_s_not_the_array_s(yaw, roll, shift):
    brain, affine, x, _ = head(yaw, roll, shift)
    plane = find_midplane(brain, affine)
    index = np.argwhere(brain)
    right = plane.right_mm(index @ affine[:3, :3].T + affine[:3, 3])
    assert np.abs(right - x[brain]).max() < 4
    assert np.mean((right > 0) == (x[brain] > 0)) > 0.98


def test_a_cropped_array_and_thick_slices_do_not_matter():
    brain, affine, x, y = head(6, 0, (8, 0, 0))
    first = int(np.flatnonzero(brain.any((1, 2)))[0])  # all the air on the left cut away, that on the right kept
    at = affine.copy()
    at[0, 3] += first * 2
    lesion = (np.abs(x + 20) < 8) & (np.abs(y) < 10)
    assert sides_of(lesion[first:], at, find_midplane(brain[first:], at)) == "left"
    thick, at, x, y = head(0, 5, (3, 0, 0), (0.9, 0.9, 6.0), (200, 220, 30))
    lesion = (np.abs(x - 15) < 8) & (np.abs(y) < 10)
    assert sides_of(lesion, at, find_midplane(thick, at)) == "right"


@pytest.mark.parametrize(
    ("left_share", "side"), [(0.95, "left"), (0.85, "bilateral"), (0.5, "bilateral"), (0.05, "right")]
)
def test_the_smaller_side_needs_a_tenth(left_share, side):
    brain, affine, x, y = head(5, 3, (4, 0, 0))
    near = (np.abs(y) < 30) & brain & (np.abs(x) > 12) & (np.abs(x) < 40)
    lesion = near & (np.random.default_rng(0).random(brain.shape) < np.where(x < 0, left_share, 1 - left_share))
    plane = find_midplane(brain, affine)
    assert side_shares(lesion, affine, plane)[0] == pytest.approx(left_share, abs=0.02)
    assert sides_of(lesion, affine, plane) == side


def test_a_mask_on_another_grid_and_one_of_shares():
    brain, affine, x, y = head(8, 0, (5, 0, 0))
    plane = find_midplane(brain, affine)
    lesion = ((np.abs(x - 25) < 10) & (np.abs(y) < 20)).astype(np.uint8) * 255
    assert sides_of(lesion, affine, plane) == "right"
    assert sides_of(np.repeat(lesion, 4, 0), affine @ np.diag([0.25, 1, 1, 1]), plane) == "right"
    assert sides_of(lesion * 0, affine, plane) is None


def test_a_volume_tells_its_own_side():
    brain, affine, x, y = head(4, 0, (6, 0, 0), (2.5, 3.0, 5.0), (64, 64, 32))
    lesion = ((np.abs(x + 25) < 12) & (np.abs(y) < 20)).astype(np.uint8) * 255
    turn = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])

    def volume(regions):
        voxels = (brain * 100).astype(np.uint8).transpose(2, 1, 0)[None]
        return Volume(("flair",), voxels, affine @ turn, brain.shape, affine, regions)

    assert sides_in(volume({"lesion": lesion.transpose(2, 1, 0)})) == "left"
    assert sides_in(volume({"lesion": lesion.transpose(2, 1, 0) * 0})) is None
    with pytest.raises(MedleyError, match="does not know where its lesion lies"):
        sides_in(volume({}))
    with pytest.raises(MedleyError, match="empty brain mask"):
        find_midplane(brain & False, affine)
