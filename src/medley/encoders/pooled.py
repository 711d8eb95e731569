"""Vision towers that also say something of the film as a whole: one global token beside all patches.

    images [B, 1, H, W] in [0, 1]  ->  whole [B, D], patches [B, P, D]

SigLIP has no class token; its own summary is the attention pool ("MAP head", Zhai et al. 2022) whose `pooler_output`
its authors advise (google-research/big_vision issue 145). The first token is a patch like all others and stays one. A
tower of timm gets a pool of the same kind and, having no table of positions, a fixed code of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.encoders.pretrained import load_backbone
from medley.encoders.vision2d import VisionSpec, VisionTower, build_vision, sincos_2d


class SiglipTower(nn.Module):
    """The vision tower of a SigLIP; `dim` is the width D of a token, `grid` the (h, w) of the patches."""

    mean: torch.Tensor
    std: torch.Tensor
    is_timm, channels_last, class_tokens = False, False, 0  # as a VisionTower says of itself

    def __init__(self, backbone: Any, spec: VisionSpec, pretrained: bool):
        super().__init__()
        self.backbone = backbone
        self.pretrained = pretrained
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)
        config = backbone.config
        self.dim = int(config.hidden_size)
        side = int(config.image_size) // int(config.patch_size)
        self.grid = (side, side)

    def forward(self, images_B1HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """whole [B, D] and patches [B, P, D], row by row, after the last norm."""
        output = self.backbone(pixel_values=(images_B1HW - self.mean) / self.std)
        return output.pooler_output, output.last_hidden_state


class PooledTower(nn.Module):
    """A timm tower, its patches mapped to width D and told where they are, and an attention pool over them."""

    position_PD: torch.Tensor

    def __init__(self, spec: VisionSpec, image_px: int, pretrained: bool, level: int, dim: int, heads: int):
        super().__init__()
        self.backbone = build_vision(spec, image_px, pretrained, level)
        self.dim, self.grid = dim, self.backbone.grid
        self.map = nn.Sequential(nn.Linear(self.backbone.dim, dim), nn.LayerNorm(dim))
        self.register_buffer("position_PD", sincos_2d(self.grid, dim), persistent=False)
        self.probe_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images_B1HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """whole [B, D] and patches [B, P, D], row by row."""
        patches_BPD = self.map(self.backbone(images_B1HW)) + self.position_PD
        probe_B1D = self.probe_token.expand(len(patches_BPD), -1, -1)
        whole_B1D, _ = self.attention(probe_B1D, patches_BPD, patches_BPD, need_weights=False)
        return self.norm(whole_B1D)[:, 0], patches_BPD


PatchTower = VisionTower | SiglipTower
Tower = PatchTower | PooledTower


def patch_tower(tower: Tower) -> PatchTower:
    """The part of a tower that makes its patches: the tower itself, or what a `PooledTower` pools."""
    return tower.backbone if isinstance(tower, PooledTower) else tower


def build_pooled(
    spec: VisionSpec, image_px: int, pretrained: bool, level: int, dim: int, heads: int
) -> SiglipTower | PooledTower:
    """The tower of a spec, with its pretrained weights or random ones. Raises MedleyError where the weights cannot be
    had, the image size does not fit, or the tower of the hub is no SigLIP."""
    if spec.config is None:
        return PooledTower(spec, image_px, pretrained, level, dim, heads)
    if spec.config["model_type"] != "siglip_vision_model":
        kind = spec.config["model_type"]
        raise MedleyError(f"vision '{spec.name}' is a {kind}; give a SigLIP such as google/siglip-base-patch16-384")
    if image_px != (wanted := spec.config["image_size"]):
        raise MedleyError(f"model.image_px is {image_px}; '{spec.name}' reads {wanted} px: set it to that")
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.for_model(**spec.config)
    backbone = load_backbone("vision", spec.name, config=config) if pretrained else AutoModel.from_config(config)
    return SiglipTower(backbone, spec, pretrained)
