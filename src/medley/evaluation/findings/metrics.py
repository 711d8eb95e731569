"""The metrics of one head of the findings scorecard as a function of case weights: label by label, and averaged.

Averages are `_macro` (mean over the labels with support), `_micro` (their cases pooled) and `_chexpert5` (mean over the
five of the CheXpert competition); ece and brier are means over the labels with support. A mean is nan where one of its
labels is: never the mean of what happens to be left. What needs a threshold or a calibration averages over the labels
that have one.

Shapes: N rows of the table, S studies, L labels, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from medley.core.labels import CHEXPERT_5
from medley.evaluation import classification as c
from medley.evaluation.fitted.usable import CALIBRATED, CALLED, Fits
from medley.evaluation.predictions.arrays import Table
from medley.evaluation.ranking import areas_of, rank

RANKED = ("auroc", "ap")
PROBABLE = ("ece", "brier")  # averages without a suffix

Values = dict[tuple[str | None, str], np.ndarray]  # (label, or None for an average; metric) -> [R]
Weighted = Callable[[np.ndarray], Values]


def five_of(names: Sequence[str]) -> list[int]:
    """The columns of CheXpert's five; none where one of them is not scored."""
    return [names.index(name) for name in CHEXPERT_5] if set(CHEXPERT_5) <= set(names) else []


def ranked_metrics(table: Table, columns: Sequence[int]) -> Weighted:
    """The function from weights of the studies [S, R] to AUROC and average precision.

    `columns` are the labels that stand in the averages. What does not depend on the weights is done once.
    """
    rankings = [rank(table.labels_NL[:, i], table.scores_NL[:, i]) for i in range(len(table.names))]
    pooled = rank(table.labels_NL[:, columns], table.scores_NL[:, columns])
    five = five_of(table.names)

    def metrics(weights_SR: np.ndarray) -> Values:
        weights_NR = table.weights(weights_SR)
        areas = [areas_of(ranking, weights_NR) for ranking in rankings]
        values: Values = {}
        for k, metric in enumerate(RANKED):
            values_LR = np.stack([area[k] for area in areas])
            values |= _by_label(table, metric, values_LR)
            values[None, f"{metric}_macro"] = _mean(values_LR, columns)
            values[None, f"{metric}_chexpert5"] = _mean(values_LR, five)
        values[None, "auroc_micro"], values[None, "ap_micro"] = areas_of(pooled, weights_NR)
        return values

    return metrics


def fitted_metrics(table: Table, columns: Sequence[int], fits: Fits) -> Weighted:
    """The function from weights of the studies [S, R] to what needs a threshold or takes the scores at their word."""
    five = five_of(table.names)
    raw = _probability_metrics(table.labels_NL, table.scores_NL)
    calibrated = _probability_metrics(table.labels_NL, fits.calibrated_NL)

    def metrics(weights_SR: np.ndarray) -> Values:
        weights_NR = table.weights(weights_SR)
        values: Values = {}
        counts = c.confusion(table.labels_NL, table.scores_NL, fits.thresholds_L, weights_NR)
        called = fits.columns("f1", columns)
        pooled = counts.pooled(called)
        for metric in CALLED:
            values_LR = getattr(counts, metric)()
            values |= _by_label(table, metric, values_LR)
            values[None, f"{metric}_macro"] = _mean(values_LR, called)
            values[None, f"{metric}_micro"] = getattr(pooled, metric)()
            values[None, f"{metric}_chexpert5"] = _mean(values_LR, five)
        named = zip((*PROBABLE, *CALIBRATED), (*raw(weights_NR), *calibrated(weights_NR)), strict=True)
        for metric, values_LR in named:
            values |= _by_label(table, metric, values_LR)
            values[None, metric] = _mean(values_LR, fits.columns(metric, columns))
        return values

    return metrics


def _probability_metrics(
    labels_NL: np.ndarray, scores_NL: np.ndarray
) -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Weights of the rows [N, R] -> (ece, brier), each [L, R]; nan for a column of nan scores."""
    scored = np.flatnonzero(np.isfinite(scores_NL).all(0))
    rankings = [rank(labels_NL[:, i], scores_NL[:, i]) for i in scored]

    def metrics(weights_NR: np.ndarray) -> tuple[np.ndarray, ...]:
        ece_LR, brier_LR = np.full((2, labels_NL.shape[1], weights_NR.shape[1]), np.nan)
        if len(scored):
            ece_LR[scored] = [c.ece_of(ranking, weights_NR) for ranking in rankings]
            brier_LR[scored] = c.brier(labels_NL[:, scored], scores_NL[:, scored], weights_NR)
        return ece_LR, brier_LR

    return metrics


def _by_label(table: Table, metric: str, values_LR: np.ndarray) -> Values:
    return {(name, metric): values_R for name, values_R in zip(table.names, values_LR, strict=True)}


def _mean(values_LR: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """Mean over labels; nan where any of them is, or where there is none."""
    return values_LR[list(columns)].mean(axis=0) if len(columns) else np.full(values_LR.shape[1], np.nan)
