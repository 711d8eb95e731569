"""What film and note say of a label apart, weighed together: added up, or through a gate.

If film x and note z are independent given the finding y, Bayes' rule is a sum of log-odds, in which the prevalence,
that both answers hold, stands once:

    logit P(y | x, z)  =  logit P(y | x)  +  logit P(y | z)  -  logit P(y)

So a fusion need not learn anew what the note is worth, only where the two are not independent.

Shapes: B batch, C labels, O outputs a label, D width.
"""

from __future__ import annotations

import torch
from torch import nn


class LabelSum(nn.Module):
    """logit = image + w * (text - prior), a weight w for each label.

    It starts at 1/2: a text tower that is still learning, or has read few notes, is surer than it may be.
    """

    prior_CO: torch.Tensor

    def __init__(self, prior_CO: torch.Tensor):
        """`prior_CO`: the logits of the labels' prevalence."""
        super().__init__()
        self.register_buffer("prior_CO", prior_CO.detach().clone())
        self.weight_C = nn.Parameter(torch.full((len(prior_CO),), 0.5))

    def forward(
        self, image: tuple[torch.Tensor, torch.Tensor], text: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """Logits [B, C, O] from each source's states [B, C, D], which only a gate reads, and logits [B, C, O]."""
        return image[1] + self.weight_C[:, None] * (text[1] - self.prior_CO)


class LabelGate(nn.Module):
    """logit = g * image + (1 - g) * text, g in (0, 1) from both states of the label; starts at g = 0.9, image first.

    Arevalo et al. 2017, gated multimodal units.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.gate = nn.Linear(2 * dim, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, 2.1972)  # logit of 0.9

    def forward(
        self, image: tuple[torch.Tensor, torch.Tensor], text: tuple[torch.Tensor, torch.Tensor]
    ) -> torch.Tensor:
        """Logits [B, C, O] from the sources' states and logits; the gate weighs a label's O outputs alike."""
        gate_BC1 = self.gate(torch.cat([image[0], text[0]], dim=-1)).sigmoid()
        return gate_BC1 * image[1] + (1 - gate_BC1) * text[1]


def drop_one(
    share_a: float, share_b: float, missing_b_B: torch.Tensor, training: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Modality dropout: which rows [B] are read without source a, and which without b (those that have none, too).

    In training `share_a` and `share_b` of them at random; one draw decides both, so that no row is read without both.
    """
    if not training:
        return torch.zeros_like(missing_b_B), missing_b_B
    draw_B = torch.rand(len(missing_b_B), device=missing_b_B.device)
    return (draw_B < share_a) & ~missing_b_B, missing_b_B | (draw_B > 1 - share_b)
