"""What a text decoder reads in place of an encoder's states: tokens of another model, and words of its own.

Shapes: B batch, K tokens of width D, L words and M = K + L memory tokens of the decoder's width E.
"""

from __future__ import annotations

import torch
from torch import nn


class DecoderMemory(nn.Module):
    """The tokens, mapped to the decoder's width where it is another one and at a scale that is learned."""

    def __init__(self, dim: int, decoder_dim: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.map = nn.Identity() if decoder_dim == dim else nn.Linear(dim, decoder_dim)

    def forward(
        self,
        tokens_BKD: torch.Tensor,
        is_token_BK: torch.Tensor,
        words_BLE: torch.Tensor | None,
        is_word_BL: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Memory [B, M, E] and which of it is read [B, M]; without words M is K."""
        tokens_BKE = self.map(tokens_BKD) * self.scale
        if words_BLE is None:
            return tokens_BKE, is_token_BK
        return torch.cat([tokens_BKE, words_BLE.to(tokens_BKE)], dim=1), torch.cat([is_token_BK, is_word_BL], dim=1)
