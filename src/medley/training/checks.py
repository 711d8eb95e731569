"""What is looked at before a stage begins, so that a mistake costs a line and not an epoch."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from medley.core.errors import MedleyError, nearest
from medley.core.labels import HIERARCHY
from medley.core.records import Case
from medley.core.stage import Stage
from medley.training.data import TrainingData

_SLIPS = 0.02  # share of pairs that may break the hierarchy before it is said not to hold


def check_best_by(stage: Stage, data: TrainingData, model: nn.Module) -> None:
    """Raises MedleyError for a metric that the dev part does not give."""
    names = ["loss", *(f"loss/{term}" for term in stage.objective.weights)]
    if stage.best_by not in names and stage.best_by not in (names := [*names, *data.dev_metric_names(model)]):
        raise MedleyError(
            f"stage '{stage.name}': best_by is '{stage.best_by}', which the dev part does not give (too few positives?)"
            f"; stages.{stage.name}.best_by=loss needs none{nearest(stage.best_by, names)}"
        )


def check_hierarchy(stage: Stage, cases: Sequence[Case]) -> None:
    """Raises MedleyError where a stage would punish what the labels of these studies say themselves."""
    breaks, pairs = hierarchy_breaks(cases)
    if "hierarchy" in stage.objective.weights and breaks > _SLIPS * pairs:
        raise MedleyError(
            f"stage '{stage.name}': the hierarchy penalty is on, but in {breaks} of {pairs} pairs of training labels "
            "the child is present and its parent absent (a labeler's labels, or NIH's?); set model.hierarchy: 0"
        )


def hierarchy_holds(cases: Sequence[Case]) -> bool:
    """Whether present children have present parents in these studies' labels (`core.labels.HIERARCHY`)."""
    breaks, pairs = hierarchy_breaks(cases)
    return breaks <= _SLIPS * pairs


def hierarchy_breaks(cases: Sequence[Case]) -> tuple[int, int]:
    """(how often a present child has an absent parent, of how often the child is present and the parent known)."""
    parents = [
        case.labels.get(parent)
        for case in cases
        for child, its_parents in HIERARCHY.items()
        if case.labels.get(child) == 1
        for parent in its_parents
    ]
    known = [value for value in parents if value in (0, 1)]
    return known.count(0), len(known)
