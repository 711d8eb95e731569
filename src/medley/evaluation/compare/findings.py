"""What a comparison is made of where the systems score findings: their heads, with DeLong's test of each AUROC.

Metrics at thresholds take each system's own, as its scorecard holds them. In the exchange, AUROC and average precision
are of ranks within each system, and calls are those at its own thresholds. Calibration errors have no exchange test:
their bins are of one system's scores, and an exchange would mix them. The p are adjusted among the averages of a head,
and among the labels and metrics of a head.

Shapes: S studies, R resamples or exchanges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from medley.evaluation.compare.heads import PairedHead, paired_heads
from medley.evaluation.compare.record import Flat, Key, Weighted
from medley.evaluation.compare.systems import CALIBRATION, System
from medley.evaluation.findings.metrics import Weighted as OfHead
from medley.evaluation.fitted.usable import CALIBRATED
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.statistics import DeLongTest, Metric, delong_test

HEADLINE = Key(FUSED, None, "auroc_macro")
AVERAGES, LABELS = "the averages", "labels and metrics"


def findings_pair(a: System, b: System) -> FindingsPair:
    """Both systems' heads, as far as both have them."""
    heads, warnings = paired_heads(a, b)
    return FindingsPair(a, b, heads, tuple(warnings))


@dataclass(frozen=True)
class FindingsPair:
    """A `record.Pair`. The group of a key is its head."""

    a: System
    b: System
    heads: Mapping[str, PairedHead]
    warnings: tuple[str, ...]
    headline: Key = HEADLINE
    stated: tuple[str, ...] = ("table", "split", "part", "label_policy", "notes", "aggregation")
    spoken: tuple[str, ...] = (AVERAGES, LABELS)

    def functions(self) -> tuple[Weighted, Weighted, Weighted]:
        of_heads = {name: head.metrics() for name, head in self.heads.items()}
        a, b, both = (_merged({name: of[i] for name, of in of_heads.items()}) for i in range(3))
        return a, b, both

    def named(self, key: Key) -> str:
        return self.heads[key.group].named(key.metric)

    def own(self, side: str, key: Key) -> Metric | None:
        head = self.heads[key.group]
        return head.own(head.a if side == "a" else head.b, key.label, key.metric)

    def cases(self, key: Key) -> int:
        return self.heads[key.group].cases(key.label)

    def unlike(self, key: Key) -> str | None:
        return self.heads[key.group].unlike(key.label, key.metric)

    def undefined(self, side: str, key: Key) -> str:
        missing = key.metric in CALIBRATED
        return f"{CALIBRATION} is neither beside its scorecard nor in its run" if missing else "not defined"

    def delong(self, key: Key) -> DeLongTest | None:
        head = self.heads[key.group]
        if key.label is None or key.metric != "auroc" or head.a.fits is None:
            return None
        column = head.a.table.names.index(key.label)
        first, second = (side.table.scores_NL[:, column] for side in (head.a, head.b))
        return delong_test(head.a.table.labels_NL[:, column], first, second, self.a.patient_ids)

    def family(self, key: Key) -> str:
        family = AVERAGES if key.label is None else LABELS
        return family if key.group == FUSED else f"{family} of {key.group}"

    def identical(self) -> bool:
        return all(
            ours.scores == theirs.scores and ours.heads == theirs.heads and ours.images == theirs.images
            for ours, theirs in zip(self.a.predictions, self.b.predictions, strict=True)
        )


def _merged(by_head: Mapping[str, OfHead]) -> Callable[[np.ndarray], Flat]:
    def metrics(weights_SR: np.ndarray) -> Flat:
        return {Key(head, *key): values_R for head, of in by_head.items() for key, values_R in of(weights_SR).items()}

    return metrics
