"""Augmentation of volumes: drawn, then applied, so that a draw can be recorded, replayed, and laid on masks as well.

A brain is turned, moved and scaled a little, and its exposure, bias field and noise vary as between scanners. Left and
right are exchanged only together with everything that names them (`mirror.py`).

Shapes: S sequences; D inferior to superior, H posterior to anterior, W left to right, in voxels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from medley.core.records import Volume
from medley.core.seeds import generator

MAX_ROTATION_DEGREES = 10.0
MAX_SHIFT = 0.05  # of the field of view
MAX_SCALE = 0.1
MAX_STEP_MM = 3.5  # of a light draw; an axis of larger voxels is not moved along
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


def draw_light(rng: np.random.Generator, volume: Volume) -> Augmentation3d:
    """One draw that moves the volume by whole voxels, at most MAX_STEP_MM each way, and regrades it: what a tower that
    cuts a volume into patches must not learn by heart, in a quarter of the time and without blur."""
    size_mm = np.linalg.norm(volume.affine[:3, :3], axis=0)
    most = np.floor(MAX_STEP_MM / size_mm).astype(int)
    steps = rng.integers(-most, most + 1) / volume.voxels.shape[1:]
    return dataclasses.replace(draw(rng), rotation_degrees=(0.0, 0.0, 0.0), scale=1.0, shift=tuple(steps.tolist()))


def apply(augmentation: Augmentation3d, volume: Volume) -> Volume:
    """The volume and its regions moved, its voxels regraded. What is outside the brain stays 0."""
    into = _inverse(augmentation, volume)
    some = {name: of for name, of in volume.regions.items() if of.any()}
    moved = _moved(np.stack([*volume.voxels, *some.values()]), into)  # only some: most lesions lack a part
    voxels, regions = moved[: len(volume.voxels)], dict(zip(some, moved[len(volume.voxels) :], strict=True))
    voxels = _regraded(augmentation, voxels)
    return dataclasses.replace(
        volume, voxels=voxels, regions={**volume.regions, **regions}, affine=volume.affine @ into
    )


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


def _moved(images_CDHW: np.ndarray, into: np.ndarray) -> np.ndarray:
    """Sampled linearly at `into` of each index; 0 beyond the grid. grid_sample counts from -1 to 1, and in W, H, D."""
    steps = into[:3, 3].round().astype(int)
    if np.allclose(into[:3, :3], np.eye(3)) and np.allclose(into[:3, 3], steps, atol=1e-6):
        return _stepped(images_CDHW, steps)
    half = (np.array(images_CDHW.shape[1:]) - 1) / 2
    linear = into[:3, :3] * half / half[:, None]
    theta = np.column_stack([linear, (into[:3, :3] @ half + into[:3, 3] - half) / half])[::-1, [2, 1, 0, 3]]
    images = torch.from_numpy(images_CDHW).float()[None]
    grid = F.affine_grid(torch.from_numpy(theta.copy()).float()[None], list(images.shape), align_corners=True)
    return F.grid_sample(images, grid, align_corners=True)[0].round().to(torch.uint8).numpy()


def _stepped(images_CDHW: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Index i of the new grid is index i + steps of the old one: no voxel is sampled."""
    out = np.zeros_like(images_CDHW)
    here = tuple(slice(max(0, -step), size - max(0, step)) for step, size in zip(steps, out.shape[1:], strict=True))
    there = tuple(slice(max(0, step), size - max(0, -step)) for step, size in zip(steps, out.shape[1:], strict=True))
    out[:, *here] = images_CDHW[:, *there]
    return out


def _regraded(augmentation: Augmentation3d, voxels_SDHW: np.ndarray) -> np.ndarray:
    """Gamma, bias field and noise inside the brain, a third of the grid; its darkest grey is 1: 0 is what lies
    outside."""
    greys = voxels_SDHW.reshape(-1)
    inside = np.flatnonzero(greys)
    curve = ((np.arange(256, dtype=np.float32) - 1) / 254).clip(0, 1) ** augmentation.gamma
    grey = curve[greys[inside]]
    rng = generator("volume noise", augmentation.noise_key)
    if augmentation.bias > 0:
        field = _smooth_field(rng, voxels_SDHW.shape[1:]).reshape(-1)
        grey *= 1 + augmentation.bias * field[inside % len(field)]
    if augmentation.noise > 0:
        grey += augmentation.noise * rng.standard_normal(len(inside), dtype=np.float32)
    regraded = np.zeros_like(greys)
    regraded[inside] = np.rint(1 + 254 * grey.clip(0, 1))
    return regraded.reshape(voxels_SDHW.shape)


def _smooth_field(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """[D, H, W] between -1 and 1: linear between a few drawn knots."""
    knots = rng.uniform(-1, 1, (_BIAS_KNOTS,) * 3).astype(np.float32)
    depth, height, width = (
        F.interpolate(torch.eye(_BIAS_KNOTS)[None], size, mode="linear")[0].numpy() for size in shape
    )
    return height.T @ np.tensordot(depth, knots, (0, 0)) @ width
