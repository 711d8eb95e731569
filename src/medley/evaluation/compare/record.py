"""What a comparison holds, and what a task has to bring to one.

`differences.compare` is the frame: it draws patients, exchanges answers, adjusts, and holds both systems to their
scorecards. A task brings a `Pair`: its metrics of the two systems as functions of case weights, and what is to be known
of each of them.

Shapes: S studies, R resamples or exchanges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from medley.evaluation.compare.systems import System
from medley.evaluation.statistics import DeLongTest, Metric, PermutationTest

Flat = dict["Key", np.ndarray]
Weighted = Callable[[np.ndarray], Flat]  # weights of the studies [S, R] -> values [R]


class Key(NamedTuple):
    """One metric: `group` is a head, a section, or how labels were read; `label` is None for an average."""

    group: str
    label: str | None
    metric: str


class Pair(Protocol):
    """Two systems of one task that are `systems.alike`, A and B."""

    @property
    def headline(self) -> Key:
        """The one test that is named beforehand, and stands alone."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What only one of them has, and so is not compared."""
        ...

    @property
    def stated(self) -> tuple[str, ...]:
        """The keys that a protocol of this task should state."""
        ...

    def functions(self) -> tuple[Weighted, Weighted, Weighted]:
        """The metrics of A [S, R], of B [S, R], and of both pooled, A's studies before B's [2S, R]."""
        ...

    def named(self, key: Key) -> str:
        """An average's name in a scorecard."""
        ...

    def own(self, side: str, key: Key) -> Metric | None:
        """What the scorecard of side `a` or `b` says of it."""
        ...

    def cases(self, key: Key) -> int:
        """How many cases it rests on."""
        ...

    def unlike(self, key: Key) -> str | None:
        """Why the two values are not of one kind; None where they are."""
        ...

    def undefined(self, side: str, key: Key) -> str:
        """Why there is no value here of a metric that the scorecard has."""
        ...

    def delong(self, key: Key) -> DeLongTest | None:
        """DeLong's test, where it is an AUROC of one label."""
        ...

    def family(self, key: Key) -> str:
        """The tests that it is adjusted among, in words that follow `tests of`."""
        ...

    @property
    def spoken(self) -> tuple[str, ...]:
        """The families that a reader is told of first, in their order; the others are in the tables."""
        ...

    def identical(self) -> bool:
        """Whether both gave every case the same answer."""
        ...


@dataclass(frozen=True)
class Difference:
    """One metric: both values, A minus B, and the tests of it. What is null says why."""

    a: float | None
    b: float | None
    difference: Metric
    permutation: PermutationTest | None
    p_holm: float | None  # of the permutation test, adjusted
    delong: DeLongTest | None = None  # AUROC of a label only
    delong_p_holm: float | None = None  # adjusted among the labels of the head

    def as_json(self) -> dict[str, Any]:
        """The difference as plain JSON values."""
        found: dict[str, Any] = {"a": self.a, "b": self.b, "difference": self.difference.as_json()}
        found |= {"permutation": self.permutation and self.permutation.as_json(), "p_holm": self.p_holm}
        if self.delong is not None:
            found |= {"delong": self.delong.as_json(), "delong_p_holm": self.delong_p_holm}
        return found


@dataclass(frozen=True)
class Comparison:
    """All differences of two systems: `averages` by name as in a scorecard, `per_label` by head, label and metric."""

    a: System
    b: System
    headline: str  # of the averages
    averages: Mapping[str, Difference]
    per_label: Mapping[str, Mapping[str, Mapping[str, Difference]]]
    families: Mapping[str, tuple[tuple[Key, Difference], ...]]  # what was adjusted together, as far as it is spoken of
    identical: bool  # both gave every case the same answer
    resamples: int
    permutations: int
    seed: int
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "task": self.a.card.task,
            "a": {"scorecard": str(self.a.path), "provenance": dict(self.a.card.provenance)},
            "b": {"scorecard": str(self.b.path), "provenance": dict(self.b.card.provenance)},
            "protocol": dict(self.a.card.protocol),
            "bootstrap": self.resamples,
            "permutations": self.permutations,
            "seed": self.seed,
            "averages": {name: difference.as_json() for name, difference in self.averages.items()},
            "per_label": {
                head: {
                    label: {metric: difference.as_json() for metric, difference in metrics.items()}
                    for label, metrics in labels.items()
                }
                for head, labels in self.per_label.items()
            },
            "warnings": list(self.warnings),
        }
