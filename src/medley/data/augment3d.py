"""Augmentation of volumes: drawn, then applied, so that a draw can be recorded, replayed, and laid on masks as well.

A brain is turned, moved and scaled a little, and its exposure, bias field and noise vary as between scanners. Left and
right are exchanged only together with everything that names them (`mirror.py`).

Shapes: S sequences; D inferior to superior, H posterior to anterior, W left to right, in voxels.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform, zoom

from medley.core.records import Volume
from medley.core.seeds import generator

MAX_ROTATION_DEGREES = 10.0
MAX_SHIFT = 0.05  # of the field of view
MAX_SCALE = 0.1
MAX_LOG_GAMMA = 0.25
MAX_BIAS = 0.15  # of the grey value, from one end of the brain to the other
MAX_NOISE = 0.03  # standard deviation, of the grey scale
_BIAS_KNOTS = 3  # a side


@dataclass(frozen=True)
class Augmentation3d:
    """One draw. Rotations are about the D, H and W axis; shifts are fractions of the side."""

    rotation_degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    gamma: float = 1.0
    noise: float = 0.0
    noise_key: int = 0  # of the noise and of the bias field's shape
    bias: float = 0.0


def draw(rng: np.random.Generator) -> Augmentation3d:
    """One draw of `rng`, which the caller keys by (seed, epoch, case)."""
    turned, moved = rng.uniform(-1, 1, 3) * MAX_ROTATION_DEGREES, rng.uniform(-1, 1, 3) * MAX_SHIFT
    scale, gamma = rng.uniform(-1, 1, 2)
    return Augmentation3d(
        rotation_degrees=tuple(turned.tolist()),
        shift=tuple(moved.tolist()),
        scale=1 + float(scale) * MAX_SCALE,
        gamma=math.exp(float(gamma) * MAX_LOG_GAMMA),
        noise=float(rng.uniform(0, MAX_NOISE)),
        noise_key=int(rng.integers(2**32)),
        bias=float(rng.uniform(0, MAX_BIAS)),
    )


def apply(augmentation: Augmentation3d, volume: Volume) -> Volume:
    """The volume and its regions moved, its voxels regraded. What is outside the brain stays 0."""
    into = _inverse(augmentation, volume)
    voxels_SDHW = np.stack([_moved(voxels_DHW, into, order=1) for voxels_DHW in volume.voxels])
    regions = {name: _moved(of, into, order=0) if of.any() else of for name, of in volume.regions.items()}
    affine = volume.affine @ into
    return dataclasses.replace(volume, voxels=_regraded(augmentation, voxels_SDHW), regions=regions, affine=affine)


def _inverse(augmentation: Augmentation3d, volume: Volume) -> np.ndarray:
    """[4, 4]: index of the new grid -> index of the old one. Turning happens in millimetres, not in voxels."""
    shape = np.array(volume.voxels.shape[1:], float)
    size_mm = np.linalg.norm(volume.affine[:3, :3], axis=0)
    turn = np.eye(3)
    for axis, degrees in enumerate(augmentation.rotation_degrees):
        one, (i, j), angle = np.eye(3), [a for a in range(3) if a != axis], math.radians(degrees)
        one[i, i] = one[j, j] = math.cos(angle)
        one[i, j], one[j, i] = -math.sin(angle), math.sin(angle)
        turn = turn @ one
    linear = np.diag(1 / size_mm) @ turn @ np.diag(size_mm) / augmentation.scale
    middle = (shape - 1) / 2
    into = np.eye(4)
    into[:3, :3] = linear
    into[:3, 3] = middle - linear @ (middle + np.array(augmentation.shift) * shape)
    return into


def _moved(voxels_DHW: np.ndarray, into: np.ndarray, order: int) -> np.ndarray:
    return affine_transform(voxels_DHW, into[:3, :3], into[:3, 3], order=order, mode="constant", cval=0)


def _regraded(augmentation: Augmentation3d, voxels_SDHW: np.ndarray) -> np.ndarray:
    """Gamma, bias field and noise inside the brain; its darkest grey is 1, since 0 is what lies outside."""
    inside = voxels_SDHW > 0
    grey = ((voxels_SDHW.astype(np.float32) - 1) / 254).clip(0, 1) ** augmentation.gamma
    rng = generator("volume noise", augmentation.noise_key)
    if augmentation.bias > 0:
        knots = rng.uniform(-1, 1, (_BIAS_KNOTS,) * 3)
        shape = voxels_SDHW.shape[1:]
        field = zoom(knots, [size / _BIAS_KNOTS for size in shape], order=1, grid_mode=True, mode="nearest")
        grey *= 1 + augmentation.bias * field.astype(np.float32)
    if augmentation.noise > 0:
        grey += augmentation.noise * rng.standard_normal(grey.shape, dtype=np.float32)
    return np.where(inside, np.rint(1 + 254 * grey.clip(0, 1)), 0).astype(np.uint8)
