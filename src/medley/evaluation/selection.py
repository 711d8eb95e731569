"""The metrics of the dev part that training may pick its best weights by: the scorecard's own, without intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medley.core.errors import choose
from medley.core.records import Prediction
from medley.evaluation.classification import macro_labels
from medley.evaluation.clinical.brain import read_brains
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


def _brain_report(predictions: Sequence[Prediction]) -> dict[str, float]:
    """What the reports say, where there are any, and the findings beside them, where there are any."""
    found = _chest_findings(predictions) if any(one.scores for one in predictions) else {}
    if any(one.hypothesis for one in predictions):
        values = read_brains(predictions).statistics()(np.ones((len(predictions), 1)))
        found |= {
            metric: float(value)
            for (_, label, metric), (value,) in values.items()
            if label is None and not math.isnan(value)
        }
    return found


# of a report of a chest film: the findings beside it
_BY_TASK = {"chest_findings": _chest_findings, "chest_report": _chest_findings, "brain_report": _brain_report}
