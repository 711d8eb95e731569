"""The clinical part of a report scorecard: what the texts say of 14 findings and of their sides, against the truth.

Both treatments of "uncertain" are given: as present (the names without a suffix; f1chexbert's "rrg" does so) and as
absent (`_uncertain_0`). Everything is a function of case weights over per-report counts, so intervals and paired tests
are those of `evaluation.statistics`.

Shapes: N reports, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medley.evaluation import statistics
from medley.evaluation.clinical.counts import Counts
from medley.evaluation.clinical.f1 import PER_LABEL, macro_columns, support, why_undefined
from medley.evaluation.clinical.facts import LabelSupport
from medley.evaluation.clinical.labels import UNCERTAIN_AS, ReportLabels
from medley.evaluation.clinical.laterality import laterality_counts
from medley.evaluation.statistics import NO_RESAMPLES, Metric, with_interval

LATERALITY = "laterality_accuracy"
DEFINITIONS = (
    "clinical/1: labels of texts are read by medley.language.labeler unless `labeler` names another; never mentioned "
    "counts as absent, a reference of which nothing can be read as not known; macro: mean over labels with 10 "
    "positives and 10 negatives; published: over all, 0 where a label is neither said nor true; example: mean over "
    "reports; laterality: over findings that truly have a side, unmentioned is wrong"
)


@dataclass(frozen=True)
class ClinicalScores:
    """All clinical metrics of one system, with what the protocol has to say of them."""

    metrics: Mapping[str, Metric]
    per_label: Mapping[str, Mapping[str, LabelSupport]]  # "uncertain_1" and "uncertain_0" -> label -> its support
    left_out: Mapping[str, str]  # labels outside the macro average (uncertain as present), with the reason
    truth: str  # `table` or `reference text`
    labeler: str
    reports: int
    remarks: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "metrics": {name: metric.as_json() for name, metric in self.metrics.items()},
            "per_label": {how: {n: one.as_json() for n, one in of.items()} for how, of in self.per_label.items()},
            "left_out": dict(self.left_out),
            "protocol": {"truth": self.truth, "labeler": self.labeler, "reports": self.reports, "of": DEFINITIONS},
            "remarks": list(self.remarks),
        }


def clinical_scores(labels: ReportLabels, *, resamples: int = 1000, seed: int = 0) -> ClinicalScores:
    """Every metric with its patient-clustered bootstrap interval; null, with the reason, where there is none."""
    n, n_patients = len(labels.patient_ids), len(set(labels.patient_ids))
    of_weights = labels.statistics()
    points = of_weights(np.ones((n, 1)))
    samples = statistics.bootstrap(of_weights, labels.patient_ids, resamples=resamples, seed=seed) if resamples else {}
    counts = {as_: labels.counts(as_) for as_ in UNCERTAIN_AS}
    measured: dict[tuple[str | None, str], Metric] = {}
    for (label, metric), (value,) in points.items():
        cases = _cases(labels, counts[1], label, metric)
        if np.isnan(value):
            measured[label, metric] = Metric(None, None, cases, _why(counts, label, metric))
        elif not samples:
            measured[label, metric] = Metric(float(value), None, cases, NO_RESAMPLES)
        else:
            measured[label, metric] = with_interval(
                float(value), samples[label, metric], n=cases, n_patients=n_patients
            )
    return ClinicalScores(
        metrics={metric: value for (label, metric), value in measured.items() if label is None},
        per_label={
            f"uncertain_{as_}": _per_label(counts[as_], measured, suffix) for as_, suffix in UNCERTAIN_AS.items()
        },
        left_out=macro_columns(counts[1], "14")[1],
        truth=labels.truth,
        labeler=labels.labeler,
        reports=n,
        remarks=(*labels.remarks, *labels.unread),
    )


def _per_label(
    counts: Counts, measured: Mapping[tuple[str | None, str], Metric], suffix: str
) -> dict[str, LabelSupport]:
    by_label: dict[str, LabelSupport] = {}
    for name, (positives, said, known) in support(counts).items():
        metrics = {metric: measured[name, metric + suffix] for metric in PER_LABEL}
        by_label[name] = LabelSupport(positives, said, known, metrics)
    return by_label


def _cases(labels: ReportLabels, counts: Counts, label: str | None, metric: str) -> int:
    """Reports under a metric: those with a known label; those with a sided finding."""
    if metric == LATERALITY:
        return int((laterality_counts(labels.true_sides, labels.said_sides)[0] > 0).sum())
    known_NL = counts.known_NL if label is None else counts.known_NL[:, counts.columns([label])]
    return int(known_NL.any(axis=1).sum())


def _why(counts: Mapping[int, Counts], label: str | None, metric: str) -> str:
    if metric == LATERALITY:
        return "no finding of the truth has a side"
    absent = metric.endswith(UNCERTAIN_AS[0])
    return why_undefined(counts[0 if absent else 1], label, metric.removesuffix(UNCERTAIN_AS[0]) if absent else metric)
