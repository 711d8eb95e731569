"""Augmentation of volumes keeps left left, what is outside the brain outside, and masks on what they mark."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from medley.core.records import Volume
from medley.core.seeds import generator
from medley.data.augment3d import MAX_STEP_MM, Augmentation3d, apply, draw, draw_light

SHAPE = (24, 40, 40)
STEPS_MM = (6.0, 5.0, 4.0)  # D, H, W


@pytest.fixture
def volume() -> Volume:
    """A ball of brain with a bright lesion in it, on the patient's left."""
    place = np.stack(np.meshgrid(*(np.arange(size) for size in SHAPE), indexing="ij"), axis=-1)
    mm = (place - (np.array(SHAPE) - 1) / 2) * STEPS_MM
    brain = (mm**2).sum(-1) < 60**2
    lesion = ((mm - (10, 12, -25)) ** 2).sum(-1) < 18**2
    voxels = np.where(lesion, 220, 90)[None] * brain
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *STEPS_MM, 1
    regions = {"lesion": (255 * lesion).astype(np.uint8), "edema": np.zeros(SHAPE, np.uint8)}
    return Volume(("flair",), voxels.astype(np.uint8), affine, SHAPE, affine, regions)


def test_no_change_is_no_change(volume):
    still = apply(Augmentation3d(), volume)
    assert np.array_equal(still.voxels, volume.voxels)
    assert np.array_equal(still.regions["lesion"], volume.regions["lesion"])


@pytest.mark.parametrize("key", range(4))
def test_masks_move_with_the_voxels_that_they_mark(volume, key):
    drawn = dataclasses.replace(draw(generator("test", key)), noise=0.0, bias=0.0, gamma=1.0)
    moved = apply(drawn, volume)
    bright, mask = moved.voxels[0] > 155, moved.regions["lesion"] > 127
    assert 2 * (bright & mask).sum() / (bright.sum() + mask.sum()) > 0.85
    assert np.argwhere(mask)[:, 2].mean() < SHAPE[2] / 2, "left stays left"
    assert not moved.regions["edema"].any()


def test_a_voxel_of_the_new_grid_is_where_its_affine_says(volume):
    """The lesion's centre in millimetres of the source is the same through either affine."""
    drawn = dataclasses.replace(draw(generator("test", 7)), noise=0.0, bias=0.0, gamma=1.0)
    moved = apply(drawn, volume)
    centres = []
    for one in (volume, moved):
        index = np.argwhere(one.regions["lesion"] > 127).mean(0)
        centres.append((one.affine @ [*index, 1])[:3])
    assert np.linalg.norm(centres[0] - centres[1]) < 2.5


def test_turning_keeps_lengths_in_millimetres(volume):
    """Voxels are no cubes: a lesion turned by ten degrees keeps its volume."""
    moved = apply(Augmentation3d(rotation_degrees=(10, -10, 10)), volume)
    before, after = (one.regions["lesion"].astype(float).sum() for one in (volume, moved))
    assert after == pytest.approx(before, rel=0.08)


def test_what_is_outside_the_brain_stays_0_and_what_is_inside_stays_above(volume):
    drawn = Augmentation3d(gamma=1.3, noise=0.03, noise_key=5, bias=0.15)
    graded = apply(drawn, volume)
    assert np.array_equal(graded.voxels > 0, volume.voxels > 0)
    assert not np.array_equal(graded.voxels, volume.voxels)
    assert np.array_equal(apply(drawn, volume).voxels, graded.voxels), "a draw can be replayed"


def test_a_light_draw_moves_by_whole_voxels_and_nothing_is_blurred(volume):
    seen, mm = set(), np.array(STEPS_MM) / 2
    volume = dataclasses.replace(volume, affine=volume.affine @ np.diag([0.5, 0.5, 0.5, 1]))
    for key in range(20):
        drawn = dataclasses.replace(draw_light(generator("light", key), volume), noise=0.0, bias=0.0, gamma=1.0)
        moved = apply(drawn, volume)
        steps = np.rint(np.array(drawn.shift) * SHAPE).astype(int)
        assert (np.abs(steps * mm) <= MAX_STEP_MM).all()
        assert np.array_equal(moved.voxels[0], np.roll(volume.voxels[0], steps, (0, 1, 2))), "nothing left the grid"
        assert np.array_equal(moved.regions["lesion"], np.roll(volume.regions["lesion"], steps, (0, 1, 2)))
        assert np.allclose(moved.affine @ [*(np.array([9, 9, 9]) + steps), 1], volume.affine @ [9, 9, 9, 1])
        seen.add(tuple(steps))
    assert len(seen) > 10
    edge = dataclasses.replace(volume, voxels=np.full_like(volume.voxels, 7))
    assert (apply(Augmentation3d(shift=(1 / SHAPE[0], 0, 0)), edge).voxels[:, 0] == 0).all(), (
        "beyond the grid is nothing"
    )
