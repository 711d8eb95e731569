"""Attention rollout (Abnar & Zuidema 2020): attention followed back through all blocks of a ViT to the film's patches.

Each block mixes half of what comes in with half of what it attends to (its residual): A' = (A + I) / 2, heads averaged,
rows summing to 1; the blocks are multiplied. Here the walk starts where the label's query looked, so that a map belongs
to a label. A CNN mixes places by convolution and says nothing of it: it is refused.

Shapes: F films, T tokens of a film with those before the patches, B studies, K labels, V films of a study, h w patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.encoders.pooled import PatchTower, patch_tower
from medley.explain.surface import FilmBatch, FilmModel, by_study, pick


def rollout(attentions: Sequence[torch.Tensor]) -> torch.Tensor:
    """Attention [F, heads, T, T] of each block, first to last -> [F, T, T]: what each last token took of each first."""
    eye = torch.eye(attentions[0].shape[-1], device=attentions[0].device)
    rolled = eye.expand(len(attentions[0]), -1, -1)
    for attention in attentions:
        mixed = (attention.float().mean(1) + eye) / 2
        rolled = mixed @ rolled
    return rolled


def rollout_maps(model: FilmModel, batch: FilmBatch, columns_BK: torch.Tensor) -> torch.Tensor:
    """Maps [B, K, V, h, w]: where each label's query looked, followed back through the tower.

    Raises MedleyError for a tower without attention over all of its tokens.
    """
    tower = patch_tower(model.vision)
    with torch.no_grad(), recorded_attention(tower) as attentions:
        looked_BKVhw = pick(model(batch).maps_BCVhw.float(), columns_BK)
    height, width = tower.grid
    rolled_FTT = rollout(attentions)
    before = rolled_FTT.shape[-1] - height * width
    if before < 0:
        raise MedleyError(
            f"rollout needs a tower whose blocks attend over all {height * width} patches; this one's see "
            f"{rolled_FTT.shape[-1]} tokens at a time: use queries or gradcam"
        )
    looked_FKP = looked_BKVhw.transpose(1, 2)[batch.is_film_BV].flatten(2)
    maps_FKP = looked_FKP @ rolled_FTT[:, before:, before:].to(looked_FKP)
    return by_study(maps_FKP.unflatten(-1, (height, width)), batch)


@contextmanager
def recorded_attention(tower: PatchTower) -> Iterator[list[torch.Tensor]]:
    """The attention [F, heads, T, T] of each block of what runs inside, in order; the fused kernel is off meanwhile."""
    found: list[torch.Tensor] = []
    with _of_timm(tower, found) if tower.is_timm else _of_hugging_face(tower, found):
        yield found


@contextmanager
def _of_timm(tower: PatchTower, found: list[torch.Tensor]) -> Iterator[None]:
    layers = [module for module in tower.modules() if hasattr(module, "fused_attn") and hasattr(module, "attn_drop")]
    _require(layers, tower)
    fused = [layer.fused_attn for layer in layers]
    handles = [
        layer.attn_drop.register_forward_hook(  # type: ignore[union-attr]
            lambda module, inputs, output: found.append(output.detach())
        )
        for layer in layers
    ]
    for layer in layers:
        layer.fused_attn = False  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer, was, handle in zip(layers, fused, handles, strict=True):
            layer.fused_attn = was  # type: ignore[assignment]
            handle.remove()


@contextmanager
def _of_hugging_face(tower: PatchTower, found: list[torch.Tensor]) -> Iterator[None]:
    own = [module for module in tower.modules() if not isinstance(module, nn.MultiheadAttention)]  # that of a pool
    layers = [module for module in own if type(module).__name__.endswith("Attention")]
    _require(layers, tower)
    backbone: Any = tower.backbone
    was = backbone.config._attn_implementation  # the public setter has no getter
    handles = [
        layer.register_forward_hook(lambda module, inputs, output: found.append(output[1].detach())) for layer in layers
    ]
    backbone.set_attn_implementation("eager")
    try:
        yield
    finally:
        backbone.set_attn_implementation(was)
        for handle in handles:
            handle.remove()


def _require(layers: Sequence[nn.Module], tower: PatchTower) -> None:
    if not layers:
        raise MedleyError(
            f"rollout follows the attention of a ViT; this vision tower, {type(tower.backbone).__name__}, is a CNN and "
            "has none: use queries, gradcam, hirescam or occlusion"
        )
