"""How precisely products of matrices are computed outside the trainer, which has its own way for its own steps."""

from __future__ import annotations

import torch

_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


def as_precise(device: str, precision: str) -> torch.autocast:
    """What runs within it on `device` (cpu, cuda) does so in `precision`: fp32, bf16 or fp16, as in `trainer`."""
    half = _HALF.get(precision)
    return torch.autocast(device, half or torch.bfloat16, enabled=half is not None)
