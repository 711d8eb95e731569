"""One learned query a label reads the tokens and says what it saw and where (Liu et al. 2021, Query2Label; Carion et
al. 2020, DETR).

Shapes: B batch, C labels, K tokens, H heads, D width.
"""

from __future__ import annotations

import torch
from torch import nn

from medley.fusion.cross_attention import CrossAttention


class LabelQueries(nn.Module):
    """C queries through layers of cross-attention; the states make logits, the last weights are the attention maps."""

    def __init__(self, labels: int, dim: int, heads: int, layers: int, dropout: float):
        super().__init__()
        self.queries_CD = nn.Parameter(torch.randn(labels, dim) * 0.02)
        self.layers = nn.ModuleList(CrossAttention(dim, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens_BKD: torch.Tensor, is_token_BK: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States [B, C, D] and attention [B, C, K], the mean of the last layer's heads; its rows sum to 1."""
        states_BCD = self.queries_CD.expand(len(tokens_BKD), -1, -1)
        for layer in self.layers:
            states_BCD, weights_BHCK = layer(states_BCD, tokens_BKD, is_token_BK)
        return self.norm(states_BCD), weights_BHCK.mean(1)
