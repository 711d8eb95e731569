"""Label by label: support, threshold, proportions at it, and how far the probabilities can be relied on.

Shapes: N rows of a head's table, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medley.evaluation import classification as c
from medley.evaluation.findings.reasons import Metrics
from medley.evaluation.fitted.usable import Fits
from medley.evaluation.predictions.arrays import Table
from medley.evaluation.scorecard.card import LabelScores, Reliability
from medley.evaluation.statistics import Metric, wilson


def label_scores(table: Table, fits: Fits | None, measured: Metrics) -> dict[str, LabelScores]:
    """Every label of one head: its support and what was measured of it; with `fits` also what rests on them."""
    positives_L, negatives_L, unknown_L = c.support(table.labels_NL)
    scored: dict[str, LabelScores] = {}
    for i, label in enumerate(table.names):
        metrics = {metric: value for (name, metric), value in measured.items() if name == label}
        bins: dict[str, Reliability] = {}
        threshold = np.nan
        if fits is not None:
            threshold = fits.thresholds_L[i]
            metrics |= proportions(
                table.labels_NL[:, i], table.scores_NL[:, i], threshold, fits.no_threshold.get(label)
            )
            for name, scores_N in (("raw", table.scores_NL[:, i]), ("calibrated", fits.calibrated_NL[:, i])):
                if positives_L[i] + negatives_L[i] and np.isfinite(scores_N).all():
                    bins[name] = Reliability(*c.reliability(table.labels_NL[:, i], scores_N))
        scored[label] = LabelScores(
            positives=int(positives_L[i]),
            negatives=int(negatives_L[i]),
            unknown=int(unknown_L[i]),
            threshold=None if np.isnan(threshold) else float(threshold),
            metrics=metrics,
            reliability=bins,
        )
    return scored


def proportions(labels_N: np.ndarray, scores_N: np.ndarray, threshold: float, why: str | None) -> dict[str, Metric]:
    """Precision, recall, specificity and accuracy of one label at its threshold, with Wilson intervals."""
    names = ("precision", "recall", "specificity", "accuracy")
    if why is not None:
        return {name: Metric(None, error=why) for name in names}
    counts = c.confusion(labels_N[:, None], scores_N[:, None], np.array([threshold]))
    tp, fp, fn, tn = (int(cell[0]) for cell in (counts.tp, counts.fp, counts.fn, counts.tn))
    parts = ((tp, tp + fp, "no case is called"), (tp, tp + fn, "no positive case"), (tn, tn + fp, "no negative case"))
    return {
        name: wilson(k, n) if n else Metric(None, error=empty)
        for name, (k, n, empty) in zip(names, (*parts, (tp + tn, tp + fp + fn + tn, "no case")), strict=True)
    }


def references(table: Table, fits: Fits, columns: Sequence[int], measured: Metrics, seed: int) -> Metrics:
    """What ece would be if these scores were true probabilities, label by label and in the mean over `columns`.

    A reference, not an estimate, so it has no interval.
    """
    found: Metrics = {}
    for metric, scores_NL in (("ece", table.scores_NL), ("ece_calibrated", fits.calibrated_NL)):
        of = f"{metric}_if_calibrated"
        for i, name in enumerate(table.names):
            found[name, of] = mean_reference(table, scores_NL, [i], measured[name, metric], seed)
        ece, averaged = measured[None, metric], [table.names[i] for i in fits.columns(metric, columns)]
        values = np.array([found[name, of].value for name in averaged], float)
        found[None, of] = replace(ece, ci95=None) if ece.value is None else Metric(float(values.mean()), None, ece.n)
    return found


def mean_reference(table: Table, scores_NL: np.ndarray, columns: Sequence[int], ece: Metric, seed: int) -> Metric:
    """The mean over `columns` of what `ece` would be; null where `ece` is, for the same reason."""
    if ece.value is None:
        return Metric(None, None, ece.n, ece.error)
    values = [c.ece_if_calibrated(table.labels_NL[:, i], scores_NL[:, i], seed, table.names[i]) for i in columns]
    return Metric(float(np.mean(values)), None, ece.n)
