"""DeLong's variance of AUROC and of the difference of two AUROCs on the same cases, without resampling.

AUROC is a mean over pairs of a positive and a negative; each case's own part in it (its "placement": the share of the
other class that it stands on the right side of) has a spread, and that gives the variance (DeLong et al. 1988). With
midranks all placements come from three sorts (Sun and Xu 2014). DeLong takes cases to be independent. Where patients
have several, give `patient_ids`: placements are summed by patient first (Obuchowski 1997), which is the same where
each patient has one case.

Shapes: N cases, M positives, K negatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.evaluation.ranking import check
from medley.evaluation.statistics.intervals import Z95, Metric, number_patients

NO_SPREAD = 1e-12  # placements are multiples of half a case's share, so nearer than this they are equal


@dataclass(frozen=True)
class DeLongTest:
    """First AUROC minus second, with its 95 % interval and two-sided p; what has none is None, and `error` says why."""

    value: float | None
    ci95: tuple[float, float] | None
    p: float | None
    n: int
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The test as plain JSON values."""
        return {**asdict(self), "ci95": None if self.ci95 is None else list(self.ci95)}


def delong(labels_N: np.ndarray, scores_N: np.ndarray, patient_ids: Sequence[str] | None = None) -> Metric:
    """AUROC with DeLong's 95 % interval (normal, cut at 0 and 1); labels are 1, 0 and nan (left out).

    Raises MedleyError for other labels, scores that are not finite, or arrays of other lengths.
    """
    placed = _Placements.of(labels_N, [scores_N], patient_ids)
    if placed.why_undefined:
        return Metric(None, None, placed.n, placed.why_undefined)
    value, variance, why = placed.value_and_variance((1.0,))
    if why is None and variance == 0:
        why = "every placement is the same"
    if why is not None:
        return Metric(value, None, placed.n, f"no interval: {why}")
    half = Z95 * math.sqrt(variance)
    return Metric(value, (max(0.0, value - half), min(1.0, value + half)), placed.n)


def delong_test(
    labels_N: np.ndarray, first_N: np.ndarray, second_N: np.ndarray, patient_ids: Sequence[str] | None = None
) -> DeLongTest:
    """Whether the AUROCs of two systems on the same cases differ; arguments and errors as of `delong`.

    Two systems that order every pair alike have difference 0 and p = 1.
    """
    placed = _Placements.of(labels_N, [first_N, second_N], patient_ids)
    if placed.why_undefined:
        return DeLongTest(None, None, None, placed.n, placed.why_undefined)
    value, variance, why = placed.value_and_variance((1.0, -1.0))
    if why is None and variance == 0 and value != 0:
        why = "the difference is the same for every case, so it has no spread"
    if why is not None:
        return DeLongTest(value, None, None, placed.n, f"no interval and no p: {why}")
    half = Z95 * math.sqrt(variance)
    p = math.erfc(abs(value) / math.sqrt(2 * variance)) if variance else 1.0
    return DeLongTest(value, (value - half, value + half), p, placed.n)


@dataclass(frozen=True)
class _Placements:
    """Of each system, the share of negatives below each positive and of positives above each negative, ties half."""

    above_SM: np.ndarray
    below_SK: np.ndarray
    patient_M: np.ndarray
    patient_K: np.ndarray

    @property
    def n(self) -> int:
        return len(self.patient_M) + len(self.patient_K)

    @property
    def why_undefined(self) -> str | None:
        if not self.n:
            return "no case with a known label"
        return None if len(self.patient_M) and len(self.patient_K) else "one class only"

    @classmethod
    def of(cls, labels_N: np.ndarray, scores: Sequence[np.ndarray], patient_ids: Sequence[str] | None) -> _Placements:
        from scipy.stats import rankdata

        labels_N = np.asarray(labels_N, float)
        if patient_ids is not None and len(patient_ids) != len(labels_N):
            raise MedleyError(f"DeLong: {len(patient_ids)} patient ids for {len(labels_N)} cases; each case needs one")
        patient_N = np.arange(len(labels_N)) if patient_ids is None else number_patients(patient_ids)[0]
        scores_SN = np.stack([check(labels_N, scores_N)[1] for scores_N in scores])
        positive, negative = labels_N == 1, labels_N == 0
        m, k = int(positive.sum()), int(negative.sum())
        among_all = np.full(scores_SN.shape, np.nan)
        known = positive | negative
        among_all[:, known] = rankdata(scores_SN[:, known], axis=1)
        above = (among_all[:, positive] - rankdata(scores_SN[:, positive], axis=1)) / max(1, k)
        below = 1 - (among_all[:, negative] - rankdata(scores_SN[:, negative], axis=1)) / max(1, m)
        return cls(above, below, patient_N[positive], patient_N[negative])

    def value_and_variance(self, factors: tuple[float, ...]) -> tuple[float, float, str | None]:
        """Value and variance of the weighted sum of the systems' AUROCs, or why there is no variance."""
        above_M, below_K = np.array(factors) @ self.above_SM, np.array(factors) @ self.below_SK
        value, m, k = float(above_M.mean()), len(above_M), len(below_K)
        patients = 1 + int(max(self.patient_M.max(), self.patient_K.max()))
        off_M, off_K = (np.where(np.abs(off) < NO_SPREAD, 0, off) for off in (above_M - value, below_K - value))
        in_P, in_other_P = (
            np.bincount(ids, off, patients) for ids, off in ((self.patient_M, off_M), (self.patient_K, off_K))
        )
        with_positives, with_negatives = len(set(self.patient_M)), len(set(self.patient_K))
        everyone = len({*self.patient_M, *self.patient_K})
        if min(with_positives, with_negatives) < 2:
            return value, math.nan, "the variance needs two patients with a positive and two with a negative case"
        variance = (
            with_positives / (with_positives - 1) * (in_P**2).sum() / m**2
            + with_negatives / (with_negatives - 1) * (in_other_P**2).sum() / k**2
            + 2 * everyone / (everyone - 1) * (in_P * in_other_P).sum() / (m * k)
        )
        if variance < 0:
            return value, math.nan, "the patients are too few for their variance (it came out negative)"
        return value, float(variance), None
