"""The whole film and the queries' findings as a few tokens, weighed by a gate that what follows can feel.

    g = sigmoid(MLP[whole; mean of states])        tokens = 2 g LN(whole)  ++  2 (1 - g) [LN(pooled states) ++ beside]

The system this follows gated before its last layer norm, which takes every scale away again: there the whole-film token
hardly depended on g. Here the gate comes after the norms. At g = 1/2, where it starts, all tokens keep their scale.
What the states made known otherwise can stand beside what was pooled of them: it need not pass through a mixture.

Shapes: B batch, Q queries, K pooled tokens, D width.
"""

from __future__ import annotations

import torch
from torch import nn


class GatedPooling(nn.Module):
    """1 token of the whole film, K tokens that learned pool queries read from the states, and the N that stand beside
    them."""

    def __init__(self, dim: int, heads: int, pooled: int, gate_dim: int, dropout: float):
        super().__init__()
        last = nn.Linear(gate_dim, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.gate = nn.Sequential(nn.Linear(2 * dim, gate_dim), nn.GELU(), nn.Dropout(dropout), last)
        self.queries_KD = nn.Parameter(torch.randn(pooled, dim) * 0.02)
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.out = nn.Linear(dim, dim)
        self.norm_whole, self.norm_pooled = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(
        self,
        whole_BD: torch.Tensor,
        states_BQD: torch.Tensor,
        beside_BND: torch.Tensor,
        gate_B: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens [B, 1 + K + N, D] and the gate [B]; a given `gate_B` asks what another would have done."""
        if gate_B is None:
            gate_B = self.gate(torch.cat([whole_BD, states_BQD.mean(1)], dim=-1))[:, 0].sigmoid()
        queries_BKD = self.queries_KD.expand(len(states_BQD), -1, -1)
        read_BKD, _ = self.attention(queries_BKD, states_BQD, states_BQD, need_weights=False)
        pooled_BKD = self.norm_pooled(self.out(queries_BKD + read_BKD))
        found_BND = torch.cat([pooled_BKD, beside_BND], dim=1)
        whole_B1D, gate_B11 = self.norm_whole(whole_BD)[:, None], gate_B[:, None, None]
        return torch.cat([2 * gate_B11 * whole_B1D, 2 * (1 - gate_B11) * found_BND], dim=1), gate_B

    def looked(self, states_BQD: torch.Tensor) -> torch.Tensor:
        """How much each pooled token read of each state, [B, K, Q], the mean of the heads; rows sum to 1."""
        queries_BKD = self.queries_KD.expand(len(states_BQD), -1, -1)
        return self.attention(queries_BKD, states_BQD, states_BQD)[1]
