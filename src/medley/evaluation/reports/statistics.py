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
from medley.core.records import Prediction
from medley.evaluation import text
from medley.evaluation.clinical import facts
from medley.evaluation.clinical.facts import Facts, Key, Measured
from medley.evaluation.clinical.labels import NamedLabeler
from medley.evaluation.predictions.lines import one_task
from medley.evaluation.reports.tasks import CHEST, REPORT_TASKS
from medley.evaluation.statistics import Metric
from medley.evaluation.text import TextStatistics
from medley.evaluation.text.bertscore import Encoder
from medley.evaluation.text.sections import APART

Weighted = Callable[[np.ndarray], dict[str, np.ndarray]]  # weights [N, R] -> name -> values [R]
Keyed = facts.Weighted  # the same by key: a metric of texts has its section as head


@dataclass(frozen=True)
class ReportStatistics:
    """What each of N reports of one system brings to every metric."""

    case_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    texts: Mapping[str, TextStatistics]  # prefix of the names -> the statistics of that section; "" all joined
    facts: Facts
    rows_M: np.ndarray  # the predictions that the facts are of: all, or those with a reference text
    remarks: tuple[str, ...]

    @cached_property
    def _clinical(self) -> Keyed:
        return self.facts.statistics()

    @property
    def definitions(self) -> dict[str, str]:
        """What the protocol says of the metrics: numbers of unlike ones are not to be compared."""
        return {
            "tokens": self.texts[""].tokens,
            "text": self.texts[""].definitions,
            **self.facts.definitions,
        }

    def keyed(self, weights_NR: np.ndarray) -> dict[Key, np.ndarray]:
        """Every metric, of single labels too, under weights of the cases [N, R] -> values [R], nan where undefined."""
        values = self._clinical(weights_NR[self.rows_M])
        for prefix, of in self.texts.items():
            values |= _of_section(prefix, of.weighted(weights_NR))
        return values

    def weighted(self, weights_NR: np.ndarray) -> dict[str, np.ndarray]:
        """Every average under weights of the cases [N, R]: name -> values [R], nan where undefined."""
        return _averages(self.keyed(weights_NR))

    def measured(self, *, resamples: int, seed: int) -> Measured:
        """Every metric with its patient-clustered interval, or null with the reason; `resamples` 0: no intervals."""
        clinical = self.facts.measured(resamples=resamples, seed=seed)
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
        found = {}
        for name, values_M in self.facts.by_report().items():
            found[name] = np.full(len(self.case_ids), np.nan)
            found[name][self.rows_M] = values_M
        for prefix, of in self.texts.items():
            found |= {prefix + name: values_N for name, values_N in of.by_report().items()}
        return found


def report_statistics(
    predictions: Sequence[Prediction],
    *,
    task: str = CHEST,
    tokens: str = "coco",
    wordnet: Path | None = None,
    encoder: Encoder | None = None,
    labeler: NamedLabeler | None = None,
) -> ReportStatistics:
    """Read all texts of one system once; `labeler` is another than ours, all else as for `text_statistics`.

    The truth of the clinical metrics is that of a table or of the predictions where every one of them has it, else
    what the references say; `definitions` says which. Raises MedleyError where the predictions are not one table of
    reports, and where not one of them has a reference or a truth.
    """
    predictions = one_task(predictions, task)
    of_task = REPORT_TASKS[task]
    if not any(text.joined(one.reference) or of_task.known(one) for one in predictions):
        word, key = of_task.truth_word, of_task.truth_key
        raise MedleyError(f"no report has a reference or a {word} to hold it against; give 'reference' or '{key}'")
    texts = {
        prefix: text.text_statistics(of.hypotheses, of.references, tokens=tokens, wordnet=wordnet, encoder=encoder)
        for prefix, of in text.texts_of(predictions).items()
    }
    found = of_task.read(predictions, labeler)
    kept = set(found.case_ids)
    return ReportStatistics(
        case_ids=tuple(one.case_id for one in predictions),
        patient_ids=tuple(one.patient_id for one in predictions),
        texts=texts,
        facts=found,
        rows_M=np.array([row for row, one in enumerate(predictions) if one.case_id in kept]),
        remarks=tuple(_remarks(predictions, texts, found)),
    )


def pooled_keyed(first: ReportStatistics, second: ReportStatistics) -> Keyed:
    """Every metric of two systems on the same cases as a function of weights [2N, R].

    Of sections, those that both have. Raises MedleyError where the two are not of the same cases in one order, or were
    read in unlike ways.
    """
    if first.case_ids != second.case_ids:
        raise MedleyError("two systems must answer the same cases in one order")
    of_texts = {
        prefix: text.pooled(of, second.texts[prefix]) for prefix, of in first.texts.items() if prefix in second.texts
    }
    of_facts = first.facts.pooled(second.facts)
    rows = np.concatenate([first.rows_M, len(first.case_ids) + second.rows_M])

    def metrics(weights_2NR: np.ndarray) -> dict[Key, np.ndarray]:
        values = of_facts(weights_2NR[rows])
        for prefix, of in of_texts.items():
            values |= _of_section(prefix, of(weights_2NR))
        return values

    return metrics


def pooled(first: ReportStatistics, second: ReportStatistics) -> Weighted:
    """The averages of `pooled_keyed` by name, for `permutation_test`."""
    of_both = pooled_keyed(first, second)
    return lambda weights_2NR: _averages(of_both(weights_2NR))


def _of_section(prefix: str, values: Mapping[str, np.ndarray]) -> dict[Key, np.ndarray]:
    return {(prefix.removesuffix("/"), None, name): values_R for name, values_R in values.items()}


def _averages(values: Mapping[Key, np.ndarray]) -> dict[str, np.ndarray]:
    """The metrics that are not of one label, by name."""
    return {
        f"{head}/{metric}" if head else metric: values_R
        for (head, label, metric), values_R in values.items()
        if label is None
    }


def _remarks(predictions: Sequence[Prediction], texts: Mapping[str, TextStatistics], found: Facts) -> list[str]:
    """What a reader must know of these reports before quoting a number."""
    n, remarks = len(predictions), []
    if empty := texts[""].empty_hypotheses:
        remarks.append(f"{empty} of {n} hypotheses empty: an empty report counts as a miss in every metric")
    if empty := texts[""].empty_references:
        where = "metric" if found.needs_reference else "text metric"
        remarks.append(f"{empty} of {n} references empty: {counted(n - empty, 'study')} in every {where}")
    remarks += found.remarks
    for section in APART:
        if f"{section}/" in texts:
            continue
        sides = {"hypothesis": [one.hypothesis for one in predictions], "reference": [o.reference for o in predictions]}
        have = [name for name, of in sides.items() if any(sections.get(section, "").strip() for sections in of)]
        if len(have) == 1:
            lacking = "reference" if have == ["hypothesis"] else "hypothesis"
            remarks.append(f"no numbers of the section '{section}' by itself: no {lacking} has it")
    return remarks
