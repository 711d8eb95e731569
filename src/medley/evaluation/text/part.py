"""A metric in two halves: what each report brings to it, and what the sums of that give.

With the halves apart, a resample of the reports is a weighted sum instead of a second reading of the texts, and its
value is the same. A report whose reference has no token in a metric's own reading brings nothing, and does not count.

Shapes: N reports, K columns, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Part:
    """Some metrics of one reading of the texts."""

    names: tuple[str, ...]
    columns_NK: np.ndarray  # what each report brings; zeros where it does not count
    of_sums: Callable[[np.ndarray], Mapping[str, np.ndarray]]  # weighted sums [K, R] -> name -> values [R]
    scored_N: np.ndarray  # whether a report counts
    why_undefined: Mapping[str, str]  # name -> what it means when the sums of all reports give nan
    by_report: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> scores [N], where it is their mean


def mean_part(scores: Mapping[str, np.ndarray], scored_N: np.ndarray, why_undefined: Mapping[str, str]) -> Part:
    """Metrics that are the mean of a score for each report; scores [N] where it does not count are not looked at."""
    names = tuple(scores)
    columns_NK = np.stack([*(np.where(scored_N, scores[name], 0.0) for name in names), scored_N.astype(float)], axis=1)

    def means(sums_KR: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, ratio(sums_KR[:-1], sums_KR[-1]), strict=True))

    by_report = {name: np.where(scored_N, scores[name], np.nan) for name in names}
    return Part(names, columns_NK, means, scored_N, why_undefined, by_report)


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Their quotient, nan where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)
