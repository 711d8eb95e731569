"""Losses of what is said, and of what it is said from.

Shapes: B batch, T words, S vocabulary, Q queries of which the first C are labels, D width.
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


def state_sum(states_BQD: torch.Tensor, told_BQD: torch.Tensor, told_BC2: torch.Tensor) -> torch.Tensor:
    """Sum over the studies of how far the labels' states lie from those that the report tells: the mean square over D,
    averaged over the labels that it tells and over the others apart, since it tells few (`decoders.told`)."""
    labels = told_BC2.shape[1]
    far_BC = (states_BQD[:, :labels].float() - told_BQD[:, :labels].float()).square().mean(-1)
    is_told_BC = told_BC2[..., 0] > 0
    told_B = (far_BC * is_told_BC).sum(1) / is_told_BC.sum(1).clamp(min=1)
    others_B = (far_BC * ~is_told_BC).sum(1) / (~is_told_BC).sum(1).clamp(min=1)
    return (told_B + others_B).sum()
