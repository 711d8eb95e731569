"""A gate per label between what two sources say of it (Arevalo et al. 2017, gated multimodal units)."""

from __future__ import annotations

import torch
from torch import nn


class LabelGate(nn.Module):
    """logit = g * image + (1 - g) * text, g in (0, 1) from both states of the label; starts at g = 0.9, image first."""

    def __init__(self, dim: int):
        super().__init__()
        self.gate = nn.Linear(2 * dim, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.constant_(self.gate.bias, 2.1972)  # logit of 0.9

    def forward(
        self,
        image_BCD: torch.Tensor,
        text_BCD: torch.Tensor,
        image_logits_BCO: torch.Tensor,
        text_logits_BCO: torch.Tensor,
    ) -> torch.Tensor:
        """Gated logits [B, C, O]; the gate weighs all O outputs of a label alike."""
        gate_BC1 = self.gate(torch.cat([image_BCD, text_BCD], dim=-1)).sigmoid()
        return gate_BC1 * image_logits_BCO + (1 - gate_BC1) * text_logits_BCO
