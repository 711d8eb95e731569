"""The tasks that write reports, and how the reports of each are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medley.core.errors import MedleyError
from medley.core.labels import BRAIN_LABELS, CHEXPERT_14, NIH_14
from medley.core.records import Prediction
from medley.evaluation.clinical.brain import read_brains
from medley.evaluation.clinical.brain_truth import PARTS, told
from medley.evaluation.clinical.chest import read_chest
from medley.evaluation.clinical.facts import Facts
from medley.evaluation.clinical.labels import NamedLabeler
from medley.evaluation.clinical.laterality import true_sides

CHEST, BRAIN = "chest_report", "brain_report"


@dataclass(frozen=True)
class ReportTask:
    """What differs between reports of one kind of image and of another, before they are shown."""

    read: Callable[[Sequence[Prediction], NamedLabeler | None], Facts]
    # what of a case's truth the metrics ask for; `where` begins an error
    truth: Callable[[Mapping[str, Any], str], Mapping[str, Any]]
    known: Callable[[Prediction], bool]  # whether it has a truth beside its reference
    truth_key: str  # the key of a prediction that holds that truth
    truth_word: str
    labels: tuple[str, ...]  # that a prediction may state without scoring them


def _brain(predictions: Sequence[Prediction], labeler: NamedLabeler | None) -> Facts:
    if labeler is not None:
        raise MedleyError(f"{labeler.name} labels reports of chest films; brain reports are read by our rules alone")
    return read_brains(predictions)


def _chest_truth(truth: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    sides = true_sides(truth, where)
    return {} if sides is None else {"sides": sides}


def _brain_truth(truth: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    told(truth, where)  # refuses what is no truth of a brain
    return {part: truth[part] for part in PARTS if truth.get(part) is not None}


REPORT_TASKS = {
    CHEST: ReportTask(
        read=read_chest,
        truth=_chest_truth,
        known=lambda one: bool(one.labels),
        truth_key="labels",
        truth_word="label",
        labels=(*CHEXPERT_14, *NIH_14),
    ),
    BRAIN: ReportTask(
        read=_brain,
        truth=_brain_truth,
        known=lambda one: any(one.truth.get(part) is not None for part in PARTS),
        truth_key="truth",
        truth_word="truth",
        labels=BRAIN_LABELS,
    ),
}
