"""The explanations of a run, scored against the lesions that a table knows of.

scores = score_run(predictor, source, "test")      # None where the part marks no lesion
scores.metrics["pointing_game"]                    # of the best method, which was chosen on dev
scores.floors["randomised"]["pointing_game"]       # the same method on a model that has learned nothing
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.data.source import Progress, Source
from medley.evaluation.statistics import Metric
from medley.explain import floors, score
from medley.explain.averages import averaged, macro, scored_labels
from medley.explain.layers import is_cnn
from medley.explain.methods import QUICK
from medley.explain.occlusion import BLUR
from medley.serving.explaining.marked import Marked, maps_of, marked_studies, random_model
from medley.serving.explaining.perturbing import score_perturbation
from medley.serving.predictor import Predictor

RANDOM_MODELS = 5
_DEFAULT_CUT = 0.5


@dataclass(frozen=True)
class ExplanationScores:
    """What the maps of a run are worth. Names without a prefix are those of the best method; METHOD/name of each."""

    metrics: Mapping[str, Metric]
    floors: Mapping[str, Mapping[str, float | None]]  # floor -> metric -> value, of the best method
    per_label: Mapping[str, Mapping[str, Metric]]  # label -> metric, of the best method; focal or not
    facts: Mapping[str, Any]  # the method, how it was chosen, what was scored; see `_facts`
    warnings: tuple[str, ...]
    examples: tuple[tuple[bytes, str], ...] = ()  # pictures and captions for the page, where they are made on the way


def score_run(
    predictor: Predictor,
    source: Source,
    part: str,
    *,
    own: Source | None = None,
    studies: int = 150,
    methods: Sequence[str] | None = None,
    resamples: int = 1000,
    tick: Progress | None = None,
) -> ExplanationScores | None:
    """Score the maps of present labels against masks or boxes, on at most `studies` studies of `part` by a keyed draw.

    `methods` are those of `explain.methods`; by default the quick ones, and rollout for a ViT. The best of them and the
    cut of iou are chosen on half as many studies of dev (of train where dev is scored): of `own`, the data that the run
    was trained on, where it is given and is another table than `source`. A method whose maps cannot be scored is null
    with the reason. None where no study of the part has a lesion marked that the model has a label for.
    """
    marked = marked_studies(predictor, source, part, studies)
    if not len(marked.lesions):
        return None
    names = list(methods or QUICK)
    if methods is None and not is_cnn(predictor.model.vision):  # type: ignore[arg-type]
        names.append("rollout")
    another = own is not None and own.table.digest != source.table.digest
    tuned_on = "train" if part == "dev" and not another else "dev"
    dev = marked_studies(predictor, own if own and another else source, tuned_on, max(1, studies // 2))
    tuned_on += " of the run's own data" if another else ""
    told = f"scoring explanations of {part}"
    tell = _teller(tick, told, len(names) * (2 if len(dev.lesions) else 1) + RANDOM_MODELS + 1)

    cuts, on_dev = _tuned(predictor, dev, names, tell)
    best = max(on_dev, key=on_dev.__getitem__) if on_dev else names[0]
    metrics, per_label, values = _measured(predictor, marked, cuts, best, resamples, tell)
    facts = _facts(marked, best, tuned_on, on_dev, cuts[best])
    warnings = [f"explanations: {counted(count, 'lesion')} left out: {why}" for why, count in marked.left_out.items()]
    if (
        best == "queries"
        and predictor.facts["masks_known"]
        and set(predictor.processor.regions) & set(predictor.labels)
    ):
        warnings.append(
            "explanations: the queries of findings were taught on masks where these lie: that they point well is what "
            "they learned, and no evidence of what moved an answer"
        )
    if not on_dev:
        warnings.append(
            f"explanations: {tuned_on} marks no lesion to tune on: {best} was not chosen, iou is cut at {_DEFAULT_CUT}"
        )
    metrics |= {metric: metrics[f"{best}/{metric}"] for metric in score.METRICS}
    if values is None:
        return ExplanationScores(metrics, {}, per_label, facts, tuple(warnings))

    beside, facts["randomised_check"] = _beside(predictor, marked, best, cuts[best], values, tell)
    of_case, average = score.own(values), _averager(predictor, marked, resamples)
    for floor in ("same_label", "randomised"):
        difference, _ = average({name: of_case[name] - beside[floor][name] for name in of_case})
        metrics |= {f"trained_minus_{floor}/{name}": metric for name, metric in difference.items()}
    found = {floor: _overall(by_metric, marked) for floor, by_metric in beside.items()}
    perturbed, of_others, facts["perturbed_studies"] = score_perturbation(predictor, marked, best, resamples)
    found["shuffled"] |= of_others
    tell()
    return ExplanationScores({**metrics, **perturbed}, found, per_label, facts, tuple(warnings))


def _averager(predictor: Predictor, marked: Marked, resamples: int) -> Callable:
    labels, patients = marked.lesions.labels, marked.lesions.patient_ids
    return partial(averaged, labels=labels, patient_ids=patients, resamples=resamples, seed=predictor.recipe.seed)


def _teller(tick: Progress | None, what: str, steps: int) -> Callable[[], None]:
    done = itertools.count(1)
    return lambda: tick(what, next(done), steps) if tick else None


def _tuned(
    predictor: Predictor, dev: Marked, names: Iterable[str], tell: Callable[[], None]
) -> tuple[dict[str, float], dict[str, float]]:
    """The cut of each method, and the pointing game that the best is chosen by; empty where dev marks nothing."""
    cuts, on_dev = dict.fromkeys(names, _DEFAULT_CUT), {}
    for name in cuts if len(dev.lesions) else ():
        try:
            maps = score.read_maps(maps_of(predictor, dev, name))
        except MedleyError:  # the part that is scored says why
            continue
        finally:
            tell()
        cuts[name] = score.best_cut(maps, dev.lesions)
        values = score.own(score.measure(maps, dev.lesions, cuts[name]))
        on_dev[name] = macro(values, dev.lesions.labels)["pointing_game"]
    return cuts, on_dev


def _measured(
    predictor: Predictor,
    marked: Marked,
    cuts: Mapping[str, float],
    best: str,
    resamples: int,
    tell: Callable[[], None],
) -> tuple[dict[str, Metric], dict[str, dict[str, Metric]], dict[str, np.ndarray] | None]:
    """METHOD/metric of every method; per label and map by lesion of the best, None where its maps cannot be scored."""
    metrics: dict[str, Metric] = {}
    per_label: dict[str, dict[str, Metric]] = {}
    of_best = None
    for name, cut in cuts.items():
        try:
            maps = score.read_maps(maps_of(predictor, marked, name))
        except MedleyError as error:
            metrics |= {f"{name}/{metric}": Metric(None, error=str(error)) for metric in score.METRICS}
            continue
        finally:
            tell()
        values = score.measure(maps, marked.lesions, cut)
        overall, by_label = _averager(predictor, marked, resamples)(score.own(values))
        metrics |= {f"{name}/{metric}": value for metric, value in overall.items()}
        if name == best:
            per_label, of_best = by_label, values
    return metrics, per_label, of_best


def _beside(
    predictor: Predictor,
    marked: Marked,
    method: str,
    cut: float,
    values: Mapping[str, np.ndarray],
    tell: Callable[[], None],
) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, Any]]:
    """floor -> metric -> [P], and what the check of randomised weights says."""
    by_model = []
    for number in range(RANDOM_MODELS):
        maps = maps_of(predictor, marked, method, random_model(predictor, number))
        by_model.append(score.measure(score.read_maps(maps), marked.lesions, cut))
        tell()
    owns = [score.own(of_model) for of_model in by_model]
    beside = {
        "chance": floors.chance(marked.lesions),
        "centre": floors.centre(marked.lesions, cut),
        "shuffled": floors.of_others(values, marked.lesions),
        "same_label": floors.of_others(values, marked.lesions, same_label=True),
        "randomised": {name: np.mean([own[name] for own in owns], axis=0) for name in score.METRICS},
    }
    return beside, floors.randomised_check(by_model, marked.lesions)


def _overall(by_metric: Mapping[str, np.ndarray], marked: Marked) -> dict[str, float | None]:
    """The floor as the score is averaged; None where no label is."""
    if not scored_labels(marked.lesions.labels)[0]:
        return dict.fromkeys(by_metric)
    values = macro(by_metric, marked.lesions.labels)
    return {name: None if np.isnan(value) else value for name, value in values.items()}


def _facts(marked: Marked, best: str, tuned_on: str, on_dev: Mapping[str, float], cut: float) -> dict[str, Any]:
    kept, left_out = scored_labels(marked.lesions.labels)
    share_P, of_label = marked.lesions.masks_PX.mean(1), np.array(marked.lesions.labels)
    return {
        "method": best,
        "chosen_on": tuned_on if on_dev else None,
        "pointing_game_there": dict(on_dev),
        "studies": len(marked.studies),
        "lesions": len(marked.lesions),
        "averaged": kept,
        "left_out": left_out,
        "mask_share": {label: float(share_P[of_label == label].mean()) for label in sorted(set(marked.lesions.labels))},
        "tolerance": score.TOLERANCE,
        "cut": cut,
        "perturbed_with": f"the film blurred by {BLUR:.3f} of its side",
    }
