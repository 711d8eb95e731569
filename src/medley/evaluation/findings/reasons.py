"""From values and their resamples to metrics: each with its interval and its cases, or null with the reason in words.

Shapes: R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medley.core.labels import CHEXPERT_5
from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.findings.metrics import Values
from medley.evaluation.fitted.usable import Fits
from medley.evaluation.predictions.arrays import Table
from medley.evaluation.statistics import NO_RESAMPLES, Metric, with_interval

Metrics = dict[tuple[str | None, str], Metric]  # (label, or None for an average; metric)

_NEED_POSITIVES = ("auroc", "ap", "f1", "recall", "mcc")
_NEED_NEGATIVES = ("auroc", "specificity", "mcc")
_NEED_CALLS = ("precision", "mcc")
_AVERAGES = ("_macro", "_micro", "_chexpert5")


def as_metrics(
    points: Values, samples: Values, table: Table, columns: Sequence[int], fits: Fits, n_patients: int
) -> Metrics:
    """Every metric of one head. `points` are the values on all cases, [1] each, `samples` those of the resamples [R].

    `columns` are the labels of the averages. Without samples there are no intervals.
    """
    measured: Metrics = {}
    for (label, metric), (value,) in points.items():
        n = cases_of(label, metric, table, columns)
        if np.isnan(value):
            measured[label, metric] = Metric(None, None, n, why_undefined(label, metric, table, columns, fits))
        elif not samples:
            measured[label, metric] = Metric(float(value), None, n, NO_RESAMPLES)
        else:  # ece grows with the noise of resampling, hence centred
            samples_R, centred = samples[label, metric], metric.startswith("ece")
            measured[label, metric] = with_interval(
                float(value), samples_R, n=n, n_patients=n_patients, centred=centred
            )
    return measured


def cases_of(label: str | None, metric: str, table: Table, columns: Sequence[int]) -> int:
    """How many rows of the table with a known label the metric rests on."""
    if label is not None:
        columns = [table.names.index(label)]
    elif metric.endswith("_chexpert5"):
        columns = [i for i, name in enumerate(table.names) if name in CHEXPERT_5]
    return int((~np.isnan(table.labels_NL[:, list(columns)])).any(axis=1).sum())


def why_undefined(label: str | None, metric: str, table: Table, columns: Sequence[int], fits: Fits) -> str:
    """The reason in words for a metric that is nan on all cases."""
    if label is not None:
        return _why_not_label(label, metric, table, fits) or "not defined"
    average = next((suffix for suffix in _AVERAGES if metric.endswith(suffix)), "")
    of_label = metric.removesuffix(average)
    if average == "_chexpert5":
        if missing := [name for name in CHEXPERT_5 if name not in table.names]:
            return f"not scored: {', '.join(missing)}"
        averaged: Sequence[str] = CHEXPERT_5
    elif not columns:
        return f"no label has {MIN_SUPPORT} positives and {MIN_SUPPORT} negatives"
    else:  # the labels that have what the metric needs; where none has, each says why
        averaged = [table.names[i] for i in fits.columns(of_label, columns) or columns]
    named: dict[str, list[str]] = {}
    for name in averaged:
        if why := _why_not_label(name, of_label, table, fits):
            named.setdefault(why, []).append(name)
    if len(named) == 1 and list(averaged) == next(iter(named.values())):
        return next(iter(named))  # all of them, for one reason
    return "; ".join(f"{why}: {', '.join(names)}" for why, names in named.items()) or "not defined"


def _why_not_label(label: str, metric: str, table: Table, fits: Fits) -> str | None:
    """Why one label does not have the metric; None where it has."""
    if why := fits.why_not(metric, label):
        return why
    labels_N, scores_N = (of_NL[:, table.names.index(label)] for of_NL in (table.labels_NL, table.scores_NL))
    known_N = ~np.isnan(labels_N)
    if not known_N.any():
        return "no case with a known label"
    if metric in _NEED_POSITIVES and not (labels_N == 1).any():
        return "no positive case"
    if metric in _NEED_NEGATIVES and not (labels_N == 0).any():
        return "no negative case"
    if metric in _NEED_CALLS:
        called_N = scores_N[known_N] >= fits.thresholds_L[table.names.index(label)]
        if not called_N.any():
            return "no case is called"
        if called_N.all() and metric == "mcc":
            return "every case is called"
    return None
