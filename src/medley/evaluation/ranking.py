"""What depends on the order of the scores: AUROC, average precision and their curves, for any weights of the cases.

A label's cases are sorted once, and its order becomes a sparse matrix that adds up the weights of the cases between
one positive and the next. A resample is then a column of weights: no sort, no loop over resamples, and only rows that
hold a positive are summed along. Cases of equal score stay together, whatever their labels.

Weights are [N] or [N, R], a column a resample, and each function gives a number or R of them; without weights every
case counts once. What is undefined is nan here; the scorecard turns it into null with its reason.

Shapes: N cases, K cases of known label, G groups of equal score, S groups that hold a positive ("steps"), R resamples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from medley.core.errors import MedleyError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

COLUMNS = 1024  # resamples at a time, and at least ROWS steps at a time: what is in hand stays in the cache
ROWS = 64
BLOCKS = 64  # at most so many blocks of steps
NARROW = 16  # columns from which on a loop over rows beats numpy at summing down them


@dataclass(frozen=True)
class Ranking:
    """The cases of known label by rising score, cut where the score changes, so that ties stay together."""

    cases_K: np.ndarray  # index of the case (its row in the weights)
    positive_K: np.ndarray  # 1.0 or 0.0
    scores_K: np.ndarray
    starts_G: np.ndarray  # where each group of equal scores begins

    @cached_property
    def steps(self) -> Steps:
        """The sparse sums of the weights; made once."""
        return _steps(self)


@dataclass(frozen=True)
class Block:
    """Sums over cases, a row a step: a run of the groups that hold a positive, from the highest score down."""

    positives_BN: csr_array  # the positives of the step
    negatives_BN: csr_array  # negatives below the step before and not below this one
    tied_TN: csr_array  # negatives with the very score of a step, for the steps where there are any
    tied_T: np.ndarray  # those steps


@dataclass(frozen=True)
class Steps:
    """The blocks of steps, and the negatives below the last step as one row."""

    blocks: tuple[Block, ...]
    below_1N: csr_array


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


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, nan where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=np.asarray(below) != 0)


def auroc(labels_N: np.ndarray, scores_N: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half."""
    return auroc_of(rank(labels_N, scores_N), weights)


def average_precision(labels_N: np.ndarray, scores_N: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision: the sum of precision times gained recall over the thresholds, without interpolation."""
    return average_precision_of(rank(labels_N, scores_N), weights)


def auroc_of(ranking: Ranking, weights: np.ndarray | None = None) -> np.ndarray:
    """AUROC of cases that are sorted already; nan without a positive or without a negative."""
    return ratio(*pairs_of(ranking, weights))


def average_precision_of(ranking: Ranking, weights: np.ndarray | None = None) -> np.ndarray:
    """Average precision of cases that are sorted already; nan without a positive."""
    return areas_of(ranking, weights)[1]


def areas_of(ranking: Ranking, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(AUROC, average precision) at once, in the time of one of them."""
    won, pairs, precision, positives = _sums(ranking, weights)
    return ratio(won, pairs), ratio(precision, positives)


def pairs_of(ranking: Ranking, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(pairs in which the positive scores above the negative, all pairs); a tie is half a pair won."""
    won, pairs, _, _ = _sums(ranking, weights)
    return won, pairs


def curves(ranking: Ranking) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(false positive rate, recall, precision, threshold), one point for each distinct score from the highest down."""
    called = len(ranking.cases_K) - ranking.starts_G[::-1]
    true = np.cumsum(np.add.reduceat(ranking.positive_K, ranking.starts_G)[::-1])
    positives = ranking.positive_K.sum()
    negatives = len(ranking.positive_K) - positives
    rate, recall = (ratio(hits, np.full(len(hits), of)) for hits, of in ((called - true, negatives), (true, positives)))
    return rate, recall, true / called, ranking.scores_K[ranking.starts_G][::-1]


def _steps(ranking: Ranking) -> Steps:
    sizes_G = np.diff(ranking.starts_G, append=len(ranking.cases_K))
    holds_G = np.add.reduceat(ranking.positive_K, ranking.starts_G) > 0
    # from the highest score down: a case is first called at the step of its own group, or else at the next one
    holds_G, sizes_G = holds_G[::-1], sizes_G[::-1]
    step_K: np.ndarray = np.repeat(np.cumsum(holds_G) - holds_G, sizes_G)
    in_step_K = np.repeat(holds_G, sizes_G)
    cases_K, positive_K = ranking.cases_K[::-1], ranking.positive_K[::-1] == 1
    n_steps, n_cases = int(holds_G.sum()), int(cases_K.max(initial=-1)) + 1
    rows = max(ROWS, -(-n_steps // BLOCKS))
    blocks = []
    for start in range(0, n_steps, rows):
        end = min(start + rows, n_steps)
        here = slice(*np.searchsorted(step_K, (start, end)))
        step, case, positive = step_K[here] - start, cases_K[here], positive_K[here]
        tied = in_step_K[here] & ~positive
        tied_T, tied_row = np.unique(step[tied], return_inverse=True)
        blocks.append(
            Block(
                positives_BN=_adder(step[positive], case[positive], end - start, n_cases),
                negatives_BN=_adder(step[~positive], case[~positive], end - start, n_cases),
                tied_TN=_adder(tied_row, case[tied], len(tied_T), n_cases),
                tied_T=tied_T,
            )
        )
    below = cases_K[step_K == n_steps]
    return Steps(tuple(blocks), _adder(np.zeros(len(below), int), below, 1, n_cases))


def _adder(row_K: np.ndarray, case_K: np.ndarray, rows: int, n_cases: int) -> csr_array:
    """The matrix [rows, n_cases] that adds up the weights of the cases of each row; `row_K` rises."""
    from scipy.sparse import csr_array

    ends = np.searchsorted(row_K, np.arange(rows + 1)).astype(np.int32)
    return csr_array((np.ones(len(case_K)), case_K.astype(np.int32), ends), shape=(rows, n_cases))


def _sums(ranking: Ranking, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(pairs won, pairs, precision summed over the positives, positives), each [R], or one number."""
    n_cases = int(ranking.cases_K.max(initial=-1)) + 1
    weights = np.ones(n_cases) if weights is None else np.asarray(weights, float)
    weights_NR = (weights[:, None] if weights.ndim == 1 else weights)[:n_cases]
    tiles = [
        _tile_sums(ranking.steps, np.ascontiguousarray(weights_NR[:, start : start + COLUMNS]))
        for start in range(0, weights_NR.shape[1], COLUMNS)
    ]
    won, pairs, precision, positives = (np.concatenate(parts) for parts in zip(*tiles, strict=True))
    shape = weights.shape[1:]
    return won.reshape(shape), pairs.reshape(shape), precision.reshape(shape), positives.reshape(shape)


def _tile_sums(steps: Steps, weights_NR: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    resamples = weights_NR.shape[1]
    true_R, false_R, lost_R, precision_R = np.zeros((4, resamples))
    for block in steps.blocks:
        positives_BR = block.positives_BN @ weights_NR
        true_BR = _summed_down(true_R, positives_BR.copy())
        false_BR = _summed_down(false_R, block.negatives_BN @ weights_NR)
        true_R, false_R = true_BR[-1].copy(), false_BR[-1].copy()
        lost_R += _total(positives_BR * false_BR)
        if len(block.tied_T):
            lost_R -= _total(positives_BR[block.tied_T] * (block.tied_TN @ weights_NR)) / 2
        false_BR += true_BR  # now all that is called
        np.maximum(false_BR, np.finfo(float).tiny, out=false_BR)  # none called means none true: 0, not 0 / 0
        true_BR /= false_BR
        true_BR *= positives_BR
        precision_R += _total(true_BR)
    pairs_R = true_R * (false_R + (steps.below_1N @ weights_NR)[0])
    return np.maximum(pairs_R - lost_R, 0), pairs_R, precision_R, true_R  # rounding may leave less than none won


def _summed_down(before_R: np.ndarray, sums_BR: np.ndarray) -> np.ndarray:
    """Cumulative sum over rows, in place, a row at a time; numpy's own goes down each column, slow for long rows."""
    sums_BR[0] += before_R
    if sums_BR.shape[1] < NARROW:
        return np.cumsum(sums_BR, axis=0, out=sums_BR)
    for above, here in pairwise(sums_BR):
        here += above
    return sums_BR


def _total(values_BR: np.ndarray) -> np.ndarray:
    """Sum over rows, one after the other for any number of columns, so that a resample's value has no company in it."""
    return values_BR.sum(axis=0) if values_BR.shape[1] > 1 else np.cumsum(values_BR, axis=0)[-1]
