"""A linear probe: logistic regression on standardised features, cross-validated by patient, its AUROC with an interval.

What such a probe can tell, a network can; what it cannot, a network may.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.seeds import generator

FEW = 10  # films or studies of either class, below which nothing is asked
FOLDS = 5  # and patients of either
_RESAMPLES = 200


@dataclass(frozen=True)
class Auroc:
    """An area under the curve and its 95 % interval over patients."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def probe(features: np.ndarray, positive: np.ndarray, patients: Sequence[str], seed: int) -> Auroc | None:
    """Features [N, F], bool [N] -> how well they tell the positives of patients that were not fitted on.

    None where either class has fewer than FEW rows, or patients than FOLDS.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    groups = np.unique(np.asarray(patients), return_inverse=True)[1]
    if min(positive.sum(), (~positive).sum()) < FEW:
        return None
    if min(len(np.unique(groups[positive])), len(np.unique(groups[~positive]))) < FOLDS:
        return None
    scores = np.zeros(len(positive))
    for train, test in StratifiedGroupKFold(FOLDS).split(features, positive, groups):
        if len(np.unique(positive[train])) < 2:
            return None
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a probe need not be at its optimum
            scores[test] = model.fit(features[train], positive[train]).decision_function(features[test])
    return _with_interval(positive, scores, groups, seed)


def weights(features: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The same regression fitted on all rows: its coefficients [F], of standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    fitted = LogisticRegression(C=0.1, max_iter=500).fit(StandardScaler().fit_transform(features), positive)
    return np.asarray(fitted.coef_[0])


def _with_interval(positive: np.ndarray, scores: np.ndarray, groups: np.ndarray, seed: int) -> Auroc:
    """Resamples of patients, each with all its rows."""
    rng = generator("check-data interval", seed, len(groups))
    rows_of = [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    values = []
    for _ in range(_RESAMPLES):
        rows = np.concatenate([rows_of[group] for group in rng.integers(len(rows_of), size=len(rows_of))])
        if 0 < positive[rows].sum() < len(rows):
            values.append(auroc(positive[rows], scores[rows]))
    low, high = np.quantile(values, (0.025, 0.975))
    return Auroc(round(auroc(positive, scores), 4), round(float(low), 4), round(float(high), 4))


def auroc(positive: np.ndarray, scores: np.ndarray) -> float:
    """By ranks, ties counted half."""
    from scipy.stats import rankdata

    count = int(positive.sum())
    ranks = rankdata(scores)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(positive) - count)))
