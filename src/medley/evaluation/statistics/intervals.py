"""Intervals: what a number may still be, given that other patients could have been in the test part.

Patients are resampled, never studies: two films of one patient are not two independent cases. Every statistic is a
function of case weights (how often each case stands in the resample), so that all metrics of all heads see the same
resamples and their differences are paired.

Shapes: N cases, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.seeds import generator

Z95 = 1.959963984540054  # 97.5 % quantile of the normal distribution
DEFINED_SHARE = 0.95  # an interval needs the metric to be defined in this share of the resamples
NO_RESAMPLES = "no interval: no resamples were asked for"
WEIGHTS_IN_MEMORY = 2**25  # resamples are drawn in chunks of about this many weights (256 MB)


@dataclass(frozen=True)
class Metric:
    """A value with its 95 % interval and the number of cases under it.

    What could not be computed is None, and `error` says why. A value may stand without an interval.
    """

    value: float | None
    ci95: tuple[float, float] | None = None
    n: int = 0
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The metric as `scorecard.json` holds it."""
        return {**asdict(self), "ci95": None if self.ci95 is None else list(self.ci95)}


def wilson(successes: float, n: int) -> Metric:
    """A proportion with its Wilson score interval (Wilson 1927). n = 0 gives null with the reason.

    It counts cases, not patients: where patients have many studies each it is narrower than it should be.
    """
    if n == 0:
        return Metric(None, error="no case to divide by")
    p, z2 = successes / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n**2)) / (1 + z2 / n)
    return Metric(p, (max(0.0, centre - half), min(1.0, centre + half)), n)


def patient_weights(patient_ids: Sequence[str], resamples: range, seed: int) -> np.ndarray:
    """Case weights [N, R]: how often each case's patient was drawn. Resample r is the same in any chunk or process."""
    return _weights(*number_patients(patient_ids), resamples, seed)


def number_patients(patient_ids: Sequence[str]) -> tuple[np.ndarray, int]:
    """(number of each case's patient [N], how many patients). Raises MedleyError where there is no case."""
    if not len(patient_ids):
        raise MedleyError("there are no cases to draw patients from")
    names, patient_N = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    return patient_N, len(names)


def _weights(patient_N: np.ndarray, patients: int, resamples: range, seed: int) -> np.ndarray:
    drawn_RP = np.empty((len(resamples), patients))
    for row, resample in enumerate(resamples):
        drawn = generator(seed, "patient bootstrap", resample).integers(patients, size=patients)
        drawn_RP[row] = np.bincount(drawn, minlength=patients)
    return drawn_RP.T[patient_N]


def bootstrap(
    statistics: Callable[[np.ndarray], Mapping[Any, np.ndarray]],
    patient_ids: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> dict[Any, np.ndarray]:
    """Every statistic on `resamples` resamples of the patients: name -> values [..., R], nan where undefined.

    `statistics` is any function from case weights [N, r] to name -> values [..., r], such as sums over cases of what
    each brings, times its weight. It is called on a chunk of the resamples at a time. Raises MedleyError for no
    resamples and for no cases.
    """
    if resamples < 1:
        raise MedleyError(f"bootstrap: resamples is {resamples}; it must be at least 1")
    patient_N, patients = number_patients(patient_ids)
    chunk = max(1, WEIGHTS_IN_MEMORY // len(patient_N))
    parts = [
        statistics(_weights(patient_N, patients, range(start, min(start + chunk, resamples)), seed))
        for start in range(0, resamples, chunk)
    ]
    return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[0]}


def with_interval(value: float, samples_R: np.ndarray, *, n: int, n_patients: int, centred: bool = False) -> Metric:
    """A metric with the percentile interval of its resamples; without one, and the reason, where there can be none.

    `centred` moves the interval so that the median resample lies on the value, cut at 0: for statistics such as ECE
    that grow with the noise of resampling, whose plain percentiles may miss the value itself.
    """
    if n_patients < 2:
        return Metric(value, None, n, "no interval: one patient only")
    defined = samples_R[np.isfinite(samples_R)]
    if len(defined) < DEFINED_SHARE * len(samples_R):
        share = f"{len(defined)} of {len(samples_R)} resamples"
        return Metric(value, None, n, f"no interval: too few cases, the metric is defined in {share} only")
    bounds = np.percentile(defined, (2.5, 97.5))
    if centred:
        bounds = np.maximum(bounds - np.median(defined) + value, 0)
    return Metric(value, (float(bounds[0]), float(bounds[1])), n)
