"""Maps of parts of the body: one way from map to mask, cuts from elsewhere, and what is not known is null."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.explain import regions

SIDE = 8


def square(top: int, left: int, size: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + size, left : left + size] = True
    return mask


MASKS = np.stack([[square(0, 0, 4), square(4, 4, 4)], [square(2, 2, 4), square(0, 4, 4)]])  # two studies, two parts


def test_a_map_that_is_the_part_overlaps_wholly_and_one_elsewhere_not_at_all():
    right = regions.on_mask_grid(MASKS.astype(np.float32), SIDE)
    wrong = regions.on_mask_grid((~MASKS).astype(np.float32), SIDE)
    found, missed = (regions.measure(maps, MASKS, [0.5, 0.5]) for maps in (right, wrong))
    for name in regions.METRICS:
        assert found[name].tolist() == [[1, 1], [1, 1]]
        assert missed[name].tolist() == [[0, 0], [0, 0]]


def test_an_even_map_scores_the_share_of_the_film_and_an_empty_one_nothing():
    even = regions.on_mask_grid(np.full((2, 2, 4, 4), 0.3, np.float32), SIDE)
    empty = regions.on_mask_grid(np.zeros((2, 2, 4, 4), np.float32), SIDE)
    assert regions.measure(even, MASKS, [0.5, 0.5])["iou"] == pytest.approx(16 / 64)
    assert regions.measure(empty, MASKS, [0.1, 0.1])["iou"].max() == 0
    assert regions.measure(empty, MASKS, [0.1, 0.1])["mass_in_mask"].max() == 0


def test_each_part_has_the_cut_that_is_best_for_it():
    """One part's map is a bright core in a half-bright rim that is the part; of the other the core alone is."""
    core, rim = square(3, 3, 2), square(2, 2, 4)
    one = np.where(core, 1.0, np.where(rim, 0.4, 0.0)).astype(np.float32)
    maps, masks = np.stack([one, one])[None], np.stack([rim, core])[None]
    wide, narrow = regions.best_cuts(maps, masks)
    assert wide <= 0.4 < narrow
    assert regions.measure(maps, masks, [wide, narrow])["iou"].tolist() == [[1, 1]]


def test_a_part_that_covers_nothing_counts_nowhere():
    masks = MASKS.copy()
    masks[0, 1] = False
    values = regions.measure(regions.on_mask_grid(masks.astype(np.float32), SIDE), masks, [0.5, 0.5])
    assert np.isnan(values["iou"][0, 1])
    assert regions.mean_over(values["iou"]).tolist() == [1, 1]
    metrics = regions.averaged({"iou": values["iou"]}, ["heart", "spine"], ["a", "b"], resamples=20, seed=0)
    assert metrics["iou"].value == metrics["spine/iou"].value == 1


def test_a_part_that_is_nowhere_known_makes_the_mean_null_by_name():
    values = {"iou": np.array([[0.5, np.nan], [0.7, np.nan]])}
    metrics = regions.averaged(values, ["heart", "spine"], ["a", "b"], resamples=20, seed=0)
    assert metrics["heart/iou"].value == pytest.approx(0.6)
    assert metrics["iou"].value is None
    assert metrics["iou"].error == "no study is known to show spine"
    assert metrics["spine/iou"].value is None


def test_patients_are_resampled_and_not_studies():
    values = {"iou": np.repeat([[0.2], [0.8]], 50, axis=0)}
    many = regions.averaged(values, ["heart"], [f"p{n}" for n in range(100)], resamples=200, seed=0)
    two = regions.averaged(values, ["heart"], ["p0"] * 50 + ["p1"] * 50, resamples=200, seed=0)
    width = {name: m["iou"].ci95[1] - m["iou"].ci95[0] for name, m in (("many", many), ("two", two))}
    assert width["two"] > 3 * width["many"]
    assert regions.averaged(values, ["heart"], ["p"] * 100, resamples=0, seed=0)["iou"].ci95 is None


@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_a_map_that_is_none_is_refused(bad):
    maps = np.ones((1, 2, 4, 4), np.float32)
    maps[0, 1, 2, 2] = bad
    with pytest.raises(MedleyError, match="holds nan, infinity or negative numbers"):
        regions.on_mask_grid(maps, SIDE)
