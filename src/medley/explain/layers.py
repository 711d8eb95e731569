"""Which layer of a vision tower a gradient map is read at, and how its output lies on the film.

A CNN's (and a Swin's of timm) is its last feature map. A ViT's is the input of the last block's attention
(`blocks[-1].norm1`): after that attention the patches' gradients are zero for a head that reads the class token, so a
map there would be empty. A ViT's tokens become [F, D, h, w] before any gradient is averaged: to a tool that is made for
CNNs, tokens look like channels.

Shapes: F films, D width, h w the grid of the layer.
"""

from __future__ import annotations

import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.encoders.pooled import PatchTower, Tower, patch_tower


def cam_layer(tower: Tower, finer: int = 0) -> nn.Module:
    """The layer to explain. `finer` takes a CNN's feature map that many steps before its last, each twice as fine.

    Raises MedleyError where the tower has no such layer.
    """
    tower = patch_tower(tower)
    stages = _timm_stages(tower) if tower.is_timm else _hugging_face_stages(tower)
    if not 0 <= finer < len(stages):
        raise MedleyError(f"finer is {finer}; the vision tower has {len(stages)} feature maps, 0 is the last of them")
    stage = stages[-1 - finer]
    return stage if _gives_maps(tower) else _first_norm(stage)


def is_cnn(tower: Tower) -> bool:
    """Whether the tower's patches come from no self-attention (squeeze-and-excitation is none, nor is a pool's)."""
    parts = patch_tower(tower).modules()
    return not any(type(module).__name__.lower().endswith("attention") for module in parts)


def _gives_maps(tower: PatchTower) -> bool:
    """Whether a stage's own output is a feature map that nothing but the head reads: a CNN, or a Swin of timm."""
    return is_cnn(tower) or (tower.is_timm and not _last_of_timm(tower).startswith("blocks."))


def _last_of_timm(tower: PatchTower) -> str:
    return tower.backbone.feature_info.module_name()[-1]  # type: ignore


def as_grid(features: torch.Tensor, tower: Tower) -> torch.Tensor:
    """A layer's output as [F, D, h, w]: tokens [F, T, D] lose what stands before the patches; NHWC is turned round."""
    tower = patch_tower(tower)
    if features.ndim == 4:
        return features.permute(0, 3, 1, 2) if tower.channels_last else features
    height, width = tower.grid
    before = features.shape[1] - height * width
    if before < 0:
        raise MedleyError(f"the layer gives {features.shape[1]} tokens, fewer than the grid of {height} x {width}")
    return features[:, before:].transpose(1, 2).unflatten(-1, (height, width))


def _timm_stages(tower: PatchTower) -> list[nn.Module]:
    """The blocks or stages up to the one whose output the tower gives."""
    modules = dict(tower.backbone.named_modules())
    modules |= {name.removeprefix("model."): module for name, module in modules.items() if name.startswith("model.")}
    stages = []
    for one in tower.backbone.feature_info.info:  # type: ignore
        # a list of features flattens the names of what it takes from the model: stages.2 -> stages_2
        stages.append(modules[one["module"] if one["module"] in modules else one["module"].replace(".", "_")])
        if one["module"] == _last_of_timm(tower):
            break
    return stages


def _hugging_face_stages(tower: PatchTower) -> list[nn.Module]:
    """The blocks of a ViT (of a Swin, those of its last stage), or the stages of a CNN."""
    lists = [module for module in tower.backbone.modules() if isinstance(module, nn.ModuleList) and len(module)]
    if not is_cnn(tower):
        lists = [blocks for blocks in lists if any(isinstance(module, nn.LayerNorm) for module in blocks[-1].modules())]
    if not lists:
        raise MedleyError(f"the vision tower {type(tower.backbone).__name__} has no list of blocks to explain")
    return list(lists[0] if is_cnn(tower) else lists[-1])


def _first_norm(block: nn.Module) -> nn.Module:
    norm = next((module for module in block.modules() if isinstance(module, nn.LayerNorm)), None)
    if norm is None:
        raise MedleyError(f"the last block, {type(block).__name__}, has no LayerNorm before its attention")
    return norm
