"""What a report scorecard asks of its clinical part, whatever the reports are of: chest films or brains.

Shapes: M reports, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from medley.evaluation.statistics import Metric

TABLE, TEXT = "table", "reference text"  # where the truth comes from, in a protocol
OURS = "medley"  # how a protocol calls our own reading of texts

Key = tuple[str, str | None, str]  # head that the label stands under; label, or None for an average; metric
Weighted = Callable[[np.ndarray], dict[Key, np.ndarray]]  # weights of the reports [M, R] -> values [R], nan: undefined


@dataclass(frozen=True)
class LabelSupport:
    """One label: positive references, how often the hypotheses say it, reports where it is known, its metrics."""

    positives: int
    said: int
    known: int
    metrics: Mapping[str, Metric]

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "metrics": {name: metric.as_json() for name, metric in self.metrics.items()}}


@dataclass(frozen=True)
class Measured:
    """The metrics of one system, its labels one by one, and the labels that stand in no macro average."""

    metrics: Mapping[str, Metric]
    per_label: Mapping[str, Mapping[str, LabelSupport]]  # head -> label -> support, metrics
    left_out: Mapping[str, str]  # label -> why


class Facts(Protocol):
    """What the M reports of one system say, and what is true of their studies, read once."""

    @property
    def case_ids(self) -> tuple[str, ...]: ...

    @property
    def definitions(self) -> dict[str, str]:
        """For the protocol: `clinical`, the words of the definitions; `truth`, `labeler`, and what else must agree."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader must know of these reports before quoting a number."""
        ...

    @property
    def needs_reference(self) -> bool:
        """Whether a study without a reference text is in no metric."""
        ...

    def statistics(self) -> Weighted:
        """Every metric as a function of the reports' weights."""
        ...

    def pooled(self, other: Self) -> Weighted:
        """Every metric of two systems on the same reports as a function of weights [2M, R]; MedleyError where they are
        not of the same reports with the same truth."""
        ...

    def measured(self, *, resamples: int, seed: int) -> Measured:
        """Every metric with its interval, or null with the reason; `resamples` 0 for none by resampling."""
        ...

    def by_report(self) -> dict[str, np.ndarray]:
        """The metrics that are means over reports, report by report [M]; nan where a report has none."""
        ...
