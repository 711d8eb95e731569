"""Zones of a heat map: the patient's sides, coarse words, and maps that cannot be placed."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.serving.zones import _atlas, zone_of


def spot(x: float, y: float, px: int = 56) -> np.ndarray:
    heat = np.zeros((px, px))
    heat[int(y * px), int(x * px)] = 1.0
    return heat


@pytest.mark.parametrize(
    ("x", "y", "zone"),
    [
        (0.25, 0.20, "right upper zone"),  # the patient's right is on the image's left
        (0.75, 0.20, "left upper zone"),
        (0.30, 0.45, "right middle zone"),
        (0.70, 0.65, "left lower zone"),
        (0.12, 0.80, "right costophrenic angle"),
        (0.50, 0.40, "mediastinum"),
        (0.50, 0.02, "outside the lungs"),
        (0.99, 0.99, "outside the lungs"),
    ],
)
def test_spots(x: float, y: float, zone: str) -> None:
    assert zone_of(spot(x, y)) == zone


@pytest.mark.parametrize("size", [(7, 7), (14, 14), (224, 224), (30, 20)])
def test_a_mirrored_map_lies_on_the_other_side(size: tuple[int, int]) -> None:
    heat = np.zeros(size)
    heat[int(size[0] * 0.3), int(size[1] * 0.25)] = 1.0
    assert zone_of(heat).startswith("right")
    assert zone_of(heat[:, ::-1]) == zone_of(heat).replace("right", "left")


def test_both_sides_and_background() -> None:
    both = spot(0.25, 0.65) + spot(0.75, 0.65)
    assert zone_of(both) == "both lower zones"
    assert zone_of(both + 5.0) == "both lower zones"  # an offset is no heat
    assert zone_of(spot(0.25, 0.65) + 0.3 * spot(0.75, 0.65)) == "right lower zone"


def test_the_atlas_covers_the_film_once() -> None:
    for shape in ((14, 14), (33, 21)):
        total = sum(np.broadcast_to(mask, shape).astype(int) for mask in _atlas(*shape).values())
        assert (total == 1).all()


def test_maps_without_a_place() -> None:
    assert zone_of(np.zeros((14, 14))) is None
    assert zone_of(np.full((14, 14), 0.7)) is None
    for bad in (np.zeros(14), np.zeros((0, 4)), np.array([[np.nan, 1.0]]), np.array([[np.inf, 1.0]])):
        with pytest.raises(MedleyError, match="heat map"):
            zone_of(bad)
