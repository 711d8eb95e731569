"""The metrics of the dev part that training may pick its best weights by: the scorecard's own, without intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medley.core.errors import choose
from medley.core.records import Prediction
from medley.evaluation.classification import macro_labels
from medley.evaluation.predictions.arrays import FUSED, head_tables
from medley.evaluation.ranking import areas_of, rank


def dev_metrics(predictions: Sequence[Prediction], task: str) -> dict[str, float]:
    """Metric name -> value, named as in the scorecard; a metric that these cases do not give is left out."""
    return choose(task, _BY_TASK, "task")(predictions)


def _chest_findings(predictions: Sequence[Prediction]) -> dict[str, float]:
    found: dict[str, float] = {}
    for head, table in head_tables(predictions).items():
        columns, _ = macro_labels(table.labels_NL, table.names)
        prefix = "" if head == FUSED else f"{head}/"
        if not columns:
            continue
        areas = [areas_of(rank(table.labels_NL[:, i], table.scores_NL[:, i])) for i in columns]
        for name, mean in zip(("auroc_macro", "ap_macro"), np.mean(areas, axis=0), strict=True):
            if not math.isnan(mean):
                found[prefix + name] = float(mean)
    return found


_BY_TASK = {"chest_findings": _chest_findings, "chest_report": _chest_findings}  # of a report: the findings beside it
