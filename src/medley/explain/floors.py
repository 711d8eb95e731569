"""What stands beside a score of maps: an even map, the middle of the film, other people's maps, and a random model's.

`same_label` is the floor to beat: the maps of other patients with the same finding know the label and nothing of the
case. The randomised-weights check (Adebayo et al. 2018) asks the reverse of a model that has learned nothing: its maps
must score no better on their own case than dealt out anew among the cases of the same label, else the method draws
what it draws from the film alone (edges, bright metal), and a good score of it is no evidence of learning.

Shapes: P lesions, M maps (one a lesion).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medley.explain.averages import macro
from medley.explain.score import SQUARE_PX, Marks, measure, own, read_maps

_BELL = 0.25  # standard deviation of the centre prior, as a share of the side


def chance(lesions: Marks) -> dict[str, np.ndarray]:
    """metric -> [P]: what an even map scores on average: the share of the film under the lesion."""
    share_P = lesions.masks_PX.mean(1)
    near_P = lesions.near_PX.mean(1)
    return {"pointing_game": near_P, "pointing_game_exact": share_P, "mass_in_mask": share_P, "iou": share_P}


def centre(lesions: Marks, cut: float) -> dict[str, np.ndarray]:
    """metric -> [P]: what a Gaussian in the middle of the film scores."""
    across = (np.arange(SQUARE_PX) + 0.5) / SQUARE_PX - 0.5
    bell = np.exp(-(across[:, None] ** 2 + across[None] ** 2) / (2 * _BELL**2))
    return {name: values[0].astype(float) for name, values in measure(read_maps([bell]), lesions, cut).items()}


def of_others(values_MP: Mapping[str, np.ndarray], lesions: Marks, same_label: bool = False) -> dict[str, np.ndarray]:
    """metric -> [P]: for each lesion the mean over the maps of all other patients, or of those with the same label.

    nan where there is none.
    """
    patients, labels = np.array(lesions.patient_ids), np.array(lesions.labels)
    take_MP = patients[:, None] != patients[None]
    if same_label:
        take_MP &= labels[:, None] == labels[None]
    counts_P = take_MP.sum(0)
    return {
        name: np.where(counts_P > 0, (values * take_MP).sum(0) / np.maximum(counts_P, 1), np.nan)
        for name, values in values_MP.items()
    }


def randomised_check(values_by_model: Sequence[Mapping[str, np.ndarray]], lesions: Marks) -> dict[str, Any]:
    """Whether models with random weights point no better at the lesion of the case than at others of its label.

    Values are [M, P] of each model, two or more. Each model's maps are also dealt out to the other patients with the
    same label; the interval is that of what they score there, 95 %, as the difference varies from model to model
    (Student's t). Fails above it: below, there is nothing that a method could draw from the film without the model.
    `passed` is None where a label has one patient only, so that nothing can be dealt.
    """
    from scipy.stats import t

    own_by_model = [macro(own(values), lesions.labels)["pointing_game"] for values in values_by_model]
    dealt = [macro(of_others(values, lesions, True), lesions.labels)["pointing_game"] for values in values_by_model]
    models = len(own_by_model)
    if not np.isfinite(dealt).all():
        return {"models": models, "pointing_game": float(np.mean(own_by_model)), "dealt_anew": None, "passed": None}
    half = float(t.ppf(0.975, models - 1) * np.std(np.subtract(own_by_model, dealt), ddof=1) / math.sqrt(models))
    value, centre_of = float(np.mean(own_by_model)), float(np.mean(dealt))
    interval = [centre_of - half, centre_of + half]
    return {
        "models": models,
        "pointing_game": value,
        "dealt_anew": interval,
        "passed": value <= interval[1],
    }
