"""Token-level cross-attention between an image and a text, both ways.

Lu et al. 2019 (ViLBERT, co-attention); pre-norm residual blocks. The system this family follows attended between two
pooled vectors: with a single key softmax is 1, the output does not depend on the query, and the query and key weights
get no gradient. So a lone key is refused here.

Shapes: B batch, Q queries, K keys, H heads, D width.
"""

from __future__ import annotations

import torch
from torch import nn


class CrossAttention(nn.Module):
    """Pre-norm attention of queries over keys with a feed-forward layer: x + A(LN x, LN k), then x + F(LN x)."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.norm_queries, self.norm_keys, self.norm_forward = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim), nn.Dropout(dropout)
        )

    def forward(
        self, queries_BQD: torch.Tensor, keys_BKD: torch.Tensor, is_key_BK: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Updated queries [B, Q, D] and the attention weights [B, H, Q, K]; rows of weights sum to 1.

        `is_key_BK` is True where there is a key. Raises ValueError for a lone key.
        """
        if keys_BKD.shape[1] < 2:
            raise ValueError(
                f"cross-attention needs two keys or more, got {keys_BKD.shape[1]}: softmax over a lone key is 1 "
                "whatever the query; pass tokens, not a pooled vector"
            )
        keys_BKD = self.norm_keys(keys_BKD)
        change_BQD, weights_BHQK = self.attention(
            self.norm_queries(queries_BQD),
            keys_BKD,
            keys_BKD,
            key_padding_mask=None if is_key_BK is None else ~is_key_BK,
            average_attn_weights=False,
        )
        queries_BQD = queries_BQD + change_BQD
        return queries_BQD + self.feed_forward(self.norm_forward(queries_BQD)), weights_BHQK


class Bidirectional(nn.Module):
    """Layers in which the patches read the words and the words read the patches."""

    def __init__(self, dim: int, heads: int, layers: int, dropout: float):
        super().__init__()
        self.patches_read = nn.ModuleList(CrossAttention(dim, heads, dropout) for _ in range(layers))
        self.words_read = nn.ModuleList(CrossAttention(dim, heads, dropout) for _ in range(layers))

    def forward(
        self, patches_BPD: torch.Tensor, words_BLD: torch.Tensor, is_patch_BP: torch.Tensor, is_word_BL: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Both token sets after the last layer, and that layer's maps [B, H, P, L] and [B, H, L, P]."""
        for patches_read, words_read in zip(self.patches_read, self.words_read, strict=True):
            new_patches_BPD, over_words_BHPL = patches_read(patches_BPD, words_BLD, is_word_BL)
            words_BLD, over_patches_BHLP = words_read(words_BLD, patches_BPD, is_patch_BP)
            patches_BPD = new_patches_BPD
        return patches_BPD, words_BLD, over_words_BHPL, over_patches_BHLP
