"""What a run's LIME is worth: on lesions whose place is known, does the report of a lesion rest on the lesion?

scores = score_lime(predictor, source, "test")      # None where no lesion of the part has a mask
scores.metrics["best_supervoxel"]                   # share of cases whose heaviest supervoxel lies in the lesion
scores.floors["chance"]["best_supervoxel"]          # … of a supervoxel picked at random: exact, not drawn
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.data.source import Progress, Source
from medley.evaluation.statistics import Metric
from medley.explain.averages import mean_over_cases
from medley.explain.volumes.grounding import Grounded, over_cases
from medley.serving.explaining.brain import VolumeExplanation, explain_brain
from medley.serving.explaining.run import ExplanationScores
from medley.serving.predictor import Predictor

TARGET, BASELINE = "report", "mean"
_LESION = "lesion"


def score_lime(
    predictor: Predictor,
    source: Source,
    part: str,
    *,
    cases: int = 40,
    resamples: int = 1000,
    tick: Progress | None = None,
) -> ExplanationScores | None:
    """Explain the report of at most `cases` lesions of a part, by a keyed draw, and hold the maps against their masks.

    Metrics: those of `explain.volumes.grounding` and `lime_r2_held_out`, `lime_stability`, means over cases;
    `above_chance/NAME` the differences. None where the part knows no lesion's place.
    """
    seed, known = predictor.recipe.seed, []
    for case in source.parts.get(part, []):
        if not case.truth.get("healthy", True) and case.truth.get("segmentation"):
            known.append(case)
    order = generator("lime cases", seed, part).permutation(len(known))[:cases]
    found: list[VolumeExplanation] = []
    patients, left_out = list[str](), dict[str, int]()
    for done, case in enumerate((known[index] for index in sorted(order.tolist())), start=1):
        study = source.images.with_regions(source.study(case, source.groups(case)[0]), [_LESION])
        assert study.volume is not None
        lesion_DHW = study.volume.regions[_LESION]
        try:
            [one] = explain_brain(predictor, study, [TARGET], "lime", BASELINE, seed=seed, lesion_DHW=lesion_DHW)
        except MedleyError as error:
            left_out[str(error).partition(": ")[2]] = left_out.get(str(error).partition(": ")[2], 0) + 1
            continue
        finally:
            if tick:
                tick(f"explaining {part}", done, len(order))
        if one.held is None:
            left_out["the lesion lies outside of what the model reads"] = 1
            continue
        found.append(one)
        patients.append(case.patient_id)
    if not found:
        return None
    facts = {"method": "lime", "target": TARGET, "baseline": BASELINE, "cases": len(found)}
    facts["samples"] = float(np.mean([one.fit.samples for one in found if one.fit]))
    warnings = [f"LIME: {counted(count, 'study')} left out: {why}" for why, count in left_out.items()]
    if unstable := sum(one.fit.stopped != "stable" for one in found if one.fit):
        warnings.append(f"LIME: the ranking of {counted(unstable, 'study')} was not stable after all samples")
    metrics, chance = _averages([one.held for one in found if one.held], found, patients, resamples, seed)
    return ExplanationScores(metrics, {"chance": chance}, {}, {"lime": facts}, tuple(warnings))


def _averages(
    held: list[Grounded], found: list[VolumeExplanation], patients: list[str], resamples: int, seed: int
) -> tuple[dict[str, Metric], Mapping[str, Any]]:
    """The metrics with their intervals, and what chance scores in each."""
    over = over_cases(held, patients, resamples=resamples, seed=seed)
    fits = [one.fit for one in found if one.fit]
    said = {"lime_r2_held_out": [fit.r2_held_out for fit in fits], "lime_stability": [fit.stability for fit in fits]}
    metrics = {name: of["value"] for name, of in over.items()}
    metrics |= {f"above_chance/{name}": of["above"] for name, of in over.items()}
    columns = {name: np.array(values) for name, values in said.items()}
    metrics |= mean_over_cases(columns, patients, resamples=resamples, seed=seed)
    return metrics, {name: of["chance"].value for name, of in over.items()}
