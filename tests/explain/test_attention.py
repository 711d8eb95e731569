"""A patch map on the film: the right way up, and nothing where nothing was preferred."""

from __future__ import annotations

import numpy as np
import pytest

from medley.explain.attention import salience, upsample


def test_a_map_keeps_its_orientation():
    patches = np.zeros((3, 5), np.float32)
    patches[0, 4] = 0.7
    big = upsample(patches, 60)
    assert big.shape == (60, 60)
    y, x = np.unravel_index(big.argmax(), big.shape)
    assert y < 20
    assert x >= 48
    assert big.max() == 1


def test_nothing_stays_nothing():
    assert upsample(np.zeros((2, 2)), 8).max() == 0
    assert salience(np.zeros((2, 2)), 8).max() == 0


def test_an_even_map_looks_like_nothing_and_a_sharp_one_like_its_peak():
    assert salience(np.full((4, 4), 1 / 16), 32).max() == pytest.approx(0, abs=1e-5)
    sharp = np.full((4, 4), 0.01)
    sharp[2, 1] = 1 - 0.15
    heat = salience(sharp, 32)
    assert heat.max() == pytest.approx(1)
    assert heat[:8].max() == 0
    slight = np.full((4, 4), 1 / 16)
    slight[2, 1] *= 1.5
    assert 0 < salience(slight, 32).max() < 0.5, "a slight preference is shown as slight"
