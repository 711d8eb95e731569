"""Generated films beside real ones (NIH ChestX-ray14): the greys and the fineness of detail are of the same kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medley.data.cohorts.chest.draw import draw_frontal
from medley.data.cohorts.chest.sampling import plan_study

PX, FILMS = 224, 60


@pytest.fixture(scope="module")
def real_films(real_data: Path) -> np.ndarray:
    files = sorted((real_data / "cxr_labels" / "nih_1000" / "images").glob("*.jpg"))[:: 744 // FILMS][:FILMS]
    if not files:
        pytest.skip("no NIH films in MEDLEY_REAL_DATA")
    box = Image.Resampling.BOX
    return np.stack([np.asarray(Image.open(file).convert("L").resize((PX, PX), box), float) for file in files])


@pytest.fixture(scope="module")
def our_films() -> np.ndarray:
    return np.stack([draw_frontal(plan_study(21, index, "default"), PX).film.astype(float) for index in range(FILMS)])


def spectrum(films: np.ndarray) -> np.ndarray:
    """Mean log10 power in rings of spatial frequency (cycles a film)."""
    window = np.outer(np.hanning(PX), np.hanning(PX))
    power = np.abs(np.fft.fftshift(np.fft.fft2((films - films.mean((1, 2), keepdims=True)) * window))) ** 2
    y, x = np.indices((PX, PX)) - PX // 2
    ring = np.hypot(x, y).astype(int).ravel()
    return np.mean([np.log10(np.bincount(ring, p.ravel()) / np.bincount(ring))[2:110] for p in power], axis=0)


def test_the_greys_are_those_of_real_films(real_films, our_films):
    levels = [5, 25, 50, 75, 95]
    ours, real = (np.percentile(films, levels, axis=(1, 2)) for films in (our_films, real_films))
    assert (np.abs(ours.mean(1) - real.mean(1)) < real.std(1)).all()


def test_the_detail_falls_off_as_in_real_films(real_films, our_films):
    ours, real = spectrum(our_films), spectrum(real_films)
    assert np.abs(ours - real).max() < 1.0
    assert np.corrcoef(ours, real)[0, 1] > 0.98
