"""Deletion and insertion for a run: the films of marked studies are taken apart in the order of their maps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from medley.core.family import to_device
from medley.core.seeds import generator
from medley.evaluation.statistics import Metric
from medley.explain import perturbation
from medley.explain.averages import mean_over_cases
from medley.explain.lesions import FOCAL
from medley.explain.surface import log_odds, with_film
from medley.serving.explaining.marked import Marked, maps_of
from medley.serving.predictor import Predictor

PERTURBED = 30  # studies, one focal lesion of each


def score_perturbation(
    predictor: Predictor, marked: Marked, method: str, resamples: int
) -> tuple[dict[str, Metric], dict[str, float | None], int]:
    """deletion and insertion with intervals, and `trained_minus_shuffled/...` of both; what the map of another patient
    scores on the same film and label; and on how many studies.

    They are means over studies, one focal lesion of each by a keyed draw.
    """
    seed, lesions = predictor.recipe.seed, marked.lesions
    chosen = _one_lesion_a_study(marked, seed)
    maps = maps_of(predictor, marked, method) if chosen else []
    rng = generator("the map of another patient", seed)
    own, other = [], []
    for p in chosen:
        others = [q for q in range(len(lesions)) if lesions.patient_ids[q] != lesions.patient_ids[p]]
        if others:
            own.append(_areas(predictor, marked, p, maps[p]))
            other.append(_areas(predictor, marked, p, maps[int(rng.choice(others))]))
    if not own:
        nothing = Metric(None, error="no focal lesion of two patients is marked")
        return dict.fromkeys(perturbation.METRICS, nothing), dict.fromkeys(perturbation.METRICS), 0
    values = {name: np.array([areas[name] for areas in own]) for name in perturbation.METRICS}
    shuffled = {name: np.array([areas[name] for areas in other]) for name in perturbation.METRICS}
    values |= {f"trained_minus_shuffled/{name}": values[name] - shuffled[name] for name in perturbation.METRICS}
    patients = [lesions.patient_ids[p] for p in chosen]
    metrics = mean_over_cases(values, patients, resamples=resamples, seed=seed)
    return metrics, {name: float(areas.mean()) for name, areas in shuffled.items()}, len(own)


def _one_lesion_a_study(marked: Marked, seed: int) -> list[int]:
    chosen: list[int] = []
    for s in range(len(marked.studies)):
        focal = [p for p in marked.of_study(s) if marked.lesions.labels[p] in FOCAL]
        if focal and len(chosen) < PERTURBED:
            draw = generator("one lesion a study", seed, marked.lesions.case_ids[focal[0]])
            chosen.append(focal[int(draw.integers(len(focal)))])
    return chosen


@torch.inference_mode()
def _areas(predictor: Predictor, marked: Marked, p: int, map_hw: np.ndarray) -> Mapping[str, float]:
    s = marked.study_of[p]
    batch = to_device(predictor.processor([marked.studies[s]]), predictor.device)
    view, column = marked.views[s], marked.columns[p]

    def probability_of(films_RHW: torch.Tensor) -> torch.Tensor:
        many = with_film(batch, 0, view, films_RHW)
        return log_odds(predictor.model, many)[:, column].sigmoid()  # type: ignore[arg-type]

    film_HW = batch.films_BV1HW[0, view, 0]
    return perturbation.deletion_insertion(probability_of, film_HW, map_hw, marked.lesions.case_ids[p])
