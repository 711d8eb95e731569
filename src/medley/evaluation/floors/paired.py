"""Floors that are predictions: what a poorer answer to the same studies scores, and how much the system is above it.

Some come from the model with its image or its note taken away, some from a probe on thumbnails; here they are only
read, case by case beside the system's. The resamples are those of the scorecard, so every difference is paired.

Shapes: N studies, L labels, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation import statistics
from medley.evaluation.classification import macro_labels
from medley.evaluation.floors.simple import Floor, floor_of
from medley.evaluation.predictions.arrays import FUSED, head_tables
from medley.evaluation.ranking import auroc_of, rank
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.statistics import NO_RESAMPLES, Metric

DELTA = "fused_minus_"
AUROC = "auroc_macro"
SHUFFLED = "label_shuffled"  # the control that must score 0.5


@dataclass(frozen=True)
class PairedFloors:
    """What the floors scored, `<floor>/auroc_macro` and `fused_minus_<floor>/auroc_macro`, and these label by label."""

    floors: dict[str, Floor] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    by_label: dict[str, dict[str, Metric]] = field(default_factory=dict)  # fused_minus_<floor> -> label -> difference


def paired_floors(
    predictions: Sequence[Prediction],
    floors: Mapping[str, Sequence[Prediction]],
    *,
    bootstrap: int = 1000,
    seed: int = 0,
) -> PairedFloors:
    """Score each floor on the system's own studies and labels, with intervals of it and of what the system adds.

    `bootstrap` is the number of resamples of the patients, 0 for no intervals; with the scorecard's own number and
    seed they are its resamples.

    A label that a floor has no score of leaves its average undefined. Raises MedleyError, by name, where a floor was
    not asked the same cases with the same labels.
    """
    found = PairedFloors()
    for name, lines in floors.items():
        _add(found, name, predictions, _matched(name, predictions, lines), bootstrap, seed)
    return found


def with_floors(card: Scorecard, paired: PairedFloors, absent: Mapping[str, str]) -> Scorecard:
    """The card with these floors beside its own, and a warning for each floor that there could not be."""
    truth = card.per_label[FUSED]
    by_label = {
        name: {
            label: replace(truth[label], threshold=None, reliability={}, metrics={"auroc": m})
            for label, m in metrics.items()
        }
        for name, metrics in paired.by_label.items()
    }
    warnings = [f"the floor {name} is missing: {why}" for name, why in absent.items()]
    control = paired.metrics.get(f"{SHUFFLED}/{AUROC}")
    if control is not None and control.ci95 is not None and control.ci95[0] > 0.5:
        rule = "it learned nothing true and must score 0.5: something else gives the labels away"
        warnings.append(f"trained on shuffled labels the system scores {control.value:.3f}; {rule}")
    per_label: dict[str, Mapping[str, LabelScores]] = {**card.per_label, **by_label}
    return replace(
        card,
        floors={**card.floors, **paired.floors},
        metrics={**card.metrics, **paired.metrics},
        per_label=per_label,
        warnings=(*card.warnings, *warnings),
    )


def in_order_of(predictions: Sequence[Prediction], name: str, lines: Sequence[Prediction]) -> list[Prediction]:
    """The lines of the floor `name` in the order of the system's. Raises MedleyError for other cases."""
    by_case = {line.case_id: line for line in lines}
    if odd := {prediction.case_id for prediction in predictions} ^ set(by_case):
        has = "has" if min(odd) in by_case else "lacks"
        raise MedleyError(f"floor {name} {has} case '{min(odd)}', unlike the system: both answer the same cases")
    return [by_case[prediction.case_id] for prediction in predictions]


def _matched(name: str, predictions: Sequence[Prediction], lines: Sequence[Prediction]) -> list[Prediction]:
    """The same, of floors of findings: with the system's labels."""
    matched = in_order_of(predictions, name, lines)
    for prediction, line in zip(predictions, matched, strict=True):
        for label in line.scores:
            if prediction.labels.get(label) != line.labels.get(label) or label not in prediction.scores:
                what = f"case '{line.case_id}', label '{label}'"
                raise MedleyError(f"floor {name}: {what} is not as in the system's predictions; make the floor again")
    return matched


def _add(
    found: PairedFloors,
    name: str,
    predictions: Sequence[Prediction],
    lines: Sequence[Prediction],
    bootstrap: int,
    seed: int,
) -> None:
    system, floor = head_tables(predictions)[FUSED], head_tables(lines)[FUSED]
    labels_NL, names = system.labels_NL, system.names
    scores_NL = np.full(labels_NL.shape, np.nan)
    scores_NL[:, [names.index(label) for label in floor.names]] = floor.scores_NL
    found.floors[name] = floor_of(labels_NL, scores_NL, names, probabilities=True)

    columns, _ = macro_labels(labels_NL, names)
    of_weights = _of_weights(labels_NL, system.scores_NL, scores_NL, columns)
    patient_ids = [prediction.patient_id for prediction in predictions]
    points = of_weights(np.ones((len(patient_ids), 1)))
    samples = statistics.bootstrap(of_weights, patient_ids, resamples=bootstrap, seed=seed) if bootstrap else None
    n, n_patients = int((~np.isnan(labels_NL[:, columns])).any(1).sum()), len(set(patient_ids))

    def metric(key: tuple[str, int | None], why: str, n: int) -> Metric:
        value = float(points[key][0])
        if np.isnan(value):
            return Metric(None, None, n, why)
        if samples is None:
            return Metric(value, None, n, NO_RESAMPLES)
        return statistics.with_interval(value, samples[key], n=n, n_patients=n_patients)

    lacking = [names[i] for i in columns if np.isnan(scores_NL[:, i]).any()]
    why = f"the floor {name} has no answer for {', '.join(lacking)}" if lacking else "no label has enough cases"
    found.metrics[f"{name}/{AUROC}"] = metric(("floor", None), why, n)
    found.metrics[f"{DELTA}{name}/{AUROC}"] = metric(("difference", None), why, n)
    found.by_label[DELTA + name] = {}
    for i, label in enumerate(names):
        why = "one class only" if label in floor.names else f"the floor {name} has no answer for it"
        known = int((~np.isnan(labels_NL[:, i])).sum())
        found.by_label[DELTA + name][label] = metric(("difference", i), why, known)


def _of_weights(
    labels_NL: np.ndarray, system_NL: np.ndarray, floor_NL: np.ndarray, columns: Sequence[int]
) -> Callable[[np.ndarray], dict[tuple[str, int | None], np.ndarray]]:
    """Case weights [N, R] -> AUROC of the floor and what the system is above it: of each label (column), of the mean
    (None)."""
    answered = [i for i in range(labels_NL.shape[1]) if np.isfinite(floor_NL[:, i]).all()]
    rankings = {i: [rank(labels_NL[:, i], scores_NL[:, i]) for scores_NL in (system_NL, floor_NL)] for i in answered}

    def of_weights(weights_NR: np.ndarray) -> dict[tuple[str, int | None], np.ndarray]:
        nothing_R = np.full(weights_NR.shape[1], np.nan)
        values: dict[tuple[str, int | None], np.ndarray] = {}
        for i in range(labels_NL.shape[1]):
            ours_R, floor_R = (
                [auroc_of(r, weights_NR) for r in rankings[i]] if i in rankings else (nothing_R, nothing_R)
            )
            values["floor", i], values["difference", i] = floor_R, ours_R - floor_R
        for kind in ("floor", "difference"):
            macro = [values[kind, i] for i in columns]
            values[kind, None] = np.mean(macro, axis=0) if macro else nothing_R
        return values

    return of_weights
