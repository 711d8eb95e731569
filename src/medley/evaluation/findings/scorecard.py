"""The scorecard of chest findings: every label, every head, the averages, and what the note adds to the image.

Each metric is a function of case weights, so that one set of patient resamples gives all intervals, and the
differences between heads are paired.

Shapes: N studies, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation import statistics
from medley.evaluation.classification import macro_labels
from medley.evaluation.findings.labels import label_scores, references
from medley.evaluation.findings.metrics import RANKED, Values, Weighted, fitted_metrics, ranked_metrics
from medley.evaluation.findings.reasons import Metrics, as_metrics
from medley.evaluation.findings.subgroups import AGE_BANDS, subgroups
from medley.evaluation.findings.warnings import few_resamples, warnings_of
from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.fitted.thresholds import Thresholds
from medley.evaluation.fitted.usable import Fits, no_fits, usable_fits
from medley.evaluation.floors.simple import Floor, prevalence_floor
from medley.evaluation.predictions.arrays import FUSED, Table, head_tables, image_table
from medley.evaluation.predictions.lines import one_task
from medley.evaluation.scorecard.calibrated import calibration_said
from medley.evaluation.scorecard.card import Protocol, Scorecard

TASK = "chest_findings"
DEFINITIONS = (
    "findings/2: a case is a study; macro: mean over labels with 10 positives and 10 negatives, without No Finding; "
    "micro: their cases pooled; chexpert5: mean over the five of the competition; ece (15 bins of equal mass) and "
    "brier: means over the labels of the macro; a finding is called where score >= threshold; age bands: "
    f"{', '.join(AGE_BANDS)} years"
)
IMAGES, TEXT = "image_level", "text_only"
DELTA = "fused_minus_"


def chest_findings_scorecard(
    predictions: Sequence[Prediction],
    *,
    thresholds: Thresholds | None,
    calibration: Calibration | None = None,
    protocol: Protocol,
    provenance: Mapping[str, Any],
    floors: Mapping[str, Floor],
    bootstrap: int = 1000,
    seed: int = 0,
) -> Scorecard:
    """Score studies; `bootstrap` is the number of resamples of the patients, 0 for no intervals.

    The constant answer (where `floors` brings none) and the text-only head are always among the floors.
    Whatever cannot be computed is null with its reason. Metrics that need a threshold or a calibration are null where
    any scored patient took part in fitting it. Raises MedleyError where the predictions are not one table of one task.
    """
    predictions = one_task(predictions, TASK)
    _check(floors)
    tables, images = head_tables(predictions), image_table(predictions)
    truth = tables[FUSED]
    columns, left_out = macro_labels(truth.labels_NL, truth.names)
    patient_ids = [prediction.patient_id for prediction in predictions]
    case_ids = [prediction.case_id for prediction in predictions]
    fits = {
        head: usable_fits(head, table, patient_ids, thresholds, calibration, case_ids) for head, table in tables.items()
    }

    by_head = dict(tables) | ({} if images is None else {IMAGES: images})
    points, samples = _values(tables, images, columns, fits, patient_ids, bootstrap, seed)
    measured: dict[str, Metrics] = {}
    for head, values in points.items():
        table = by_head.get(head, truth)  # differences of heads are of the same cases
        usable = fits.get(head, no_fits(table))
        measured[head] = as_metrics(values, samples.get(head, {}), table, columns, usable, len(set(patient_ids)))
        if head in fits:
            measured[head] |= references(table, usable, columns, measured[head], seed)

    # without a train part the constant is not known, but what any constant would score by rank is
    constant = prevalence_floor(truth.labels_NL, truth.labels_NL, truth.names)
    floors = {"prevalence": {key: constant[key] for key in constant if key.startswith(("auroc", "ap"))}, **floors}
    if TEXT in tables:
        floors[TEXT] = {metric: value.value for (label, metric), value in measured[TEXT].items() if label is None}
    per_label = {head: label_scores(by_head.get(head, truth), fits.get(head), of) for head, of in measured.items()}
    effect = calibration_said(per_label[FUSED])
    parted, of_subgroups = subgroups(predictions, truth, fits[FUSED], images, bootstrap=bootstrap, seed=seed)
    return Scorecard(
        task=TASK,
        protocol={
            **asdict(protocol),
            "studies": len(predictions),
            "patients": len(set(patient_ids)),
            "labels": list(truth.names),
            "metric_definitions": DEFINITIONS,
            "thresholds": thresholds and thresholds.describe(),
            "calibration": calibration and calibration.method,
        },
        provenance={**provenance, "bootstrap": bootstrap, "bootstrap_seed": seed},
        metrics={
            metric if head == FUSED else f"{head}/{metric}": value
            for head, metrics in measured.items()
            for (label, metric), value in metrics.items()
            if label is None
        },
        floors=floors,
        per_label=per_label,
        subgroups=parted,
        warnings=(
            *warnings_of(predictions, tables, left_out, protocol, fits),
            *([effect[1]] if effect and effect[0] else []),
            *of_subgroups,
            *few_resamples(bootstrap),
        ),
    )


def _check(floors: Mapping[str, Floor]) -> None:
    for name, floor in floors.items():
        for metric, value in floor.items():
            if value is not None and not np.isfinite(value):
                raise MedleyError(f"floor {name}: {metric} is {value}; what is not defined must be None")


def _values(
    tables: Mapping[str, Table],
    images: Table | None,
    columns: Sequence[int],
    fits: Mapping[str, Fits],
    patient_ids: Sequence[str],
    bootstrap: int,
    seed: int,
) -> tuple[dict[str, Values], dict[str, Values]]:
    """(values on all cases [1], on the resamples [R]) of every head, of the images, and of the differences of heads."""
    weighted: dict[str, list[Weighted]] = {
        head: [ranked_metrics(table, columns), fitted_metrics(table, columns, fits[head])]
        for head, table in tables.items()
    }
    if images is not None:
        weighted[IMAGES] = [ranked_metrics(images, columns)]
    compared: list[tuple[str | None, str]] = [(None, f"{metric}_macro") for metric in RANKED]
    compared += [(label, metric) for metric in RANKED for label in tables[FUSED].names]

    def of_weights(weights_NR: np.ndarray) -> dict[tuple[str, str | None, str], np.ndarray]:
        values = {head: {k: v for of in each for k, v in of(weights_NR).items()} for head, each in weighted.items()}
        for head in tables:
            if head != FUSED:
                values[DELTA + head] = {key: values[FUSED][key] - values[head][key] for key in compared}
        return {(head, *key): value for head, of_head in values.items() for key, value in of_head.items()}

    points = of_weights(np.ones((len(patient_ids), 1)))
    samples = statistics.bootstrap(of_weights, patient_ids, resamples=bootstrap, seed=seed) if bootstrap else {}
    return _nested(points), _nested(samples)


def _nested(flat: Mapping[tuple[str, str | None, str], np.ndarray]) -> dict[str, Values]:
    nested: dict[str, Values] = {}
    for (head, label, metric), value in flat.items():
        nested.setdefault(head, {})[label, metric] = value
    return nested
