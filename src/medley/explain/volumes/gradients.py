"""Gradient times input of a volume: one backward pass, for what a small change of each voxel would do to the answer.

Quick, and to be looked at beside LIME rather than instead of it: a gradient says what a tiny change would do, which for
a saturated answer is nothing, and voxel by voxel it is noise. The input is counted from a baseline, so that grey tissue
is not evidence merely for being bright (Shrikumar et al. 2017); from a baseline of 0 it is the plain product.

Shapes: S sequences, D H W voxels.
"""

from __future__ import annotations

import numpy as np
import torch

from medley.core.errors import MedleyError
from medley.explain.volumes.hiding import Score


def gradient_times_input(
    score: Score, volume: torch.Tensor, brain_DHW: np.ndarray, *, baseline: torch.Tensor | None = None
) -> np.ndarray:
    """float32 [D, H, W]: gradient of the answer times (volume - baseline), summed over the sequences; 0 outside the
    brain.

    `score` is given the volume as float32, on the volume's own scale, and must be differentiable in it and answer with
    one number. Raises MedleyError where it is not, or where the gradient is not finite.
    """
    with torch.enable_grad():
        voxels = volume.detach().float().clone().requires_grad_()
        answer = score(voxels[None])
        if not answer.requires_grad or answer.numel() != 1:
            raise MedleyError("gradient times input needs one answer that depends on the voxels through torch")
        (gradient,) = torch.autograd.grad(answer.sum(), voxels)
    inputs = voxels.detach() - (0 if baseline is None else baseline.to(voxels))
    map_DHW = (gradient * inputs).sum(0).cpu().numpy() * brain_DHW
    if not np.isfinite(map_DHW).all():
        raise MedleyError("the gradient of the answer in the voxels is nan or infinite")
    return map_DHW.astype(np.float32)
