"""Many patches of a volume as few tokens: a Perceiver resampler, or plain pooling, behind one function.

    latents  <-  latents + A(LN latents, [LN patches + positions ; LN latents])        a layer, of which there are some
    latents  <-  latents + MLP(LN latents)

(Jaegle et al. 2021, Perceiver; Alayrac et al. 2022, Flamingo, section 3.1.) What is pooled over cells keeps no more of
a place than its cell: averages over runs of the patches in their order, as the system this family follows has them, are
of two whole slices each, in which left and right are one. A latent reads whichever patches it asks for.

Shapes: B batch, P = d * h * w patches, K tokens, H heads, C width.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn

from medley.core.errors import MedleyError

Grid = tuple[int, int, int]
Positions = Literal["learned", "sincos"]
_LOUD = 4.0  # of the code of a place beside what a patch says: from a faint one latents hardly learn where to look


class LatentAttention(nn.Module):
    """One layer of a resampler: latents read the patches and themselves, then think."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm_latents, self.norm_patches, self.norm_forward = (
            nn.LayerNorm(dim),
            nn.LayerNorm(dim),
            nn.LayerNorm(dim),
        )
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        self.out = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(
        self, latents_BKC: torch.Tensor, patches_BPC: torch.Tensor, positions_PC: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The latents after this layer, and the share of each patch in what they read [B, H, K, P]."""
        asking_BKC = self.norm_latents(latents_BKC)
        read_BNC = torch.cat([self.norm_patches(patches_BPC) + positions_PC, asking_BKC], dim=1)
        keys_BNC, values_BNC = self.key_value(read_BNC).chunk(2, dim=-1)
        query_BHKd, keys_BHNd, values_BHNd = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(asking_BKC), keys_BNC, values_BNC)
        )
        scores_BHKN = query_BHKd @ keys_BHNd.transpose(-1, -2) * query_BHKd.shape[-1] ** -0.5
        weights_BHKN = scores_BHKN.float().softmax(-1).to(scores_BHKN)
        latents_BKC = latents_BKC + self.out((weights_BHKN @ values_BHNd).transpose(1, 2).flatten(2))
        return latents_BKC + self.feed_forward(self.norm_forward(latents_BKC)), weights_BHKN[..., : len(positions_PC)]


class PerceiverResampler(nn.Module):
    """K learned latents through some layers; patches are told where they are by a fixed code, or by a table that begins
    as that code and is learned."""

    def __init__(self, dim: int, heads: int, layers: int, tokens: int, grid: Grid, positions: Positions = "learned"):
        super().__init__()
        if dim % heads:
            raise MedleyError(f"model.resampler_heads is {heads}; the width of the vision tower, {dim}, is no multiple")
        self.tokens = tokens
        self.latents_token = nn.Parameter(torch.randn(tokens, dim) * 0.02)
        code_PC = sincos_3d(grid, dim)
        if positions == "learned":
            self.position_embed_PC = nn.Parameter(_LOUD * code_PC)
        else:
            self.register_buffer("position_embed_PC", _LOUD * code_PC, persistent=False)
        self.layers = nn.ModuleList(LatentAttention(dim, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, patches_BPC: torch.Tensor) -> torch.Tensor:
        """Tokens [B, K, C]."""
        return self.read(patches_BPC)[0]

    def read(self, patches_BPC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens [B, K, C], and what each read of each patch in the last layer, [B, K, P], the mean of the heads."""
        latents_BKC = self.latents_token.expand(len(patches_BPC), -1, -1)
        for layer in self.layers:
            latents_BKC, weights_BHKP = layer(latents_BKC, patches_BPC, self.position_embed_PC)
        return self.norm(latents_BKC), weights_BHKP.mean(1)


class RunPooling(nn.Module):
    """The patches in their order, slice by slice, cut into K runs of like length: each token is the mean of one."""

    def __init__(self, tokens: int):
        super().__init__()
        self.tokens = tokens

    def forward(self, patches_BPC: torch.Tensor) -> torch.Tensor:
        """Tokens [B, K, C]."""
        return F.adaptive_avg_pool1d(patches_BPC.transpose(1, 2), self.tokens).transpose(1, 2)


class GridPooling(nn.Module):
    """The volume cut into cells, each token the mean of one: left and right stay apart."""

    def __init__(self, grid: Grid, cells: Grid):
        super().__init__()
        self.grid, self.cells, self.tokens = grid, cells, math.prod(cells)

    def forward(self, patches_BPC: torch.Tensor) -> torch.Tensor:
        """Tokens [B, K, C], slice by slice."""
        volume_BCdhw = patches_BPC.transpose(1, 2).unflatten(2, self.grid)
        return F.adaptive_avg_pool3d(volume_BCdhw, self.cells).flatten(2).transpose(1, 2)


def build_compressor(
    kind: Literal["perceiver", "avgpool", "grid"],
    dim: int,
    grid: Grid,
    tokens: int,
    heads: int = 8,
    layers: int = 2,
    positions: Positions = "learned",
    cells: Grid = (4, 2, 4),
) -> PerceiverResampler | RunPooling | GridPooling:
    """What makes `tokens` tokens of the patches of a grid (of `cells`, their number)."""
    if kind == "perceiver":
        return PerceiverResampler(dim, heads, layers, tokens, grid, positions)
    return RunPooling(tokens) if kind == "avgpool" else GridPooling(grid, cells)


def sincos_3d(grid: Grid, dim: int) -> torch.Tensor:
    """Sine-cosine code of positions [d * h * w, dim]: a third of the channels an axis, its frequencies evenly spaced
    from one wave over the volume to the finest that the grid can hold (Jaegle et al. 2021, section 3.2), so that even
    neighbours differ much. What is left over is 0."""
    each = dim // 6
    if not each:
        raise MedleyError(f"the width is {dim}; a code of positions in three dimensions needs 6 or more")
    waves = []
    for axis, size in zip(torch.meshgrid(*(_middles(size) for size in grid), indexing="ij"), grid, strict=True):
        middle = axis.flatten()[:, None]
        waves_C = torch.linspace(1, max(1, size / 2), each, device=middle.device)  # said: transformers may patch it
        angles = middle * math.pi * waves_C
        waves += [angles.sin(), angles.cos()]
    code = torch.cat(waves, dim=1)
    return F.pad(code, (0, dim - code.shape[1]))


def _middles(size: int) -> torch.Tensor:
    """The middles of so many cells of [-1, 1]."""
    return (2 * torch.arange(size) + 1) / size - 1
