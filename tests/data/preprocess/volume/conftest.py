"""Brains for the tests: the MNI152 template, cut to size, bare or with a skull and a scalp around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from medley.core.seeds import generator
from medley.data.preprocess.volume.align import mni152
from medley.data.preprocess.volume.nifti import write_nifti


@dataclass(frozen=True)
class Brain:
    """Values float32 [X, Y, Z], RAS; `brain` is its mask. Bare: 0 outside the brain."""

    values: np.ndarray
    brain: np.ndarray
    affine: np.ndarray

    @property
    def millilitres(self) -> float:
        return float(self.brain.sum() * abs(np.linalg.det(self.affine[:3, :3])) / 1000)


def _bare(mm: int) -> Brain:
    """The template, from 1 to 1000 inside, with a little noise (the same each time)."""
    values, brain, affine = mni152()
    small, mask = values[::mm, ::mm, ::mm], brain[::mm, ::mm, ::mm]
    at = affine.copy()
    at[:3, :3] *= mm
    noise = generator("a brain of the tests").normal(0, 20, small.shape)
    return Brain(np.where(mask, (1 + 950 * small + noise).clip(1), 0).astype(np.float32), mask, at)


@pytest.fixture(scope="session")
def bare() -> Brain:
    """At 4 mm, so that a test takes a fraction of a second."""
    return _bare(4)


@pytest.fixture(scope="session")
def head() -> Brain:
    """At 2 mm, under 6 mm of dark skull and 8 mm of bright scalp, on a noisy background: nothing is stripped."""
    from scipy.ndimage import distance_transform_edt

    bare, room = _bare(2), [(12, 12), (12, 12), (6, 12)]
    brain, values = np.pad(bare.brain, room), np.pad(bare.values, room)
    at = bare.affine.copy()
    at[:3, 3] -= at[:3, :3] @ [12, 12, 6]
    out_mm = distance_transform_edt(~brain) * 2
    noise = np.abs(generator("a head of the tests").normal(0, 12, brain.shape))
    values = np.where(brain, values, np.where((out_mm > 6) & (out_mm <= 14), 700 + 3 * noise, 40)) + noise
    return Brain(values.astype(np.float32), brain, at)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes values on an affine as NIfTI below the test's folder: save(name, values, affine) -> path."""

    def write(name: str, values: np.ndarray, affine: np.ndarray) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(path, values, affine)
        return path

    return write
