"""Words of unlike weight: a report is mostly manner, and the few words that say what is where count for more.

Shapes: B batch, T words, S vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def weighted_token_sum(logits_BTS: torch.Tensor, words_BT: torch.Tensor, weights_BT: torch.Tensor) -> torch.Tensor:
    """Sum of weight * cross-entropy; a word of weight 0 contributes neither value nor gradient. The caller divides by
    the sum of the weights."""
    counts_BT = weights_BT > 0
    losses_N = F.cross_entropy(logits_BTS[counts_BT].float(), words_BT[counts_BT], reduction="none")
    return (losses_N * weights_BT[counts_BT]).sum()
