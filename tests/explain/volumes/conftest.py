"""A small brain with a lesion, and scores whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from medley.core.seeds import generator
from medley.explain.volumes.supervoxels import supervoxels

SPACING_MM = (4.0, 3.0, 3.0)


@dataclass(frozen=True)
class Brain:
    """uint8 [1, D, H, W] and what is known of it."""

    voxels: np.ndarray
    lesion: np.ndarray
    pieces: np.ndarray
    spacing_mm: tuple[float, float, float] = SPACING_MM

    @property
    def volume(self) -> torch.Tensor:
        return torch.from_numpy(self.voxels)

    @property
    def mask(self) -> np.ndarray:
        return self.pieces > 0


def ellipsoid(
    shape=(24, 36, 32), symmetric=False, at=(13, 20, 9), shift=0.0, turn=0.0
) -> tuple[np.ndarray, np.ndarray]:
    """(voxels, lesion): smooth noise in an ellipsoid, mirrored about its middle where `symmetric`, and a bright ball in
    it; without a ball where `at` is None. `shift` moves it along W in mm, `turn` turns it about the long axis in
    degrees."""
    places = np.stack(np.meshgrid(*(np.arange(side) for side in shape), indexing="ij")).astype(float)
    middle = (np.array(shape) - 1) / 2
    noise = gaussian_filter(generator("brain", *shape).standard_normal(shape), 1.5)
    noise = noise + noise[..., ::-1] if symmetric else noise
    mm = (places - middle[:, None, None, None]) * np.array(SPACING_MM)[:, None, None, None]
    angle = np.radians(turn)
    across = mm[2] - shift
    x, y = across * np.cos(angle) + mm[1] * np.sin(angle), mm[1] * np.cos(angle) - across * np.sin(angle)
    radii = np.array(SPACING_MM) * middle * 0.85
    brain = (mm[0] / radii[0]) ** 2 + (y / radii[1]) ** 2 + (x / radii[2]) ** 2 < 1
    image = 110 + 40 * np.exp(-((np.abs(x) - 12) ** 2) / 60) + 20 * noise / noise.std() * (shift == turn == 0)
    lesion = np.zeros(shape, bool)
    if at is not None:
        offsets = (places - np.array(at)[:, None, None, None]) * np.array(SPACING_MM)[:, None, None, None]
        lesion = ((offsets**2).sum(0) < 12**2) & brain
        image = np.where(lesion, 235, image)
    return np.where(brain, np.clip(image, 1, 255), 0).astype(np.uint8)[None], lesion


@pytest.fixture(scope="session")
def brain() -> Brain:
    voxels, lesion = ellipsoid()
    return Brain(voxels, lesion, supervoxels(voxels, SPACING_MM, 20))


@pytest.fixture(scope="session")
def make_brain():
    return ellipsoid


def of_pieces(brain: Brain, answer):
    """A score that sees which supervoxels a volume shows, against a baseline of zero: answer(shown [B, F]) -> [B]."""
    first = [np.flatnonzero(brain.pieces.ravel() == piece)[0] for piece in range(1, brain.pieces.max() + 1)]

    def score(volumes: torch.Tensor) -> torch.Tensor:
        return answer((volumes.flatten(1)[:, first] > 0).double())

    return score


@pytest.fixture(scope="session")
def piece_score():
    return of_pieces
