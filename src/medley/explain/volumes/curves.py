"""Deletion and insertion in a volume (Petsiuk et al. 2018): hide the brain, or show it, most important places first.

The area under the model's answer, brought to [0, 1], over the share of the brain that is hidden or shown: a map that is
true to the model has a low deletion and a high insertion. The numbers depend on how sure the model is, so they stand
beside those of a random order of the same supervoxels or voxels (`deletion_random`, `insertion_random`). Places of
equal importance go in a random order keyed by the study; a supervoxel goes as one.

Shapes: S sequences, D H W voxels, X voxels of the brain, G places that go as one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from medley.core.seeds import generator
from medley.explain.volumes.hiding import Score

STEPS = 8  # shares of the brain: 0, 1/8, ... 1
_RANDOM_ORDERS = 4


def deletion_insertion(
    score: Score,
    volume: torch.Tensor,
    map_DHW: np.ndarray,
    brain_DHW: np.ndarray,
    *,
    baseline: torch.Tensor,
    unit: Callable[[np.ndarray], np.ndarray],
    pieces_DHW: np.ndarray | None = None,
    batch: int = 16,
    key: tuple[object, ...] = (),
) -> dict[str, float]:
    """{"deletion", "insertion", "deletion_random", "insertion_random"}, areas in [0, 1].

    `unit` brings the score's answers to [0, 1] (`Target.unit`). With `pieces_DHW` a supervoxel is hidden as one, in the
    order of the map's mean over it, and the random orders are of supervoxels; else voxels go one by one.
    """
    places_X = np.flatnonzero(brain_DHW)
    groups_X = np.arange(len(places_X)) if pieces_DHW is None else pieces_DHW.ravel()[places_X]
    groups_X = np.unique(groups_X, return_inverse=True)[1]
    worth_G = np.bincount(groups_X, map_DHW.ravel()[places_X]) / np.bincount(groups_X)
    rng = generator("volume curves", *key)
    orders = [worth_G, *(rng.random(len(worth_G)) for _ in range(_RANDOM_ORDERS))]
    areas = []
    for values_G in orders:
        order_X = np.lexsort((rng.random(len(worth_G))[groups_X], -values_G[groups_X]))
        areas.append(_areas(score, volume, baseline, places_X[order_X], unit, batch))
    random = np.mean(areas[1:], axis=0)
    names = ("deletion", "insertion", "deletion_random", "insertion_random")
    return dict(zip(names, (*map(float, areas[0]), *map(float, random)), strict=True))


def _areas(score, volume, baseline, ordered_X: np.ndarray, unit, batch: int) -> tuple[float, float]:
    """Deletion and insertion along one order of the brain's voxels (flat places)."""
    whole_SX, empty_SX = volume.flatten(1), baseline.to(volume).flatten(1)
    curves = []
    for start_SX, other_SX in ((whole_SX, empty_SX), (empty_SX, whole_SX)):
        answers: list[np.ndarray] = []
        steps = [round(step / STEPS * len(ordered_X)) for step in range(STEPS + 1)]
        for at in range(0, len(steps), batch):
            some = []
            for count in steps[at : at + batch]:
                first_X = torch.from_numpy(ordered_X[:count]).to(volume.device)
                changed_SX = start_SX.clone()
                changed_SX[:, first_X] = other_SX[:, first_X]
                some.append(changed_SX.view(volume.shape))
            with torch.inference_mode():
                answers.append(score(torch.stack(some)).double().cpu().numpy().ravel())
        curves.append(unit(np.concatenate(answers)))
    deletion, insertion = (float(np.trapezoid(curve, dx=1 / STEPS)) for curve in curves)
    return deletion, insertion
