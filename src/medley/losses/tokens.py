"""Losses of what is said: words, and the sides of findings.

Shapes: B batch, T words, S vocabulary, C labels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def token_sum(
    logits_BTS: torch.Tensor, words_BT: torch.Tensor, is_target_BT: torch.Tensor, smoothing: float = 0.0
) -> torch.Tensor:
    """Sum of the cross-entropy over the targets. With `smoothing` e the wanted distribution is 1 - e on the word and e
    spread evenly over the vocabulary (Szegedy et al. 2016, section 7)."""
    logits_NS, words_N = logits_BTS[is_target_BT].float(), words_BT[is_target_BT]
    return F.cross_entropy(logits_NS, words_N, label_smoothing=smoothing, reduction="sum")


def side_sum(sides_BC4: torch.Tensor, told_BC2: torch.Tensor) -> torch.Tensor:
    """Sum of the cross-entropy of the side of each label that the report calls present (`decoders.told`)."""
    is_told_BC = told_BC2[..., 0] == 1
    return F.cross_entropy(sides_BC4[is_told_BC].float(), told_BC2[..., 1][is_told_BC], reduction="sum")
