"""Augmentation: keyed, replayable, the same for a mask, and never a mirror."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medley.core.seeds import generator
from medley.data import augment as module
from medley.data.augment import Augmentation, apply, apply_mask, augment, draw


def blob(x: int, y: int, px: int = 96, radius: int = 5) -> np.ndarray:
    ys, xs = np.mgrid[:px, :px]
    return (((xs - x) ** 2 + (ys - y) ** 2 <= radius**2) * 255).astype(np.uint8)


def centre(pixels: np.ndarray) -> tuple[float, float]:
    ys, xs = np.nonzero(pixels > pixels.max() / 2)
    return xs.mean(), ys.mean()


def test_no_augmentation_changes_nothing():
    film = generator("augment").integers(0, 256, (64, 64), np.uint8)
    assert np.array_equal(apply(Augmentation(), film), film)


def test_a_draw_is_keyed_recorded_and_replayed():
    film = generator("augment").integers(0, 256, (64, 64), np.uint8)
    first = draw(generator(42, 3, "case"))
    assert first == draw(generator(42, 3, "case"))
    assert first != draw(generator(42, 4, "case"))
    assert np.array_equal(apply(first, film), augment(film, generator(42, 3, "case")))
    assert np.array_equal(apply(replace(first), film), apply(first, film))


def test_draws_stay_in_their_limits_and_use_them():
    draws = [draw(generator("limits", index)) for index in range(500)]
    rotations = [one.rotation_degrees for one in draws]
    assert max(map(abs, rotations)) <= module.MAX_ROTATION_DEGREES
    assert min(rotations) < -9 < 9 < max(rotations)
    assert all(abs(one.shift_x) <= 0.08 and abs(one.shift_y) <= 0.08 and abs(one.scale - 1) <= 0.08 for one in draws)
    assert 0.1 < np.mean([one.blur for one in draws]) < 0.2


def test_each_movement_goes_where_it_says():
    film = blob(60, 30)
    assert centre(apply(Augmentation(shift_x=0.0625, shift_y=-0.0625), film)) == pytest.approx((66, 24), abs=0.6)
    x, y = centre(apply(Augmentation(rotation_degrees=10), film))  # anticlockwise about the middle (48, 48)
    angle = np.deg2rad(10)
    turned = (48 + 12 * np.cos(angle) - 18 * np.sin(angle), 48 - 12 * np.sin(angle) - 18 * np.cos(angle))
    assert (x, y) == pytest.approx(turned, abs=0.8)
    x, y = centre(apply(Augmentation(scale=1.08), film))
    assert (x, y) == pytest.approx((48 + 12 * 1.08, 48 - 18 * 1.08), abs=0.8)


def test_a_mask_moves_with_its_film():
    for index in range(30):
        one = replace(draw(generator("mask", index)), noise=0.0, blur=False)
        film, mask = apply(one, blob(40, 60)), apply_mask(one, blob(40, 60) > 0)
        assert mask.dtype == bool
        assert centre(mask) == pytest.approx(centre(film), abs=0.5)
    classes = apply_mask(draw(generator("classes")), np.repeat(np.arange(4, dtype=np.uint8), 24)[:, None].repeat(96, 1))
    assert set(np.unique(classes)) <= {0, 1, 2, 3}


def test_the_left_side_stays_left():
    """A marker in the upper left corner region never crosses the midline, and is never seen reversed."""
    film = np.zeros((96, 96), np.uint8)
    film[20:40, 16:20], film[36:40, 16:30] = 255, 255  # an L
    for index in range(200):
        moved = apply_mask(draw(generator("side", index)), film)
        x, _ = centre(moved)
        assert x < 44
        xs = np.nonzero(moved.sum(0) > moved.sum(0).max() / 2)[0]
        assert xs.mean() < x + 1  # the upright stroke of the L is on its left


def test_grey_curves_keep_their_order_and_black_stays_black():
    film = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    for index in range(50):
        one = draw(generator("grey", index))
        plain = Augmentation(gamma=one.gamma, contrast=one.contrast, brightness=one.brightness)
        curve = apply(plain, film)[0].astype(int)
        assert (np.diff(curve[1:]) >= 0).all()
        assert curve[0] == 0
    brighter = apply(Augmentation(brightness=0.08), film)[0]
    assert brighter[100] == pytest.approx(120, abs=1)


def test_noise_has_the_size_that_was_drawn():
    flat = np.full((128, 128), 128, np.uint8)
    noisy = apply(Augmentation(noise=0.02, noise_key=5), flat).astype(float)
    assert noisy.std() == pytest.approx(0.02 * 255, rel=0.05)
    assert noisy.mean() == pytest.approx(128, abs=0.2)
    assert not np.array_equal(noisy, apply(Augmentation(noise=0.02, noise_key=6), flat))


def test_the_film_itself_is_left_alone():
    film = generator("augment").integers(0, 256, (64, 64), np.uint8)
    film.flags.writeable = False  # as films of shards are
    augment(film, generator("alone"))
