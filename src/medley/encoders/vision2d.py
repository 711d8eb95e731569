"""Vision towers for films: any timm or Hugging Face ViT or CNN as one thing, patch tokens on a grid.

    images [B, 1, H, W] in [0, 1]  ->  patches [B, P, D], P = h * w, row by row

The tower's own mean and standard deviation are used, read from its config; the grey film is repeated to three
channels. Class tokens and poolers are left out: SigLIP has no class token, and a pooler that nobody reads only decays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError, cannot_load, nearest
from medley.encoders.pretrained import load_backbone, set_aside_unread


@dataclass(frozen=True)
class VisionSpec:
    """What a tower is, before any weight is there: enough to build it, saved with every run as plain JSON."""

    name: str  # a timm architecture, or the hub id or folder it came from
    config: Mapping[str, Any] | None  # the Hugging Face config; None for a timm architecture
    mean: tuple[float, ...]
    std: tuple[float, ...]


class VisionTower(nn.Module):
    """A backbone behind one face: `dim` is the width D of a token, `grid` the (h, w) of the patches.

    Both are read off one black image, so no architecture has to be known by name; so are the parameters that no patch
    depends on, which are never trained.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: nn.Module, spec: VisionSpec, image_px: int):
        super().__init__()
        self.is_timm = spec.config is None
        self.backbone = backbone.to(memory_format=torch.channels_last) if self.is_timm else backbone  # type: ignore
        self.pretrained = False  # whether from_pretrained gives the frozen part of it back
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)
        backbone.eval()  # the probe must not touch running statistics
        with torch.enable_grad():
            features = self._features(torch.zeros(1, 1, image_px, image_px, device=next(backbone.parameters()).device))
            set_aside_unread(backbone, features)
        backbone.train()
        self.channels_last, self.class_tokens = False, 0
        if features.ndim == 3:
            self.grid, self.class_tokens = _token_grid(spec, image_px, features.shape[1])
            self.dim = features.shape[2]
        else:
            channels = backbone.feature_info.channels()[-1] if self.is_timm else features.shape[1]  # type: ignore
            self.channels_last = features.shape[1] != channels  # a Swin of timm
            height, width, self.dim = (features if self.channels_last else features.permute(0, 2, 3, 1)).shape[1:]
            self.grid = (height, width)

    def forward(self, images_B1HW: torch.Tensor) -> torch.Tensor:
        """Patch tokens [B, P, D] of grey images in [0, 1]."""
        features = self._features(images_B1HW)
        if features.ndim == 3:
            return features[:, self.class_tokens :]
        return features.flatten(1, 2) if self.channels_last else features.flatten(2).transpose(1, 2)

    def _features(self, images_B1HW: torch.Tensor) -> torch.Tensor:
        images_B3HW = (images_B1HW - self.mean) / self.std
        if self.is_timm:  # the memory format makes a CNN 1.4 times as fast on the CPU, and a ViT no slower
            return self.backbone(images_B3HW.contiguous(memory_format=torch.channels_last))[-1]
        return self.backbone(pixel_values=images_B3HW).last_hidden_state


def _token_grid(spec: VisionSpec, image_px: int, tokens: int) -> tuple[tuple[int, int], int]:
    """The patches' (h, w) and how many class and register tokens stand before them."""
    assert spec.config is not None
    side = image_px // int(spec.config["patch_size"])
    if side * side > tokens:  # patches were merged on the way
        side = math.isqrt(tokens)
    before = tokens - side * side
    if before > 8:
        raise MedleyError(f"vision '{spec.name}' gives {tokens} tokens for {image_px} px, which lie on no square grid")
    return (side, side), before


def describe_vision(name: str) -> VisionSpec:
    """The spec of a timm architecture, a Hugging Face id, or a local folder that save_pretrained wrote.

    Raises MedleyError when there is no such architecture, or its config cannot be had.
    """
    import timm

    if timm.is_model(name):
        trained = timm.get_pretrained_cfg(name)
        assert trained is not None
        return VisionSpec(name, None, tuple(trained.mean), tuple(trained.std))
    if "/" not in name:
        raise MedleyError(f"vision '{name}' is not a timm architecture{nearest(name, timm.list_models())}")
    from transformers import AutoConfig, AutoImageProcessor

    try:
        config = AutoConfig.from_pretrained(name)
        processor = AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise cannot_load("vision", name, error) from error
    config = getattr(config, "vision_config", config)
    return VisionSpec(name, config.to_dict(), tuple(processor.image_mean), tuple(processor.image_std))


def build_vision(spec: VisionSpec, image_px: int, pretrained: bool, level: int = -1) -> VisionTower:
    """The tower of a spec, with its pretrained weights or with random ones (to lay saved weights over).

    `level` picks the timm feature map: -1 the last, -2 twice as fine for a CNN. Raises MedleyError where the weights
    cannot be had or the image size does not fit.
    """
    tower = (
        _timm(spec, image_px, pretrained, level) if spec.config is None else _hugging_face(spec, image_px, pretrained)
    )
    tower.pretrained = pretrained
    return tower


def _timm(spec: VisionSpec, image_px: int, pretrained: bool, level: int) -> VisionTower:
    import timm

    options: dict[str, Any] = {"features_only": True, "out_indices": (level,)}
    published = timm.get_pretrained_cfg(spec.name)
    if published is not None and published.fixed_input_size:  # a ViT has a position table for its size
        options["img_size"] = image_px
    try:
        backbone = timm.create_model(spec.name, pretrained=pretrained, **options)
    except (OSError, RuntimeError) as error:
        cure = "vision_pretrained: false starts from random weights"
        raise MedleyError(f"{cannot_load('vision', spec.name, error)}; {cure}") from error
    try:
        return VisionTower(backbone, spec, image_px)
    except AssertionError as error:  # how timm refuses a size
        raise MedleyError(f"model.image_px is {image_px}, which '{spec.name}' does not read: {error}") from error


def _hugging_face(spec: VisionSpec, image_px: int, pretrained: bool) -> VisionTower:
    from transformers import AutoConfig, AutoModel

    assert spec.config is not None
    config = AutoConfig.for_model(**spec.config)
    wanted = getattr(config, "image_size", image_px)  # a ResNet reads any size
    if image_px != wanted:
        raise MedleyError(f"model.image_px is {image_px}; '{spec.name}' reads {wanted} px: set it to that")
    if config.model_type.startswith("siglip"):
        config.vision_use_head = False
    options = {"add_pooling_layer": False} if config.model_type in ("vit", "deit") else {}
    if pretrained:
        backbone = load_backbone("vision", spec.name, config=config, **options)
    else:
        backbone = AutoModel.from_config(config, **options)
    return VisionTower(backbone, spec, image_px)


def sincos_2d(grid: tuple[int, int], dim: int) -> torch.Tensor:
    """Fixed 2-D sine-cosine position code [h * w, dim] (Chen et al. 2021, MoCo v3, section 4); dim divisible by 4."""
    if dim % 4:
        raise MedleyError(f"width is {dim}; the 2-D position code needs a multiple of 4")
    rows, columns = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    frequency = torch.exp(-math.log(10_000.0) * torch.arange(dim // 4) / (dim // 4))
    parts = []
    for axis in (rows, columns):
        angle = axis.flatten()[:, None] * frequency[None]
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, dim=1)
