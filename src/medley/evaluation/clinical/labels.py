"""The labels of hypotheses and references, read once: all that the clinical metrics, of any resample, are made of.

The truth is the case table's labels where every prediction carries them, else what the labeler reads in the reference;
which of the two is part of the protocol.

Shapes: N reports, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import NamedTuple

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError, choose
from medley.core.labels import CHEXPERT_14
from medley.core.records import Prediction
from medley.evaluation.clinical.counts import Counts, Labels, count_reports
from medley.evaluation.clinical.f1 import Values, clinical_f1
from medley.evaluation.clinical.facts import OURS, TABLE, TEXT
from medley.evaluation.clinical.laterality import laterality, true_sides
from medley.language.labeler import join_sections, label_text, side_text

UNCERTAIN_AS = {1: "", 0: "_uncertain_0"}  # what -1 counts as -> suffix of the metric's name

Labeler = Callable[[Sequence[str]], Sequence[Labels]]  # texts -> label -> 1, 0, -1, nan
Weighted = Callable[[np.ndarray], Values]


class NamedLabeler(NamedTuple):
    """Another labeler than ours, and how the protocol calls it."""

    name: str
    read: Labeler


@dataclass(frozen=True)
class ReportLabels:
    """The labels and sides of N reports: `truths` and `said` by label name, the sides of those that have one."""

    case_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    truths: tuple[Labels, ...]
    said: tuple[Labels, ...]
    true_sides: tuple[Mapping[str, str], ...]
    said_sides: tuple[Mapping[str, str], ...]
    truth: str  # `table` or `reference text`, of the labels
    truth_of_sides: str  # the same, of the sides
    labeler: str
    remarks: tuple[str, ...]
    unread: tuple[str, ...] = ()  # remarks on texts in which the labeler reads nothing

    def counts(self, uncertain: int) -> Counts:
        """The per-report counts, -1 counted as `uncertain`."""
        of_text = self.truth == TEXT
        return count_reports(self.truths, self.said, CHEXPERT_14, uncertain=uncertain, truth_is_text=of_text)

    def statistics(self) -> Weighted:
        """Every metric as a function of the reports' weights [N, R], for `bootstrap` and `paired_differences`."""
        parts = {suffix: clinical_f1(self.counts(as_)) for as_, suffix in UNCERTAIN_AS.items()}
        return _together(parts, laterality(self.true_sides, self.said_sides))


def pooled_statistics(first: ReportLabels, second: ReportLabels) -> Weighted:
    """Every metric of two systems on the same reports as a function of weights [2N, R], for `permutation_test`."""
    if odd := [ids for ids in zip(first.case_ids, second.case_ids, strict=False) if ids[0] != ids[1]]:
        raise MedleyError(
            f"two systems must answer the same reports in one order: case '{odd[0][0]}' and '{odd[0][1]}'"
        )
    sizes = [len(one.case_ids) for one in (first, second)]
    if sizes[0] != sizes[1] or first.truth != second.truth or first.patient_ids != second.patient_ids:
        what = f"{sizes[0]} and {sizes[1]} reports, truths of {first.truth} and {second.truth}"
        raise MedleyError(f"two systems can be compared only on the same reports with the same truth; here {what}")
    parts = {
        suffix: clinical_f1(first.counts(as_).stacked(second.counts(as_)), support_of=first.counts(as_))
        for as_, suffix in UNCERTAIN_AS.items()
    }
    sides = laterality(first.true_sides + second.true_sides, first.said_sides + second.said_sides)
    return _together(parts, sides)


def _together(parts: Mapping[str, Weighted], sides: Callable[[np.ndarray], dict[str, np.ndarray]]) -> Weighted:
    def metrics(weights_NR: np.ndarray) -> Values:
        found: Values = {
            (label, metric + suffix): values_R
            for suffix, of_weights in parts.items()
            for (label, metric), values_R in of_weights(weights_NR).items()
        }
        return found | {(None, name): values_R for name, values_R in sides(weights_NR).items()}

    return metrics


def read_labels(
    predictions: Sequence[Prediction],
    *,
    truth: str | None = None,
    labeler: Labeler | None = None,
    named: str = OURS,
) -> ReportLabels:
    """Label hypotheses and references once; every distinct text is read once.

    `truth` is `table` or `reference text`; None takes the table's labels where every prediction carries them. Reports
    without a reference are left out where it is the truth, and a remark says how many. Another `labeler` (CheXbert's
    adapter) is `named` in the protocol. Raises MedleyError where nothing can be scored.
    """
    if not predictions:
        raise MedleyError("clinical metrics: there are no predictions to score")
    if truth is None:
        truth = TABLE if all(_has_labels(prediction) for prediction in predictions) else TEXT
    choose(truth, {TABLE: None, TEXT: None}, "truth of clinical metrics")
    kept, remarks = list(predictions), []
    if truth == TEXT:
        kept = [one for one in predictions if join_sections(one.reference)]
        if lost := len(predictions) - len(kept):
            remarks.append(f"{counted(lost, 'report')} without a reference text left out")
        if not kept:
            raise MedleyError("clinical metrics: no prediction has labels or a reference text; give one of them")
    elif missing := [one.case_id for one in predictions if not _has_labels(one)]:
        raise MedleyError(
            f"clinical metrics: case '{missing[0]}' has no labels ({len(missing)} in all); take the texts"
        )
    hypotheses = [join_sections(one.hypothesis) for one in kept]
    if empty := sum(not text for text in hypotheses):
        remarks.append(f"{counted(empty, 'empty answer')} scored as saying nothing")
    references = [join_sections(one.reference) for one in kept]
    # a case table, ours and CheXpert's human labels alike, counts a device as a finding: No Finding follows it there
    read = remembering(labeler or _labeler(device_is_finding=truth == TABLE))
    truths = read(references) if truth == TEXT else [_table_labels(one) for one in kept]
    said = read(hypotheses)
    written = [labels for labels, text in zip(said, hypotheses, strict=True) if text]
    sides, truth_of_sides = _true_sides(kept, references)
    return ReportLabels(
        case_ids=tuple(one.case_id for one in kept),
        patient_ids=tuple(one.patient_id for one in kept),
        truths=tuple(truths),
        said=tuple(said),
        true_sides=tuple(sides),
        said_sides=tuple(map(side_text, hypotheses)),
        truth=truth,
        truth_of_sides=truth_of_sides,
        labeler=named,
        remarks=tuple(remarks),
        unread=tuple(_unread(truths if truth == TEXT else (), written)),
    )


def _unread(truths: Sequence[Labels], said: Sequence[Labels]) -> list[str]:
    """What texts are worth of which no label is known, No Finding neither."""
    remarks = []
    for read, what, worth in (
        (truths, "references", "they are not known, and in no clinical metric"),
        (said, "hypotheses", "they claim nothing, not even No Finding"),
    ):
        if count := sum(all(value is None or isnan(value) for value in labels.values()) for labels in read):
            remarks.append(f"the labeler can read nothing in {count} of {len(read)} {what}: {worth}")
    return remarks


def _labeler(device_is_finding: bool) -> Labeler:
    return lambda texts: [label_text(text, device_is_finding=device_is_finding) for text in texts]


def remembering(labeler: Labeler) -> Labeler:
    """The labeler, asked for each distinct text once: reports repeat one another."""
    known: dict[str, Labels] = {}

    def read(texts: Sequence[str]) -> list[Labels]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        known.update(zip(new, labeler(new), strict=True))
        return [known[text] for text in texts]

    return read


def _has_labels(prediction: Prediction) -> bool:
    return any(prediction.labels.get(name) is not None for name in CHEXPERT_14)


def _table_labels(prediction: Prediction) -> Labels:
    return {name: prediction.labels.get(name) for name in CHEXPERT_14}


def _true_sides(predictions: Sequence[Prediction], references: Sequence[str]) -> tuple[list[Mapping[str, str]], str]:
    """The sides that the truth of every prediction tells, or, where not every one does, those of the references."""
    told = [true_sides(one.truth, f"case '{one.case_id}'") for one in predictions]
    known = [sides for sides in told if sides is not None]
    return ([*known], TABLE) if len(known) == len(told) else ([side_text(text) for text in references], TEXT)
