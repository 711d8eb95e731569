"""From one state a label to that label's logits: a linear map of its own for each label."""

from __future__ import annotations

import torch
from torch import nn


class LabelwiseLinear(nn.Module):
    """logit[c, o] = state[c] . weight[c, o] + bias[c, o].

    Output o is "present" alone, or absent, present, uncertain. The bias of "present" starts at the log-odds of the
    label's prevalence, the others at 0.
    """

    def __init__(self, prevalence_C: torch.Tensor, dim: int, outputs: int = 1):
        super().__init__()
        self.weight_COD = nn.Parameter(torch.empty(len(prevalence_C), outputs, dim))
        nn.init.trunc_normal_(self.weight_COD, std=0.02)
        self.bias_CO = nn.Parameter(prior_logits(prevalence_C, outputs))

    def forward(self, states_BCD: torch.Tensor) -> torch.Tensor:
        """Logits [B, C, O]."""
        return torch.einsum("bcd,cod->bco", states_BCD, self.weight_COD) + self.bias_CO


def prior_logits(prevalence_C: torch.Tensor, outputs: int) -> torch.Tensor:
    """Logits [C, O] of an answer that knows the prevalence alone."""
    prior_CO = torch.zeros(len(prevalence_C), outputs)
    prior_CO[:, 0 if outputs == 1 else 1] = torch.logit(prevalence_C, eps=0.01)
    return prior_CO


class SharedHidden(nn.Module):
    """One hidden layer, the same for all labels, then each label's own linear map."""

    def __init__(self, prevalence_C: torch.Tensor, dim: int, dropout: float):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(dim, dim // 2), nn.GELU(), nn.Dropout(dropout))
        self.labels = LabelwiseLinear(prevalence_C, dim // 2)

    def forward(self, states_BCD: torch.Tensor) -> torch.Tensor:
        """Logits [B, C] of "present"."""
        return self.labels(self.hidden(states_BCD))[..., 0]
