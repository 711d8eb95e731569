"""The grid: geometry proven on a linear function, which trilinear interpolation keeps exactly; shrinking; the way
back."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.records import Volume, VolumeGrid
from medley.data.preprocess.volume import grid as module
from medley.data.preprocess.volume.grid import (
    DEFAULT_GRID,
    as_ras,
    grid_affine,
    lies_on,
    map_affine,
    resample,
    resample_inside,
    steps_mm,
    to_source,
)
from medley.data.preprocess.volume.orient import axis_codes, ends, oblique_degrees, rotations, voxel_mm

SLOPES = np.array([0.7, -0.3, 1.1])


def linear(shape, affine):
    """f(x, y, z) = 0.7 x - 0.3 y + 1.1 z of the world, at every voxel."""
    index = np.indices(shape).reshape(3, -1)
    world = affine[:3, :3] @ index + affine[:3, 3:]
    return (SLOPES @ world).reshape(shape).astype(np.float32)


def oblique(sizes, degrees, origin=(-60.0, -70.0, -50.0)):
    """An affine of these voxel sizes, turned about x and z."""
    a, b = np.radians(degrees), np.radians(degrees / 2)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    out = np.eye(4)
    out[:3, :3] = about_x @ about_z @ np.diag(sizes)
    out[:3, 3] = origin
    return out


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((120, 140, 110), oblique((1, 1, 1), 0)),
        ((300, 320, 20), oblique((0.4, 0.4, 6), 17)),
        ((60, 70, 55), oblique((2, 2, 2), -25)),
        ((120, 140, 110), oblique((1, 1, 1), 0) @ np.diag([-1, -1, 1, 1]) + np.array([[0] * 3 + [1]] * 3 + [[0] * 4])),
    ],
)
def test_every_voxel_of_the_grid_shows_its_own_place_in_the_world(shape, affine):
    grid = VolumeGrid((24, 20, 16), (48.0, 50.0, 48.0))
    centre = (affine @ [*(np.array(shape) - 1) / 2, 1])[:3]
    at = grid_affine(grid, centre)
    assert (at @ [*(np.array(grid.shape) - 1) / 2, 1])[:3] == pytest.approx(centre)
    found = resample(linear(shape, affine), affine, at, grid.shape)
    index = np.indices(grid.shape).reshape(3, -1)
    wanted = (SLOPES @ (at[:3, :3] @ index + at[:3, 3:])).reshape(grid.shape)
    assert found == pytest.approx(wanted, abs=0.02)


def test_shrinking_takes_means_and_does_not_alias():
    checks = (np.indices((64, 64, 64)).sum(0) % 2).astype(np.float32)  # the finest pattern that there is
    affine = np.eye(4)
    at = grid_affine(VolumeGrid((10, 12, 16), (40.0, 48.0, 40.0)), (31.5, 31.5, 31.5))
    assert resample(checks, affine, at, (10, 12, 16)) == pytest.approx(0.5, abs=0.08)


def test_a_voxel_at_the_edge_is_the_mean_of_what_lies_inside():
    values = np.full((40, 40, 40), 10.0, np.float32)
    inside = np.zeros((40, 40, 40), bool)
    inside[:, :, :23] = True
    values[~inside] = 1000  # scalp
    at = grid_affine(VolumeGrid((10, 10, 10), (40.0, 40.0, 40.0)), (19.5, 19.5, 19.5))
    share = resample(inside.astype(np.float32), np.eye(4), at, (10, 10, 10))
    assert 0 < share[5].mean() < 1
    found = resample_inside(values, np.eye(4), inside, np.eye(4), at, share)
    assert found[:6] == pytest.approx(10)  # to the last voxel
    assert found[7:] == pytest.approx(0)
    other = np.diag([2.0, 2.0, 1.0, 1.0])  # the mask on a grid of its own
    found = resample_inside(values, np.eye(4), inside[::2, ::2], other, at, share)
    assert found[:5] == pytest.approx(10)
    assert (found[5] < 300).all()  # a plain mean would be near 500
    assert found[7:] == pytest.approx(0)


def volume_of(shape, affine, grid):
    centre = (affine @ [*(np.array(shape) - 1) / 2, 1])[:3]
    return Volume(("flair",), np.zeros((1, *grid.shape), np.uint8), grid_affine(grid, centre), shape, affine)


@pytest.mark.parametrize("coarser", [1, 4])
def test_a_map_goes_back_to_where_it_came_from(coarser):
    affine = oblique((0.9, 1.2, 3), 12)
    volume = volume_of((50, 40, 16), affine, VolumeGrid((32, 32, 32), (96.0, 96.0, 96.0)))
    shape = tuple(side // coarser for side in (32, 32, 32))
    at = map_affine(shape, volume)
    index = np.indices(shape).reshape(3, -1)
    seen = (SLOPES @ (at[:3, :3] @ index + at[:3, 3:])).reshape(shape)
    assert to_source(seen, volume) == pytest.approx(linear((50, 40, 16), affine), abs=0.05)


def test_labels_go_back_whole_and_nothing_lies_outside_the_field_of_view():
    volume = volume_of((60, 60, 60), np.eye(4), VolumeGrid((10, 10, 10), (20.0, 20.0, 20.0)))
    back = to_source(np.full((10, 10, 10), 3), volume, order=0)
    assert set(np.unique(back)) == {0, 3}
    assert (back > 0).sum() == 20**3


def test_a_volume_on_the_grid_is_known_and_written_as_ras():
    at = grid_affine(DEFAULT_GRID, (1.0, 2.0, 3.0))
    values, affine = as_ras(np.zeros(DEFAULT_GRID.shape), at)
    assert values.shape == DEFAULT_GRID.shape[::-1]
    assert axis_codes(affine) == "RAS"
    assert voxel_mm(affine) == pytest.approx(steps_mm(DEFAULT_GRID)[::-1])
    assert lies_on(DEFAULT_GRID, values.shape, affine)
    assert not lies_on(DEFAULT_GRID, values.shape, affine @ np.diag([-1, 1, 1, 1]))
    assert not lies_on(DEFAULT_GRID, (10, 10, 10), affine)


def test_axes_are_named_whatever_their_order():
    lps = np.diag([-1.0, -1.0, 1.0, 1.0])
    assert axis_codes(np.eye(4)) == "RAS"
    assert axis_codes(lps) == "LPS"
    assert ends(lps)[0] == ("R", "L")
    sagittal = np.array([[0, 0, 1.2, 0], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    assert axis_codes(sagittal) == "AIR"
    assert oblique_degrees(sagittal) == pytest.approx(0, abs=1e-4)
    assert oblique_degrees(oblique((0.4, 0.4, 6), 17)) == pytest.approx(17, abs=3)
    turns = rotations()
    assert len(turns) == 24
    assert np.array_equal(turns[0], np.eye(4))
    assert len({turn.tobytes() for turn in turns}) == 24


@pytest.mark.parametrize("turn", [((0, 1, 2), (1, 1, 1)), ((2, 0, 1), (-1, 1, -1)), ((1, 2, 0), (1, -1, -1))])
def test_straight_axes_are_quicker_and_no_different(turn):
    """One axis after the other gives what all at once does, also at the edges of the source."""
    affine, shape = np.zeros((4, 4)), (14, 15, 16)
    affine[3, 3] = 1
    for column, (row, sign, mm) in enumerate(zip(*turn, (0.9, 1.7, 3.1), strict=True)):
        affine[row, column] = sign * mm
    values = np.random.default_rng(0).random((40, 30, 17)).astype(np.float32)
    affine[:3, 3] = -(affine[:3, :3] @ ((np.array(values.shape) - 1) / 2))
    path = np.linalg.inv(affine) @ grid_affine(VolumeGrid(shape, (62.0, 61.0, 48.0)), (1.3, -0.7, 2.1))
    finer = module._finer(path)
    at_once = np.concatenate([module._mean(fine, finer) for _, fine in module._slabs(values, path, finer, shape)])
    assert module._axes(path, shape) is not None
    assert module._sampled(values, path, shape) == pytest.approx(at_once, abs=1e-4)
    path[:3, :3] += 0.01
    assert module._axes(path, shape) is None
