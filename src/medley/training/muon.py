"""Muon for hidden matrices and kernels, AdamW for all else: small towers learn from random weights in fewer steps.

    momentum       M <- 0.95 M + 0.05 G            look-ahead   U = 0.95 M + 0.05 G
    orthogonal     U <- (a I + b U U' + c (U U')^2) U, five times: its singular values come near 1
    step           W <- W - rate (decay W + 0.2 sqrt(max(rows, columns)) U)

Muon is Jordan et al. 2024 (kellerjordan.github.io/posts/muon); the factor 0.2 sqrt(..), by which a rate means what it
means for AdamW, is of Liu et al. 2025 (arXiv 2502.16982). torch.optim.Muon gives the same steps and takes matrices
alone: here the kernels [out, in, h, w] of a convolution are read as a matrix [out, in h w], as its authors do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

_MOMENTUM = 0.95
_A, _B, _C = 3.4445, -4.7750, 2.0315  # the quintic of Jordan et al.: steepest at 0, so that five rounds are enough
_ROUNDS = 5


class MuonAdamW(torch.optim.Optimizer):
    """Groups with `muon: True` learn by Muon, the others by AdamW (Loshchilov & Hutter 2019)."""

    def __init__(self, groups: Iterable[dict[str, Any]], betas: tuple[float, float], eps: float):
        super().__init__(groups, {"lr": 0.0, "weight_decay": 0.0, "muon": False})
        rest = [group for group in self.param_groups if not group["muon"]]
        self._adamw = torch.optim.AdamW(rest, lr=0.0, betas=betas, eps=eps) if rest else None
        if self._adamw is not None:
            self._adamw.state = self.state  # one state, to be saved and loaded as one

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of both; returns what `closure`, where one is given, says the loss is."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            if group["muon"]:
                self._step_muon(group)
        if self._adamw is not None:
            self._adamw.step()
        return loss

    def _step_muon(self, group: dict[str, Any]) -> None:
        """Matrices of one shape at once: of small ones it is the number of products that takes time."""
        alike = defaultdict[Any, list[tuple[torch.Tensor, torch.Tensor]]](list)
        for parameter in group["params"]:
            if parameter.grad is not None:
                ahead_RC = self._ahead(parameter, parameter.grad).flatten(1)
                alike[ahead_RC.shape, ahead_RC.device, ahead_RC.dtype].append((parameter, ahead_RC))
        for (shape, *_), several in alike.items():
            directions_NRC = orthogonal(torch.stack([ahead_RC for _, ahead_RC in several]))
            rate = group["lr"] * 0.2 * max(shape) ** 0.5
            for (parameter, _), direction_RC in zip(several, directions_NRC, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.sub_(direction_RC.reshape(parameter.shape).to(parameter.dtype), alpha=rate)

    def _ahead(self, parameter: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """The momentum after this gradient, looked at one step ahead (Nesterov)."""
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        return gradient.lerp(state["momentum"], _MOMENTUM)


def orthogonal(matrices_NRC: torch.Tensor) -> torch.Tensor:
    """N matrices with their singular vectors and singular values near 1 (0.7 to 1.2), by the iteration of Newton and
    Schulz in bfloat16."""
    is_tall = matrices_NRC.shape[1] > matrices_NRC.shape[2]
    wide = (matrices_NRC.mT if is_tall else matrices_NRC).bfloat16()
    wide = wide / wide.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ROUNDS):
        square = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(square, square, square, beta=_B, alpha=_C), wide, beta=_A)
    return wide.mT if is_tall else wide
