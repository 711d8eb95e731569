"""Metrics of multi-label classification, from arrays. One sort serves every threshold, every tie and every resample.

Labels are 1, 0 or nan (not known: the case is left out of that label). Every function takes optional case weights
[..., N], such as the rows that `statistics.patient_weights` draws, and gives one value for each of their rows; without
weights it gives one number. What is undefined is nan here; the scorecard turns it into null with its reason.

Shapes: N cases, L labels, K cases of known label, G groups of equal score, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.errors import MedleyError
from medley.core.labels import NO_FINDING
from medley.core.seeds import generator

MIN_SUPPORT = 10  # positives and negatives that a label needs to stand in a macro average
ECE_BINS = 15
CALIBRATED_DRAWS = 100


@dataclass(frozen=True)
class Ranking:
    """The cases of known label by rising score, cut where the score changes, so that ties stay together."""

    cases_K: np.ndarray  # index of the case (its column in the weights)
    positive_K: np.ndarray  # 1.0 or 0.0
    scores_K: np.ndarray
    starts_G: np.ndarray  # where each group of equal scores begins

    def masses(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Weight of positives and of negatives in each group: two arrays [..., G]."""
        if not len(self.cases_K):
            nothing = np.zeros(1 if weights is None else (*weights.shape[:-1], 1))
            return nothing, nothing
        weights_K = np.ones(len(self.cases_K)) if weights is None else np.asarray(weights, float)[..., self.cases_K]
        positives = np.add.reduceat(weights_K * self.positive_K, self.starts_G, axis=-1)
        return positives, np.add.reduceat(weights_K, self.starts_G, axis=-1) - positives


def rank(labels: np.ndarray, scores: np.ndarray, cases: np.ndarray | None = None) -> Ranking:
    """Sort one label's cases once. Arrays of more than one axis (several labels) are pooled: `micro`.

    `cases` gives the case of each row, where rows are not cases (images of a study). Raises MedleyError for labels
    other than 0, 1, nan and for scores that are not finite.
    """
    labels, scores = check(labels, scores)
    if cases is None:
        cases = np.arange(len(labels))
    cases = np.broadcast_to(cases.reshape(-1, *[1] * (labels.ndim - 1)), labels.shape)
    known = ~np.isnan(labels)
    order = np.argsort(scores[known], kind="stable")
    sorted_K = scores[known][order]
    starts_G = np.flatnonzero(np.r_[True, sorted_K[1:] != sorted_K[:-1]]) if len(sorted_K) else np.zeros(0, int)
    return Ranking(cases[known][order], labels[known][order], sorted_K, starts_G)


def check(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as float arrays of one shape; MedleyError for other labels than 0, 1, nan and for scores not finite."""
    labels, scores = np.asarray(labels, float), np.asarray(scores, float)
    if labels.shape != scores.shape:
        raise MedleyError(f"labels of shape {labels.shape} do not fit scores of shape {scores.shape}")
    if (wrong := ~(np.isnan(labels) | (labels == 0) | (labels == 1))).any():
        raise MedleyError(f"a label is {labels[wrong][0]:g}; a label must be 0, 1 or nan (not known)")
    if not np.isfinite(scores).all():
        raise MedleyError(f"a score is {scores[~np.isfinite(scores)][0]}; a score must be a finite number")
    return labels, scores


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, nan where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=np.asarray(below) != 0)


def auroc(labels_N: np.ndarray, scores_N: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
    return auroc_of(rank(labels_N, scores_N), weights)


def auroc_of(ranking: Ranking, weights: np.ndarray | None = None) -> np.ndarray:
    """AUROC of cases that are sorted already; nan without a positive or without a negative."""
    positives, negatives = ranking.masses(weights)
    below = np.cumsum(negatives, axis=-1) - negatives / 2
    return _ratio((positives * below).sum(-1), positives.sum(-1) * negatives.sum(-1))


def average_precision(labels_N: np.ndarray, scores_N: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision: the sum of precision times gained recall over the thresholds, without interpolation."""
    return average_precision_of(rank(labels_N, scores_N), weights)


def average_precision_of(ranking: Ranking, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision of cases that are sorted already; nan without a positive."""
    positives, negatives = ranking.masses(weights)
    called = np.cumsum((positives + negatives)[..., ::-1], axis=-1)
    true = np.cumsum(positives[..., ::-1], axis=-1)
    precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
    return _ratio((positives[..., ::-1] * precision).sum(-1), positives.sum(-1))


def curves(ranking: Ranking) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(false positive rate, recall, precision, threshold), one point for each distinct score from the highest down."""
    positives, negatives = ranking.masses()
    true, false = np.cumsum(positives[::-1]), np.cumsum(negatives[::-1])
    thresholds = ranking.scores_K[ranking.starts_G][::-1]
    rate, recall = _ratio(false, np.full_like(false, false[-1])), _ratio(true, np.full_like(true, true[-1]))
    return rate, recall, _ratio(true, true + false), thresholds


@dataclass(frozen=True)
class Confusion:
    """True and false positives and negatives, each [..., L]."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray

    def f1(self) -> np.ndarray:
        """2 tp / (2 tp + fp + fn); nan without a positive, where it would be 0 for the best of systems too."""
        return np.where(self.tp + self.fn > 0, _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn), np.nan)

    def pooled(self, columns: Sequence[int]) -> Confusion:
        """The counts of these labels together."""
        return Confusion(*(cell[..., list(columns)].sum(-1) for cell in (self.tp, self.fp, self.fn, self.tn)))


def confusion(
    labels_NL: np.ndarray, scores_NL: np.ndarray, thresholds_L: np.ndarray, weights: np.ndarray | None = None
) -> Confusion:
    """Counts at the thresholds; a finding is called where score >= threshold. A nan threshold gives nan counts."""
    labels_NL, scores_NL = check(labels_NL, scores_NL)
    weights = np.ones(len(labels_NL)) if weights is None else np.asarray(weights, float)
    unset_L = np.where(np.isnan(thresholds_L), np.nan, 0.0)
    called, positive, negative = scores_NL >= thresholds_L, labels_NL == 1, labels_NL == 0
    cells = (called & positive, called & negative, ~called & positive, ~called & negative)
    return Confusion(*(weights @ cell.astype(float) + unset_L for cell in cells))


def brier(labels_NL: np.ndarray, scores_NL: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean squared distance of probability and outcome for each label, [..., L] (Brier 1950)."""
    labels_NL, scores_NL = check(labels_NL, scores_NL)
    weights = np.ones(len(labels_NL)) if weights is None else np.asarray(weights, float)
    known = ~np.isnan(labels_NL)
    errors = np.where(known, (scores_NL - np.where(known, labels_NL, 0)) ** 2, 0.0)
    return _ratio(weights @ errors, weights @ known.astype(float))


def equal_mass_bins(ranking: Ranking, bins: int = ECE_BINS) -> np.ndarray:
    """Bin of each sorted case [K]: as many cases in each bin as ties allow; equal scores share a bin."""
    ends_G = np.r_[ranking.starts_G[1:], len(ranking.cases_K)]
    middle_G = (ranking.starts_G + ends_G) / 2
    bin_G = (bins * middle_G / max(1, len(ranking.cases_K))).astype(int)
    return np.repeat(bin_G, ends_G - ranking.starts_G)


def ece(labels_N: np.ndarray, scores_N: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Expected calibration error over 15 equal-mass bins: the mean gap between score and outcome in a bin.

    Bins come from the scores of all cases and stay the same under weights. It is never 0 for a finite sample, not even
    of a perfect model: read it beside `ece_if_calibrated`.
    """
    return ece_of(rank(labels_N, scores_N), np.ones(len(np.asarray(scores_N))) if weights is None else weights)


def ece_of(ranking: Ranking, weights: np.ndarray) -> np.ndarray:
    """ECE of cases that are sorted already; nan without a case."""
    weights = np.asarray(weights, float)
    gaps_NB = np.zeros((weights.shape[-1], ECE_BINS))
    gaps_NB[ranking.cases_K, equal_mass_bins(ranking)] = ranking.scores_K - ranking.positive_K
    return _ratio(np.abs(weights @ gaps_NB).sum(-1), weights[..., ranking.cases_K].sum(-1))


def ece_if_calibrated(labels_N: np.ndarray, scores_N: np.ndarray, *key: object) -> float:
    """The ECE that these scores would show if they were true probabilities: outcomes drawn from them, mean of draws."""
    ranking = rank(labels_N, scores_N)
    if not len(ranking.cases_K):
        return float("nan")
    bin_K, rng, total = equal_mass_bins(ranking), generator("ece if calibrated", *key), 0.0
    for _ in range(CALIBRATED_DRAWS):
        gaps_K = ranking.scores_K - (rng.random(len(bin_K)) < ranking.scores_K)
        total += np.abs(np.bincount(bin_K, gaps_K, ECE_BINS)).sum() / len(bin_K)
    return total / CALIBRATED_DRAWS


def support(labels_NL: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(positives, negatives, not known) of each label, three integer arrays [L]."""
    labels_NL = np.asarray(labels_NL, float)
    return (labels_NL == 1).sum(0), (labels_NL == 0).sum(0), np.isnan(labels_NL).sum(0)


def macro_labels(labels_NL: np.ndarray, names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
    """The columns that stand in macro and micro averages, and the labels left out with the reason.

    A label needs 10 positives and 10 negatives. No Finding is not a finding: it is left out without being named.
    """
    positives, negatives, _ = support(labels_NL)
    columns, left_out = [], {}
    for column, name in enumerate(names):
        if name == NO_FINDING:
            continue
        if min(positives[column], negatives[column]) >= MIN_SUPPORT:
            columns.append(column)
        else:
            left_out[name] = f"{positives[column]} positives, {negatives[column]} negatives"
    return columns, left_out
