"""The scorecard of chest findings: every label, every head, the averages, and what the note adds to the image.

Each metric is a function of case weights, so that one set of patient resamples gives all intervals, and the
differences between heads are paired.

Shapes: N studies, L labels, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_5
from medley.core.records import Prediction
from medley.evaluation import classification as c
from medley.evaluation import statistics
from medley.evaluation.floors import Floor, prevalence_floor
from medley.evaluation.predictions import one_task
from medley.evaluation.reasons import Cuts, Key, cases_of, usable_thresholds, warnings_of, why_undefined
from medley.evaluation.scorecard import LabelScores, Protocol, Scorecard
from medley.evaluation.statistics import Metric
from medley.evaluation.tables import FUSED, Table, head_tables, image_table
from medley.evaluation.thresholds import Thresholds

TASK = "chest_findings"
DEFINITIONS = (
    "findings/1: a case is a study; macro and micro over labels with 10 positives and 10 negatives, without No "
    "Finding; ece and brier are means over the same; a finding is called where score >= its max-F1 threshold of dev"
)
MACRO = {"auroc": "auroc_macro", "ap": "ap_macro", "f1": "f1_macro", "ece": "ece", "brier": "brier"}
DELTA = "fused_minus_"

Values = dict[Key, np.ndarray]


def chest_findings_scorecard(
    predictions: Sequence[Prediction],
    *,
    thresholds: Thresholds | None,
    protocol: Protocol,
    provenance: Mapping[str, Any],
    floors: Mapping[str, Floor],
    bootstrap: int = 1000,
    seed: int = 0,
) -> Scorecard:
    """Score studies; `bootstrap` is the number of resamples of the patients.

    The constant answer (where `floors` brings none) and the text-only head are always among the floors.
    Whatever cannot be computed is null with its reason. Metrics that need a threshold are null where any scored
    patient took part in fitting it. Raises MedleyError where the predictions are not one table of one task.
    """
    predictions = one_task(predictions, TASK)
    _check(floors)
    tables, images = head_tables(predictions), image_table(predictions)
    truth = tables[FUSED]
    columns, left_out = c.macro_labels(truth.labels_NL, truth.names)
    cuts = {head: usable_thresholds(head, truth.names, predictions, thresholds) for head in tables}
    of_weights = _of_weights(tables, images, columns, cuts)

    patient_ids = [prediction.patient_id for prediction in predictions]
    points = of_weights(np.ones((1, len(predictions))))
    samples = statistics.bootstrap(of_weights, patient_ids, resamples=bootstrap, seed=seed, width=len(truth.names))
    n_patients = len(set(patient_ids))
    measured: dict[Key, Metric] = {}
    for key, point_1 in points.items():
        value, n = float(point_1[0]), cases_of(key, truth, images, columns)
        if np.isnan(value):
            measured[key] = Metric(None, None, n, why_undefined(key, truth, columns, cuts))
        else:  # ece grows with the noise of resampling, hence centred
            centred = key[2] == "ece"
            measured[key] = statistics.with_interval(value, samples[key], n=n, n_patients=n_patients, centred=centred)
    metrics: dict[str, Metric] = {}
    for (head, label, name), metric in measured.items():
        if label is None:
            metrics[_name(head, name)] = metric
            if name == "ece":
                metrics[_name(head, "ece_if_calibrated")] = _if_calibrated(tables[head], columns, metric, seed)
    # without a train part the constant is not known, but what any constant would score by rank is
    constant = prevalence_floor(truth.labels_NL, truth.labels_NL, truth.names)
    floors = {"prevalence": {key: constant[key] for key in constant if key.startswith(("auroc", "ap"))}, **floors}
    if "text_only" in tables:
        names = ("auroc_macro", "ap_macro", "brier", "ece")
        floors["text_only"] = {name: metrics[f"text_only/{name}"].value for name in names}
    return Scorecard(
        task=TASK,
        protocol={
            **asdict(protocol),
            "studies": len(predictions),
            "patients": n_patients,
            "labels": list(truth.names),
            "metric_definitions": DEFINITIONS,
        },
        provenance={**provenance, "bootstrap": bootstrap, "bootstrap_seed": seed},
        metrics=metrics,
        floors=floors,
        per_label=_per_label(tables, cuts, measured),
        warnings=tuple(warnings_of(predictions, tables, left_out, protocol, cuts)),
    )


def _check(floors: Mapping[str, Floor]) -> None:
    for name, floor in floors.items():
        for metric, value in floor.items():
            if value is not None and not np.isfinite(value):
                raise MedleyError(f"floor {name}: {metric} is {value}; what is not defined must be None")


def _name(head: str, metric: str) -> str:
    return metric if head == FUSED else f"{head}/{metric}"


def _of_weights(
    tables: Mapping[str, Table], images: Table | None, columns: Sequence[int], cuts: Mapping[str, Cuts]
) -> Callable[[np.ndarray], Values]:
    """The function from case weights [R, N] to every metric [R]; what does not depend on the weights is done once."""
    rankings = {
        head: [c.rank(table.labels_NL[:, i], table.scores_NL[:, i]) for i in range(len(table.names))]
        for head, table in tables.items()
    }
    pooled = {head: c.rank(t.labels_NL[:, columns], t.scores_NL[:, columns]) for head, t in tables.items()}
    by_image = []
    if images is not None:
        by_image = [c.rank(images.labels_NL[:, i], images.scores_NL[:, i], images.study_N) for i in columns]

    def of_weights(weights_RN: np.ndarray) -> Values:
        values: Values = {}
        for head, table in tables.items():
            thresholds_L = np.array([cuts[head][name][0] for name in table.names])
            counts = c.confusion(table.labels_NL, table.scores_NL, thresholds_L, weights_RN)
            by_metric = {
                "auroc": np.stack([c.auroc_of(ranking, weights_RN) for ranking in rankings[head]], axis=-1),
                "ap": np.stack([c.average_precision_of(ranking, weights_RN) for ranking in rankings[head]], axis=-1),
                "f1": counts.f1(),
                "ece": np.stack([c.ece_of(ranking, weights_RN) for ranking in rankings[head]], axis=-1),
                "brier": c.brier(table.labels_NL, table.scores_NL, weights_RN),
            }
            called = [i for i in columns if np.isfinite(thresholds_L[i])]
            for metric, values_RL in by_metric.items():
                values |= {(head, name, metric): values_RL[:, i] for i, name in enumerate(table.names)}
                values[head, None, MACRO[metric]] = _mean(values_RL, called if metric == "f1" else columns)
            values[head, None, "auroc_micro"] = c.auroc_of(pooled[head], weights_RN)
            values[head, None, "f1_micro"] = counts.pooled(called).f1()
            five = [table.names.index(name) for name in CHEXPERT_5 if name in table.names]
            complete = five if len(five) == len(CHEXPERT_5) else []
            values[head, None, "auroc_chexpert5"] = _mean(by_metric["auroc"], complete)
        for head in list(tables)[1:]:
            for label, metric in [(None, "auroc_macro"), *((name, "auroc") for name in tables[head].names)]:
                values[DELTA + head, label, metric] = values[FUSED, label, metric] - values[head, label, metric]
        if images is not None:
            of_images = [c.auroc_of(ranking, weights_RN) for ranking in by_image]
            aurocs_RM = np.reshape(of_images, (len(by_image), len(weights_RN))).T
            values["image_level", None, "auroc_macro"] = _mean(aurocs_RM, range(len(by_image)))
        return values

    return of_weights


def _mean(values_RL: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """Mean over labels; nan where any of them is, or where there is none: never the mean of what happens to be left."""
    return values_RL[:, list(columns)].mean(axis=1) if len(columns) else np.full(len(values_RL), np.nan)


def _if_calibrated(table: Table, columns: Sequence[int], ece: Metric, seed: int) -> Metric:
    """What `ece` would be if these scores were true probabilities: a reference, not an estimate, so no interval."""
    if ece.value is None:
        return Metric(None, None, ece.n, ece.error)
    values = [c.ece_if_calibrated(table.labels_NL[:, i], table.scores_NL[:, i], seed, table.names[i]) for i in columns]
    return Metric(float(np.mean(values)), None, ece.n)


def _per_label(
    tables: Mapping[str, Table], cuts: Mapping[str, Cuts], measured: Mapping[Key, Metric]
) -> dict[str, dict[str, LabelScores]]:
    """head (and difference of heads) -> label -> support, threshold and metrics."""
    by_head: dict[str, dict[str, dict[str, Metric]]] = {}
    for (head, label, metric), value in measured.items():
        if label is not None:
            by_head.setdefault(head, {}).setdefault(label, {})[metric] = value
    truth = tables[FUSED]
    positives_L, negatives_L, unknown_L = c.support(truth.labels_NL)
    scored: dict[str, dict[str, LabelScores]] = {}
    for head, labels in by_head.items():
        scored[head] = {}
        for label, metrics in labels.items():
            threshold = cuts[head][label][0] if head in cuts else np.nan
            if head in tables:
                metrics = metrics | _at_threshold(tables[head], label, *cuts[head][label])
            i = truth.names.index(label)
            scored[head][label] = LabelScores(
                positives=int(positives_L[i]),
                negatives=int(negatives_L[i]),
                unknown=int(unknown_L[i]),
                threshold=None if np.isnan(threshold) else threshold,
                metrics=metrics,
            )
    return scored


def _at_threshold(table: Table, label: str, threshold: float, why: str | None) -> dict[str, Metric]:
    """Proportions at the threshold, with Wilson intervals."""
    names = ("precision", "recall", "specificity", "accuracy")
    if why is not None:
        return {name: Metric(None, error=why) for name in names}
    i = table.names.index(label)
    counts = c.confusion(table.labels_NL[:, [i]], table.scores_NL[:, [i]], np.array([threshold]))
    tp, fp, fn, tn = (int(cell[0]) for cell in (counts.tp, counts.fp, counts.fn, counts.tn))
    parts = ((tp, tp + fp, "no case is called"), (tp, tp + fn, "no positive case"), (tn, tn + fp, "no negative case"))
    return {
        name: statistics.wilson(k, n) if n else Metric(None, error=empty)
        for name, (k, n, empty) in zip(names, (*parts, (tp + tn, tp + fp + fn + tn, "no case")), strict=True)
    }
