"""Everything that is measured of reports, as one function of case weights: texts, labels, sides.

The text metrics of each section and the clinical metrics are put beside each other, never computed anew: intervals,
floors, subgroups and comparisons ask one function, and no text is read twice.

    found = report_statistics(predictions)
    found.metrics(resamples=1000, seed=0)                                     # name -> Metric
    paired_differences(found.weighted, other.weighted, found.patient_ids, ...)   # two systems on the same cases
    permutation_test(pooled(found, other), found.patient_ids, ...)

Names: `bleu_4`, `clinical_f1_micro_14`, `laterality_accuracy`; of a section by itself `findings/bleu_4`.

Shapes: N predictions, M of them with a truth for the clinical metrics, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.core.records import Prediction
from medley.evaluation import text
from medley.evaluation.clinical.f1 import example_f1
from medley.evaluation.clinical.labels import TABLE, TEXT, NamedLabeler, ReportLabels, pooled_statistics, read_labels
from medley.evaluation.clinical.labels import Weighted as ClinicalWeighted
from medley.evaluation.clinical.laterality import laterality_counts
from medley.evaluation.clinical.scores import DEFINITIONS, LATERALITY, LabelSupport, clinical_scores
from medley.evaluation.predictions.lines import one_task
from medley.evaluation.ranking import ratio
from medley.evaluation.statistics import Metric
from medley.evaluation.text import TextStatistics
from medley.evaluation.text.bertscore import Encoder
from medley.evaluation.text.sections import APART

TASK = "chest_report"

Weighted = Callable[[np.ndarray], dict[str, np.ndarray]]  # weights [N, R] -> name -> values [R]


@dataclass(frozen=True)
class Measured:
    """The metrics of one system, its labels one by one, and the labels that stand in no macro average."""

    metrics: Mapping[str, Metric]
    per_label: Mapping[str, Mapping[str, LabelSupport]]  # "uncertain_1" and "uncertain_0" -> label -> support, metrics
    left_out: Mapping[str, str]  # label -> why


@dataclass(frozen=True)
class ReportStatistics:
    """What each of N reports of one system brings to every metric."""

    case_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    texts: Mapping[str, TextStatistics]  # prefix of the names -> the statistics of that section; "" all joined
    labels: ReportLabels
    rows_M: np.ndarray  # the predictions that the labels are of: all, or those with a reference text
    remarks: tuple[str, ...]

    @cached_property
    def _clinical(self) -> ClinicalWeighted:
        return self.labels.statistics()

    @property
    def definitions(self) -> dict[str, str]:
        """What the protocol says of the metrics: numbers of unlike ones are not to be compared."""
        return {
            "tokens": self.texts[""].tokens,
            "text": self.texts[""].definitions,
            "clinical": DEFINITIONS,
            "truth": self.labels.truth,
            "truth_of_sides": self.labels.truth_of_sides,
            "labeler": self.labels.labeler,
        }

    def weighted(self, weights_NR: np.ndarray) -> dict[str, np.ndarray]:
        """Every average under weights of the cases [N, R]: name -> values [R], nan where undefined."""
        values = _averages(self._clinical(weights_NR[self.rows_M]))
        for prefix, of in self.texts.items():
            values |= {prefix + name: values_R for name, values_R in of.weighted(weights_NR).items()}
        return values

    def measured(self, *, resamples: int, seed: int) -> Measured:
        """Every metric with its patient-clustered interval, or null with the reason; `resamples` 0: no intervals."""
        clinical = clinical_scores(self.labels, resamples=resamples, seed=seed)
        metrics = dict(clinical.metrics)
        for prefix, of in self.texts.items():
            found = of.metrics(self.patient_ids, resamples=resamples, seed=seed)
            metrics |= {prefix + name: metric for name, metric in found.items()}
        return Measured(metrics, clinical.per_label, clinical.left_out)

    def metrics(self, *, resamples: int, seed: int) -> Mapping[str, Metric]:
        """The metrics of `measured` alone."""
        return self.measured(resamples=resamples, seed=seed).metrics

    def by_report(self) -> dict[str, np.ndarray]:
        """The metrics that are means over reports, report by report [N]; nan where a report has none."""
        asked_M, right_M = laterality_counts(self.labels.true_sides, self.labels.said_sides)
        of_labels = {"clinical_f1_example_14": example_f1(self.labels.counts(1)), LATERALITY: ratio(right_M, asked_M)}
        found = {}
        for name, values_M in of_labels.items():
            found[name] = np.full(len(self.case_ids), np.nan)
            found[name][self.rows_M] = values_M
        for prefix, of in self.texts.items():
            found |= {prefix + name: values_N for name, values_N in of.by_report().items()}
        return found


def report_statistics(
    predictions: Sequence[Prediction],
    *,
    tokens: str = "coco",
    wordnet: Path | None = None,
    encoder: Encoder | None = None,
    labeler: NamedLabeler | None = None,
) -> ReportStatistics:
    """Read all texts of one system once; `labeler` is another than ours, all else as for `text_statistics`.

    The truth of the clinical metrics is the table's labels where every prediction has them, else what the labeler
    reads in the reference; `definitions` says which. Raises MedleyError where the predictions are not one table of
    reports, and where not one of them has a reference or a label.
    """
    predictions = one_task(predictions, TASK)
    if not any(text.joined(one.reference) or one.labels for one in predictions):
        raise MedleyError("no report has a reference or a label to hold it against; give 'reference' or 'labels'")
    texts = {
        prefix: text.text_statistics(of.hypotheses, of.references, tokens=tokens, wordnet=wordnet, encoder=encoder)
        for prefix, of in text.texts_of(predictions).items()
    }
    labels = read_labels(predictions, labeler=labeler.read, named=labeler.name) if labeler else read_labels(predictions)
    kept = set(labels.case_ids)
    return ReportStatistics(
        case_ids=tuple(one.case_id for one in predictions),
        patient_ids=tuple(one.patient_id for one in predictions),
        texts=texts,
        labels=labels,
        rows_M=np.array([row for row, one in enumerate(predictions) if one.case_id in kept]),
        remarks=tuple(_remarks(predictions, texts, labels)),
    )


def pooled(first: ReportStatistics, second: ReportStatistics) -> Weighted:
    """Every average of two systems on the same cases as a function of weights [2N, R], for `permutation_test`.

    Of sections, those that both have. Raises MedleyError where the two are not of the same cases in one order, or were
    read in unlike ways.
    """
    if first.case_ids != second.case_ids:
        raise MedleyError("two systems must answer the same cases in one order")
    of_texts = {
        prefix: text.pooled(of, second.texts[prefix]) for prefix, of in first.texts.items() if prefix in second.texts
    }
    of_labels = pooled_statistics(first.labels, second.labels)
    rows = np.concatenate([first.rows_M, len(first.case_ids) + second.rows_M])

    def metrics(weights_2NR: np.ndarray) -> dict[str, np.ndarray]:
        values = _averages(of_labels(weights_2NR[rows]))
        for prefix, of in of_texts.items():
            values |= {prefix + name: values_R for name, values_R in of(weights_2NR).items()}
        return values

    return metrics


def _averages(values: Mapping[tuple[str | None, str], np.ndarray]) -> dict[str, np.ndarray]:
    """The clinical metrics that are not of one label."""
    return {metric: values_R for (label, metric), values_R in values.items() if label is None}


def _remarks(predictions: Sequence[Prediction], texts: Mapping[str, TextStatistics], labels: ReportLabels) -> list[str]:
    """What a reader must know of these reports before quoting a number."""
    n, remarks = len(predictions), []
    if empty := texts[""].empty_hypotheses:
        remarks.append(f"{empty} of {n} hypotheses empty: an empty report counts as a miss in every metric")
    if empty := texts[""].empty_references:
        where = "text metric" if labels.truth == TABLE else "metric"
        remarks.append(f"{empty} of {n} references empty: {counted(n - empty, 'study')} in every {where}")
    remarks += labels.unread
    with_labels = sum(any(one.labels.get(name) is not None for name in CHEXPERT_14) for one in predictions)
    if labels.truth == TEXT and with_labels:
        some = f"only {with_labels} of {counted(n, 'study')} have labels of a table"
        remarks.append(f"{some}: the truth of all is what the labeler reads in the references")
    for section in APART:
        if f"{section}/" in texts:
            continue
        sides = {"hypothesis": [one.hypothesis for one in predictions], "reference": [o.reference for o in predictions]}
        have = [name for name, of in sides.items() if any(sections.get(section, "").strip() for sections in of)]
        if len(have) == 1:
            lacking = "reference" if have == ["hypothesis"] else "hypothesis"
            remarks.append(f"no numbers of the section '{section}' by itself: no {lacking} has it")
    return remarks
