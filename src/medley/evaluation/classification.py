"""Metrics of multi-label classification at thresholds and as probabilities, from arrays; `ranking` has those by order.

Labels are 1, 0 or nan (not known: the case is left out of that label). Every function takes optional case weights
[N, R], a column a resample, such as `statistics.patient_weights` draws, and gives R values, or [L, R] for several
labels; without weights, or with [N], it gives one number a label. What is undefined is nan here; the scorecard turns
it into null with its reason.

Shapes: N cases, L labels, K cases of known label, G groups of equal score, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.counts import counted
from medley.core.labels import NO_FINDING
from medley.core.seeds import generator
from medley.evaluation.ranking import Ranking, check, rank, ratio

MIN_SUPPORT = 10  # positives and negatives that a label needs to stand in a macro average
ECE_BINS = 15
CALIBRATED_DRAWS = 100


@dataclass(frozen=True)
class Confusion:
    """True and false positives and negatives, each [L] or [L, R]."""

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    tn: np.ndarray

    def f1(self) -> np.ndarray:
        """2 tp / (2 tp + fp + fn); nan without a positive, where it would be 0 for the best of systems too."""
        return np.where(self.tp + self.fn > 0, ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn), np.nan)

    def precision(self) -> np.ndarray:
        """tp / (tp + fp); nan where no case is called."""
        return ratio(self.tp, self.tp + self.fp)

    def recall(self) -> np.ndarray:
        """tp / (tp + fn), also called sensitivity; nan without a positive."""
        return ratio(self.tp, self.tp + self.fn)

    def specificity(self) -> np.ndarray:
        """tn / (tn + fp); nan without a negative."""
        return ratio(self.tn, self.tn + self.fp)

    def accuracy(self) -> np.ndarray:
        """(tp + tn) / all; nan without a case. Where a finding is rare, calling nothing has a high one."""
        return ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    def mcc(self) -> np.ndarray:
        """Matthews' correlation of call and truth (1975); nan where either has one class only."""
        sides = (self.tp + self.fp, self.tp + self.fn, self.tn + self.fp, self.tn + self.fn)
        return ratio(self.tp * self.tn - self.fp * self.fn, np.sqrt(np.prod(sides, axis=0)))

    def pooled(self, columns: Sequence[int]) -> Confusion:
        """The counts of these labels together."""
        return Confusion(*(cell[list(columns)].sum(0) for cell in (self.tp, self.fp, self.fn, self.tn)))


def confusion(
    labels_NL: np.ndarray, scores_NL: np.ndarray, thresholds_L: np.ndarray, weights: np.ndarray | None = None
) -> Confusion:
    """Counts at the thresholds; a finding is called where score >= threshold. A nan threshold gives nan counts.

    Thresholds are [L], or [N, L] where cases have thresholds of their own (those of two systems, say).
    """
    labels_NL, scores_NL = check(labels_NL, scores_NL)
    thresholds_NL = np.broadcast_to(np.asarray(thresholds_L, float), labels_NL.shape)
    called, positive, negative = scores_NL >= thresholds_NL, labels_NL == 1, labels_NL == 0
    cells = (called & positive, called & negative, ~called & positive, ~called & negative)
    weights = np.ones(len(labels_NL)) if weights is None else np.asarray(weights, float)
    counts = [cell.T.astype(float) @ weights for cell in cells]
    unset_L = np.isnan(thresholds_NL).any(axis=0)
    for count in counts:
        count[unset_L] = np.nan
    return Confusion(*counts)


def brier(labels_NL: np.ndarray, scores_NL: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean squared distance of probability and outcome for each label, [L] or [L, R] (Brier 1950)."""
    labels_NL, scores_NL = check(labels_NL, scores_NL)
    weights = np.ones(len(labels_NL)) if weights is None else np.asarray(weights, float)
    known = ~np.isnan(labels_NL)
    errors = np.where(known, (scores_NL - np.where(known, labels_NL, 0)) ** 2, 0.0)
    return ratio(errors.T @ weights, known.T.astype(float) @ weights)


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
    from scipy.sparse import csr_array

    weights = np.asarray(weights, float)
    gaps_K, known_K = ranking.scores_K - ranking.positive_K, np.ones(len(ranking.cases_K))
    # the sorted cases of a bin stand together: a row a bin adds up the weighted gaps, one more row the weights
    ends_B = np.cumsum(np.bincount(equal_mass_bins(ranking), minlength=ECE_BINS))
    rows = np.r_[0, ends_B, ends_B[-1] + len(known_K)]
    adder = csr_array((np.r_[gaps_K, known_K], np.tile(ranking.cases_K, 2), rows), shape=(ECE_BINS + 1, len(weights)))
    sums = adder @ weights
    return ratio(np.abs(sums[:-1]).sum(0), sums[-1])


def ece_if_calibrated(labels_N: np.ndarray, scores_N: np.ndarray, *key: object) -> float:
    """The ECE that these scores would show if they were true probabilities: outcomes drawn from them, mean of draws."""
    ranking = rank(labels_N, scores_N)
    if not len(ranking.cases_K):
        return float("nan")
    starts_B = np.flatnonzero(np.diff(equal_mass_bins(ranking), prepend=-1))  # of the bins that hold a case
    rng, total = generator("ece if calibrated", *key), 0.0
    for _ in range(CALIBRATED_DRAWS):
        gaps_K = ranking.scores_K - (rng.random(len(ranking.scores_K)) < ranking.scores_K)
        total += np.abs(np.add.reduceat(gaps_K, starts_B)).sum() / len(gaps_K)
    return total / CALIBRATED_DRAWS


def reliability(labels_N: np.ndarray, scores_N: np.ndarray) -> tuple[tuple, tuple, tuple]:
    """(mean score, share of positives, cases) of each bin of `ece` that holds a case, by rising score."""
    ranking = rank(labels_N, scores_N)
    bin_K = equal_mass_bins(ranking)
    cases_B = np.bincount(bin_K, minlength=ECE_BINS)
    held = cases_B > 0
    said, happened = (
        np.bincount(bin_K, of, ECE_BINS)[held] / cases_B[held] for of in (ranking.scores_K, ranking.positive_K)
    )
    return tuple(said.tolist()), tuple(happened.tolist()), tuple(cases_B[held].tolist())


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
            left_out[name] = f"{counted(positives[column], 'positive')}, {counted(negatives[column], 'negative')}"
    return columns, left_out
