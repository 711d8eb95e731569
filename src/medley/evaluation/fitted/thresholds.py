"""Thresholds: from which score on a finding is called. Fitted on the dev part, never where they are reported.

The record keeps the ids of the cases and patients it was fitted on, so that a scorecard can refuse, by name of the
reason, to report F1 on patients that chose the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from pydantic import Field, FiniteFloat

from medley.core.counts import counted
from medley.core.errors import MedleyError, nearest
from medley.core.records import Prediction
from medley.evaluation.classification import support
from medley.evaluation.fitted.record import FittedOnDev, ids_of
from medley.evaluation.predictions.arrays import Table, head_tables
from medley.evaluation.ranking import Ranking, curves, rank

MIN_DEV_POSITIVES = 5

Criterion = Literal["max_f1", "youden", "sensitivity"]


class Thresholds(FittedOnDev):
    """The content of `thresholds.json`. A finding is called where score >= threshold."""

    metric: Criterion = "max_f1"
    """What the thresholds were chosen by: the best F1, the best Youden index, or a fixed sensitivity."""
    sensitivity: float | None = Field(None, gt=0, le=1)
    """The share of positives that a threshold had to find, where they were chosen by that."""
    values: dict[str, dict[str, FiniteFloat | None]]
    """head -> label -> threshold; null where none could be fitted."""
    reasons: dict[str, dict[str, str]]
    """head -> label -> why there is none."""

    def of(self, head: str, label: str) -> tuple[float | None, str | None]:
        """(threshold, None), or (None, the reason)."""
        if head not in self.values or label not in self.values[head]:
            return None, f"no threshold was fitted for {label} of head {head}"
        value = self.values[head][label]
        return value, None if value is not None else self.reasons.get(head, {}).get(label, "no threshold was fitted")

    def describe(self) -> str:
        """How they were chosen, in a few words."""
        return f"sensitivity {self.sensitivity:g}" if self.metric == "sensitivity" else self.metric

    @classmethod
    def from_json(cls, content: Any, where: str = "thresholds.json") -> Thresholds:
        """The record from `to_json`'s dict. Raises MedleyError naming `where`, the key and the rule."""
        return super().from_json(content, where)


def fit_thresholds(
    predictions: Sequence[Prediction], metric: Criterion = "max_f1", sensitivity: float = 0.9
) -> Thresholds:
    """Thresholds of every head and label on these predictions: give it the dev part.

    `metric` is max_f1, youden (the highest recall + specificity - 1; Youden 1950), or sensitivity: the highest score
    from which on at least the share `sensitivity` of the positives is called. A label with fewer than 5 positives,
    without a negative, or whose scores are all equal gets none, with the reason. Raises MedleyError for an unknown
    metric and for predictions that do not form a table (see `predictions.arrays`).
    """
    if metric not in get_args(Criterion):
        raise MedleyError(f"thresholds: unknown metric '{metric}'{nearest(metric, get_args(Criterion))}")
    if not 0 < sensitivity <= 1:
        raise MedleyError(f"thresholds: sensitivity is {sensitivity}; it must be above 0 and at most 1")
    values: dict[str, dict[str, float | None]] = {}
    reasons: dict[str, dict[str, str]] = {}
    for head, table in head_tables(predictions).items():
        values[head], reasons[head] = _fit_head(table, metric, sensitivity)
    asked = sensitivity if metric == "sensitivity" else None
    return Thresholds(metric=metric, sensitivity=asked, values=values, reasons=reasons, **ids_of(predictions))


def _fit_head(table: Table, metric: Criterion, sensitivity: float) -> tuple[dict[str, float | None], dict[str, str]]:
    positives_L, negatives_L, _ = support(table.labels_NL)
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for column, label in enumerate(table.names):
        values[label] = None
        ranking = rank(table.labels_NL[:, column], table.scores_NL[:, column])
        if positives_L[column] < MIN_DEV_POSITIVES:
            reasons[label] = (
                f"{counted(positives_L[column], 'positive')} to fit a threshold on; it needs {MIN_DEV_POSITIVES}"
            )
        elif not negatives_L[column]:
            reasons[label] = "no negatives to fit a threshold on"
        elif len(ranking.starts_G) == 1:
            reasons[label] = "all scores that a threshold could be fitted on are equal"
        else:
            values[label] = _choose(ranking, metric, sensitivity)
    return values, reasons


def _choose(ranking: Ranking, metric: Criterion, sensitivity: float) -> float:
    """One of the scores; of equally good ones the highest."""
    false_alarms, recall, precision, thresholds = curves(ranking)
    if metric == "sensitivity":
        return float(thresholds[np.argmax(recall >= sensitivity - 1e-12)])  # 9 of 10 are a share of 0.9
    if metric == "youden":
        return float(thresholds[np.argmax(recall - false_alarms)])
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[np.argmax(f1)])


def max_f1_threshold(labels_N: np.ndarray, scores_N: np.ndarray) -> float:
    """The score from which on calling the finding gives the highest F1; of equal ones the highest score."""
    return _choose(rank(labels_N, scores_N), "max_f1", 1.0)
