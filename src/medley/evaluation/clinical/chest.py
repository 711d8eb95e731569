"""Reports of chest films as `facts.Facts`: the labels and sides that the labeler reads, under both readings of
"uncertain".

Shapes: M reports, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.counts import counted
from medley.core.labels import CHEXPERT_14
from medley.core.records import Prediction
from medley.evaluation.clinical.f1 import example_f1
from medley.evaluation.clinical.facts import TABLE, TEXT, Key, Measured, Weighted
from medley.evaluation.clinical.labels import UNCERTAIN_AS, NamedLabeler, ReportLabels, pooled_statistics, read_labels
from medley.evaluation.clinical.labels import Weighted as OfLabels
from medley.evaluation.clinical.laterality import laterality_counts
from medley.evaluation.clinical.scores import DEFINITIONS, LATERALITY, clinical_scores
from medley.evaluation.ranking import ratio


def read_chest(predictions: Sequence[Prediction], labeler: NamedLabeler | None = None) -> ChestFacts:
    """Label all texts once; `labeler` is another than ours."""
    labels = read_labels(predictions, labeler=labeler.read, named=labeler.name) if labeler else read_labels(predictions)
    with_labels = sum(any(one.labels.get(name) is not None for name in CHEXPERT_14) for one in predictions)
    mixed: tuple[str, ...] = ()
    if labels.truth == TEXT and with_labels:
        some = f"only {with_labels} of {counted(len(predictions), 'study')} have labels of a table"
        mixed = (f"{some}: the truth of all is what the labeler reads in the references",)
    return ChestFacts(labels, (*labels.unread, *mixed))


@dataclass(frozen=True)
class ChestFacts:
    """The heads of its labels are `uncertain_1` and `uncertain_0`: what "possible" counts as."""

    labels: ReportLabels
    remarks: tuple[str, ...]

    @property
    def case_ids(self) -> tuple[str, ...]:
        return self.labels.case_ids

    @property
    def definitions(self) -> dict[str, str]:
        return {
            "clinical": DEFINITIONS,
            "truth": self.labels.truth,
            "truth_of_sides": self.labels.truth_of_sides,
            "labeler": self.labels.labeler,
        }

    @property
    def needs_reference(self) -> bool:
        return self.labels.truth != TABLE

    def statistics(self) -> Weighted:
        return _keyed(self.labels.statistics())

    def pooled(self, other: ChestFacts) -> Weighted:
        return _keyed(pooled_statistics(self.labels, other.labels))

    def measured(self, *, resamples: int, seed: int) -> Measured:
        found = clinical_scores(self.labels, resamples=resamples, seed=seed)
        return Measured(found.metrics, found.per_label, found.left_out)

    def by_report(self) -> dict[str, np.ndarray]:
        asked_M, right_M = laterality_counts(self.labels.true_sides, self.labels.said_sides)
        return {"clinical_f1_example_14": example_f1(self.labels.counts(1)), LATERALITY: ratio(right_M, asked_M)}


def _keyed(of_labels: OfLabels) -> Weighted:
    def metrics(weights_MR: np.ndarray) -> dict[Key, np.ndarray]:
        return {_key(label, metric): values_R for (label, metric), values_R in of_labels(weights_MR).items()}

    return metrics


def _key(label: str | None, metric: str) -> Key:
    """`f1_uncertain_0` of a label is its `f1` where uncertain counts as absent."""
    if label is None:
        return "", None, metric
    bare = metric.removesuffix(UNCERTAIN_AS[0])
    return "uncertain_1" if bare == metric else "uncertain_0", label, bare
