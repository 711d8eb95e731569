"""Deletion and insertion (Petsiuk et al. 2018): take away, or put back, what a map calls important; watch the answer.

The film is blurred place by place, most important first (deletion), or a blurred film is sharpened in the same order
(insertion). The score is the area under the probability of the label: a map that is true to the model has a low
deletion and a high insertion. The numbers depend on how sure the model is, so they are read beside those of another
study's map (`shuffled`), on the same film. Places of equal importance go in a random order keyed by the study.

Shapes: S steps, R films at once, H W pixels, C labels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from medley.core.seeds import generator
from medley.explain.attention import upsample
from medley.explain.occlusion import blurred

Probability = Callable[[torch.Tensor], torch.Tensor]  # films [R, H, W] -> probability [R] of one label
STEPS = 8  # shares of the film: 0, 1/8, ... 1
METRICS = ("deletion", "insertion")


def deletion_insertion(
    probability_of: Probability, film_HW: torch.Tensor, map_hw: np.ndarray, *key: object
) -> dict[str, float]:
    """{"deletion", "insertion"}: areas in [0, 1] for one label of one film; `key` names the study.

    Both curves go through the model as one batch.
    """
    order_X = _order(map_hw, film_HW.shape[-1], *key)
    sharp_X, dull_X = film_HW.flatten(), blurred(film_HW).flatten()
    films_RX = [sharp_X, dull_X]  # where deletion begins and ends, and insertion ends and begins
    for step in range(1, STEPS):
        first_X = order_X[: round(step / STEPS * len(order_X))].to(film_HW.device)
        for start_X, other_X in ((sharp_X, dull_X), (dull_X, sharp_X)):
            film_X = start_X.clone()
            film_X[first_X] = other_X[first_X]
            films_RX.append(film_X)
    p_R = probability_of(torch.stack(films_RX).unflatten(1, film_HW.shape)).float().cpu().numpy()
    deletion_S = np.array([p_R[0], *p_R[2::2], p_R[1]])
    insertion_S = np.array([p_R[1], *p_R[3::2], p_R[0]])
    areas = (float(np.trapezoid(curve_S, dx=1 / STEPS)) for curve_S in (deletion_S, insertion_S))
    return dict(zip(METRICS, areas, strict=True))


def _order(map_hw: np.ndarray, px: int, *key: object) -> torch.Tensor:
    """The pixels, most important first."""
    importance_X = upsample(map_hw, px).ravel()
    chance_X = generator("perturbation", *key).random(len(importance_X))
    return torch.from_numpy(np.lexsort((chance_X, -importance_X)))
