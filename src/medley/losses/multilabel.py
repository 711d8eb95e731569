"""Losses for many findings at once. Each returns a loss per element [B, C]; the caller masks and sums.

Targets are probabilities in [0, 1] (smoothed labels are allowed); nan means not known, and is left out by `masked_sum`.
Shapes: B batch, C labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F

from medley.core.errors import choose
from medley.core.labels import HIERARCHY

MAX_POSITIVE_WEIGHT = 20.0
UNCERTAIN_CLASS = 2  # index of the third class where a policy is `multiclass`; 0 absent, 1 present


def bce(logits_BC: torch.Tensor, targets_BC: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy with logits."""
    return F.binary_cross_entropy_with_logits(logits_BC, targets_BC, reduction="none")


def weighted_bce(logits_BC: torch.Tensor, targets_BC: torch.Tensor, prevalence: Sequence[float]) -> torch.Tensor:
    """BCE whose positives weigh (1 - p) / p, at most 20: rare findings count as much as common ones."""
    p_C = torch.tensor(prevalence, device=logits_BC.device).clamp(1e-6, 1 - 1e-6)
    weight_C = ((1 - p_C) / p_C).clamp(max=MAX_POSITIVE_WEIGHT)
    return F.binary_cross_entropy_with_logits(logits_BC, targets_BC, pos_weight=weight_C, reduction="none")


def asymmetric(
    logits_BC: torch.Tensor,
    targets_BC: torch.Tensor,
    gamma_pos: float = 1.0,
    gamma_neg: float = 4.0,
    clip: float = 0.05,
) -> torch.Tensor:
    """Asymmetric loss (Ridnik et al. 2021, equation 7): easy negatives are down-weighted, very easy ones dropped."""
    p_BC = logits_BC.sigmoid()
    shifted_BC = (p_BC - clip).clamp(min=0)
    positive_BC = targets_BC * (1 - p_BC) ** gamma_pos * F.logsigmoid(logits_BC)
    negative_BC = (1 - targets_BC) * shifted_BC**gamma_neg * torch.log1p(-shifted_BC.clamp(max=1 - 1e-6))
    return -(positive_BC + negative_BC)


def focal(logits_BC: torch.Tensor, targets_BC: torch.Tensor, gamma: float = 2.0, alpha: float = 0.25) -> torch.Tensor:
    """Focal loss (Lin et al. 2017, equation 5) with its balance alpha for positives."""
    p_BC = logits_BC.sigmoid()
    right_BC = p_BC * targets_BC + (1 - p_BC) * (1 - targets_BC)
    balance_BC = alpha * targets_BC + (1 - alpha) * (1 - targets_BC)
    return balance_BC * (1 - right_BC) ** gamma * bce(logits_BC, targets_BC)


def per_label(name: str, prevalence: Sequence[float]) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The loss of this name as a function of logits and targets, both [B, C]."""
    table: dict[str, Callable] = {"bce": bce, "asymmetric": asymmetric, "focal": focal}
    table["weighted"] = partial(weighted_bce, prevalence=prevalence)
    return choose(name, table, "loss")


def three_class(logits_BC3: torch.Tensor, targets_BC: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over absent, present and uncertain (Irvin et al. 2019, U-MultiClass); targets 0, 1 or -1.

    A smoothed target t in (0, 1) is the distribution (1 - t, t, 0).
    """
    uncertain_BC = (targets_BC < 0).to(logits_BC3)
    present_BC = targets_BC.clamp(min=0)
    wanted_BC3 = torch.stack([(1 - present_BC) * (1 - uncertain_BC), present_BC, uncertain_BC], dim=-1)
    return -(wanted_BC3 * logits_BC3.log_softmax(-1)).sum(-1)


def masked_sum(loss: Callable, logits: torch.Tensor, targets_BC: torch.Tensor) -> torch.Tensor:
    """Sum of the loss over the known targets; an unknown one contributes neither value nor gradient."""
    known_BC = ~targets_BC.isnan()
    filled_BC = targets_BC.nan_to_num(0.0)
    return torch.where(known_BC, loss(logits.float(), filled_BC), 0.0).sum()


def grouped_sum(logits_BC: torch.Tensor, targets_BC: torch.Tensor, first: int) -> torch.Tensor:
    """Sum of the cross-entropies of what is known. The `first` labels together weigh as much as the others do: of few
    common ones beside many rare ones a mean teaches the rare ones' absence."""
    weight_C = _grouped(targets_BC, first)
    return masked_sum(lambda *of: bce(*of) * weight_C, logits_BC, targets_BC)


def grouped_count(targets_BC: torch.Tensor, first: int) -> torch.Tensor:
    """What `grouped_sum` is divided by: the weights of what is known."""
    return (~targets_BC.isnan() * _grouped(targets_BC, first)).sum()


def _grouped(targets_BC: torch.Tensor, first: int) -> torch.Tensor:
    others = targets_BC.shape[1] - first
    return torch.tensor([others / first] * first + [1.0] * others, device=targets_BC.device)


def hierarchy_penalty(logits_BC: torch.Tensor, labels: Sequence[str]) -> torch.Tensor:
    """Sum of how much each child's probability exceeds its parent's (core/labels.HIERARCHY), over the batch."""
    p_BC = logits_BC.float().sigmoid()
    total = p_BC.new_zeros(())
    for child, parent in hierarchy_pairs(labels):
        total = total + (p_BC[:, child] - p_BC[:, parent]).clamp(min=0).sum()
    return total


def hierarchy_pairs(labels: Sequence[str]) -> list[tuple[int, int]]:
    """Columns (child, parent) of the pairs that this label list holds."""
    column = {name: index for index, name in enumerate(labels)}
    return [
        (column[child], column[parent])
        for child, parents in HIERARCHY.items()
        for parent in parents
        if child in column and parent in column
    ]


def bernoulli_kl(logits_BC: torch.Tensor, towards_BC: torch.Tensor) -> torch.Tensor:
    """KL( Bernoulli(towards) || Bernoulli(logits) ) per element; `towards` is taken as given (no gradient)."""
    towards_BC = towards_BC.detach().float()
    p_BC, logits_BC = towards_BC.sigmoid(), logits_BC.float()
    on = F.logsigmoid(towards_BC) - F.logsigmoid(logits_BC)
    off = F.logsigmoid(-towards_BC) - F.logsigmoid(-logits_BC)
    return p_BC * on + (1 - p_BC) * off
