"""Losses of what lies where: maps that are to lie on a region whose place is known.

Shapes: B batch, V views, R regions, r kept cells a side, h w patches, P = V * h * w.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from medley.losses.multilabel import bce, masked_sum


def on_grid(places_BVRrr: torch.Tensor, grid: Sequence[int], most: bool = False) -> torch.Tensor:
    """Shares of kept cells as shares of patches, [B, V, R, h, w], or with `most` the largest share of a patch's cells;
    not known where a cell is not."""
    height, width = grid
    pool = F.adaptive_max_pool2d if most else F.adaptive_avg_pool2d
    pooled = pool(places_BVRrr.flatten(0, 2)[:, None], (height, width))
    return pooled[:, 0].unflatten(0, places_BVRrr.shape[:3])


def attention_sum(maps_BRVhw: torch.Tensor, places_BVRrr: torch.Tensor) -> torch.Tensor:
    """Sum over the regions with a known place of KL(place || map): attention is to lie on the region, evenly.

    A map sums to 1 over the patches of all views. Left out: a region that is not known or covers nothing, and one on a
    view that was not read, on which there is no attention.
    """
    places_BVRhw = on_grid(places_BVRrr, maps_BRVhw.shape[-2:])
    is_read_BV = maps_BRVhw.detach().sum((1, 3, 4)) > 0
    known_BVR = known_regions(places_BVRhw.flatten(3)) & is_read_BV[..., None]
    places_BRP = torch.where(known_BVR[..., None, None], places_BVRhw, 0.0).transpose(1, 2).flatten(2)
    known_BR = known_BVR.any(1)
    wanted_NP = places_BRP[known_BR].float()
    wanted_NP = wanted_NP / wanted_NP.sum(-1, keepdim=True)
    said_NP = maps_BRVhw.flatten(2)[known_BR].float().clamp(min=1e-8).log()
    return F.kl_div(said_NP, wanted_NP, reduction="sum")


def seen_sums(
    film_FC: torch.Tensor,
    patch_FPR: torch.Tensor,
    targets_BC: torch.Tensor,
    places_BVRrr: torch.Tensor,
    is_film_BV: torch.Tensor,
    grid: Sequence[int],
) -> dict[str, torch.Tensor]:
    """Sums of what a tower alone makes of single films: `film`, the findings of each, and `patch`, which regions lie on
    each patch: of a small one by its densest cell, for a fracture's share of a patch would be next to nothing. F films
    that there are, C labels; what is not known is left out."""
    targets_FC = targets_BC[:, None].expand(-1, is_film_BV.shape[1], -1)[is_film_BV]
    places_FRhw = on_grid(places_BVRrr, grid, most=True)[is_film_BV]
    return {
        "film": masked_sum(bce, film_FC, targets_FC),
        "patch": masked_sum(bce, patch_FPR.transpose(1, 2), places_FRhw.flatten(2)),
    }


def known_regions(places: torch.Tensor) -> torch.Tensor:
    """Which regions have a place: those that are known and cover something, of shares [..., cells]."""
    return places.nan_to_num(0.0).sum(-1) > 0
