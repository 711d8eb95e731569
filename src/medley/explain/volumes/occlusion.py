"""Occlusion of a volume (Zeiler & Fergus 2014): how much the answer falls when a cube of the brain is hidden.

It needs no supervoxels and nothing of the model but its answers. The cube shows a baseline (`baselines`) and touches
the brain alone; cubes that overlap are averaged, and all go through the model in batches. Something that is shown twice
over (both halves of a large lesion) is missed where one cube hides only one of them: LIME hides many places at once.

Shapes: S sequences, D H W voxels, B volumes at once, K targets.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch

from medley.core.errors import MedleyError
from medley.explain.volumes.hiding import Score

CUBE_MM, STRIDE_MM = 30.0, 15.0


def cube_of(mm: float, spacing_mm: tuple[float, float, float]) -> tuple[int, int, int]:
    """The voxels along D, H and W of a cube of that side; one at least."""
    depth, height, width = (max(1, round(mm / side)) for side in spacing_mm)
    return depth, height, width


def occlude(
    score: Score,
    volume: torch.Tensor,
    brain_DHW: np.ndarray,
    *,
    baseline: torch.Tensor,
    cube: tuple[int, int, int],
    stride: tuple[int, int, int],
    batch: int = 16,
) -> np.ndarray:
    """float32 [K, D, H, W] (K is 1 for a score [B]): the mean fall of the answer over the cubes that hide a voxel.

    `cube` and `stride` are in voxels; the last cube of a row reaches the edge. 0 outside the brain. Raises MedleyError
    where cubes leave gaps or do not fit, and for an answer that is not finite.
    """
    shape = brain_DHW.shape
    if not all(1 <= step <= side <= whole for step, side, whole in zip(stride, cube, shape, strict=True)):
        raise MedleyError(f"occlusion: cubes of {cube} voxels at a stride of {stride} do not cover a volume of {shape}")
    starts = (
        sorted({*range(0, whole - side + 1, step), whole - side})
        for whole, side, step in zip(shape, cube, stride, strict=True)
    )
    places = [
        place
        for corner in itertools.product(*starts)
        if brain_DHW[place := tuple(slice(at, at + side) for at, side in zip(corner, cube, strict=True))].any()
    ]
    brain = torch.from_numpy(brain_DHW).to(volume.device)
    falls, times_DHW = None, np.zeros(shape, np.float32)
    with torch.inference_mode():
        whole_1K = score(volume[None]).reshape(1, -1)
        for start in range(0, len(places), batch):
            some = places[start : start + batch]
            volumes = volume.repeat(len(some), 1, 1, 1, 1)
            for hidden, place in zip(volumes, some, strict=True):
                at = (slice(None), *place)
                hidden[at] = torch.where(brain[place], baseline[at].to(volume), hidden[at])
            fall_BK = (whole_1K - score(volumes).reshape(len(some), -1)).float().cpu().numpy()
            if not np.isfinite(fall_BK).all():
                raise MedleyError("the model's answer to a volume with a hidden cube is nan or infinite")
            falls = np.zeros((fall_BK.shape[1], *shape), np.float32) if falls is None else falls
            for place, fall_K in zip(some, fall_BK, strict=True):
                falls[(slice(None), *place)] += fall_K[:, None, None, None]
                times_DHW[place] += 1
    if falls is None:
        raise MedleyError("occlusion: there is no brain in the volume")
    return falls / np.maximum(times_DHW, 1) * brain_DHW
