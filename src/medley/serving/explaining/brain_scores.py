"""What a run's LIME is worth: on lesions whose place is known, does the report of a lesion rest on the lesion?

scores = score_lime(predictor, source, "test")      # None where no lesion of the part has a mask
scores.metrics["best_supervoxel"]                   # share of cases whose heaviest supervoxel lies in the lesion
scores.floors["chance"]["best_supervoxel"]          # … of a supervoxel picked at random: exact, not drawn

Beside chance stand the maps of other patients on the same lesions, those of models with random weights that are asked
for the same words, and, for deletion and insertion, random orders of the same supervoxels.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.records import Case, Study
from medley.core.seeds import generator
from medley.data.source import Progress, Source
from medley.evaluation.statistics import Metric
from medley.explain.averages import mean_over_cases
from medley.explain.volumes.grounding import Grounded, over_cases
from medley.serving.explaining.brain import VolumeExplanation, explain_brain, held_against, picture_of
from medley.serving.explaining.marked import random_model
from medley.serving.explaining.run import ExplanationScores
from medley.serving.predictor import Predictor

TARGET, BASELINE = "report", "mean"
RANDOM_CASES = 8  # each by a model of its own
_LESION = "lesion"
_CURVES = ("deletion", "insertion")
_PICTURES = 4  # of the first cases: whether the map hits is not asked


@dataclass(frozen=True)
class _Explained:
    """A study, the explanation of its report, and the lesion (255ths, on the model's grid) it is held against."""

    study: Study
    one: VolumeExplanation
    held: Grounded
    lesion_DHW: np.ndarray


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

    Metrics: those of `explain.volumes.grounding`, deletion, insertion, `lime_r2_held_out` and `lime_stability`, means
    over cases; `above_chance/NAME` the differences. None where the part knows no lesion's place.
    """
    seed = predictor.recipe.seed
    chosen = _chosen(source.parts.get(part, []), cases, generator("lime cases", seed, part))
    found, left_out = list[_Explained](), dict[str, int]()
    for done, case in enumerate(chosen, start=1):
        study = source.images.with_regions(source.study(case, source.groups(case)[0]), [_LESION])
        assert study.volume is not None
        lesion_DHW, why = study.volume.regions[_LESION], "the lesion lies outside of what the model reads"
        try:
            [one] = explain_brain(predictor, study, [TARGET], "lime", BASELINE, seed=seed, lesion_DHW=lesion_DHW)
            if one.held is not None:
                found.append(_Explained(study, one, one.held, lesion_DHW))
                continue
        except MedleyError as error:
            why = str(error).partition(": ")[2]
        finally:
            if tick:
                tick(f"explaining {part}", done, len(chosen))
        left_out[why] = left_out.get(why, 0) + 1
    if not found:
        return None
    fits = [some.one.fit for some in found if some.one.fit]
    facts = {"method": "lime", "target": TARGET, "baseline": BASELINE, "cases": len(found)}
    facts |= {"samples": float(np.mean([fit.samples for fit in fits])), "randomised_cases": RANDOM_CASES}
    warnings = [f"LIME: {counted(count, 'study')} left out: {why}" for why, count in left_out.items()]
    if unstable := sum(fit.stopped == "most samples" for fit in fits):
        warnings.append(f"LIME: the ranking of {counted(unstable, 'study')} was not stable after all samples")
    if unmoved := sum(fit.stopped == "nothing moves" for fit in fits):
        warnings.append(f"LIME: nothing moves the report of {counted(unmoved, 'study')}: no stability, no R2 of theirs")
    metrics, chance = _measured(found, resamples, seed)
    floors = {"chance": chance, "random_order": _random_order(found), "other_patient": _of_others(found)}
    floors["randomised"] = _randomised(predictor, found[:RANDOM_CASES], seed)
    pictures = tuple(_picture(some) for some in found[:_PICTURES])
    return ExplanationScores(metrics, floors, {}, {"lime": facts}, tuple(warnings), pictures)


def _chosen(cases: Sequence[Case], most: int, rng: np.random.Generator) -> list[Case]:
    """At most so many lesions with a mask, in the order of the table."""
    known = [case for case in cases if not case.truth.get("healthy", True) and case.truth.get("segmentation")]
    return [known[index] for index in sorted(rng.permutation(len(known))[:most].tolist())]


def _measured(found: Sequence[_Explained], resamples: int, seed: int) -> tuple[dict[str, Metric], dict[str, float]]:
    """The metrics with their intervals, and what chance scores in each."""
    patients, how = [some.study.case.patient_id for some in found], {"resamples": resamples, "seed": seed}
    over = over_cases([some.held for some in found], patients, **how)
    metrics = {name: of["value"] for name, of in over.items()}
    metrics |= {f"above_chance/{name}": of["above"] for name, of in over.items()}
    columns = {name: np.array([some.one.curves[name] for some in found]) for name in _CURVES}
    metrics |= mean_over_cases(columns, patients, **how)
    for name, attribute in (("lime_r2_held_out", "r2_held_out"), ("lime_stability", "stability")):
        values = np.array([getattr(some.one.fit, attribute) for some in found])
        moved = np.isfinite(values)
        if moved.any():
            kept = [patient for patient, is_kept in zip(patients, moved, strict=True) if is_kept]
            metrics |= mean_over_cases({name: values[moved]}, kept, **how)
        else:
            metrics[name] = Metric(None, error="nothing moves the report of any case")
    return metrics, {name: of["chance"].value for name, of in over.items() if of["chance"].value is not None}


def _random_order(found: Sequence[_Explained]) -> dict[str, float]:
    """Deletion and insertion when the same supervoxels go in any order."""
    return {name: float(np.mean([some.one.curves[f"{name}_random"] for some in found])) for name in _CURVES}


def _of_others(found: Sequence[_Explained]) -> Mapping[str, float | None]:
    """Each lesion by the map of the next case that is another patient's: what maps know of lesions at large."""
    values = []
    for place, some in enumerate(found):
        patient = some.study.case.patient_id
        others = [of for of in (*found[place + 1 :], *found[:place]) if of.study.case.patient_id != patient]
        if others:
            other = others[0].one
            values.append(held_against(other.map_DHW, other.fit, other.pieces_DHW, some.lesion_DHW, other.volume))
    return _means(values)


def _randomised(predictor: Predictor, found: Sequence[_Explained], seed: int) -> Mapping[str, float | None]:
    """The same words, asked of models with random weights: what of the maps is the brain's form alone."""
    values = []
    for number, some in enumerate(found):
        other = copy.copy(predictor)
        other.model = random_model(predictor, number)
        words, lesion_DHW = some.one.report, some.lesion_DHW
        [one] = explain_brain(
            other, some.study, [TARGET], "lime", BASELINE, seed=seed, lesion_DHW=lesion_DHW, report=words, most=1
        )
        values.append(one.held)
    return _means(values)


def _picture(some: _Explained) -> tuple[bytes, str]:
    content = io.BytesIO()
    picture_of(some.one, some.lesion_DHW).savefig(content, format="png", dpi=70, metadata={"Software": None})
    return content.getvalue(), f"Case {some.one.case_id}: in colour what its report rests on."


def _means(values: Sequence[Grounded | None]) -> Mapping[str, float | None]:
    """metric -> mean over the cases that could be held against a lesion; None where none could."""
    held = [one.values for one in values if one is not None]
    return {name: float(np.mean([of[name] for of in held])) for name in held[0]} if held else {}
