"""Cross-entropy of words, as a sum over those that are to be said, and of attention that has a place to lie.

Shapes: B batch, T words, S vocabulary, R regions, P patches.
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


def attention_sum(maps_BRP: torch.Tensor, places_BRP: torch.Tensor) -> torch.Tensor:
    """Sum over known regions of KL(place || map): attention is to lie on the region, evenly.

    Maps sum to 1 over patches. Places are the share of each patch that a region covers, nan where it is not known; a
    region that covers nothing has no place to look at and is left out.
    """
    known_BR = known_regions(places_BRP)
    wanted_NP = places_BRP[known_BR].float()
    wanted_NP = wanted_NP / wanted_NP.sum(-1, keepdim=True)
    said_NP = maps_BRP[known_BR].float().clamp(min=1e-8).log()
    return F.kl_div(said_NP, wanted_NP, reduction="sum")


def known_regions(places_BRP: torch.Tensor) -> torch.Tensor:
    """Which regions [B, R] have a place: those that are known and cover something."""
    return places_BRP.nan_to_num(0.0).sum(-1) > 0
