"""Thresholds: from which score on a finding is called. Fitted on the dev part, never where they are reported.

The record keeps the ids of the cases and patients it was fitted on, so that a scorecard can refuse, by name of the
reason, to report F1 on patients that chose the threshold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import FiniteFloat

from medley.core.config import Config, build_config
from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation.classification import curves, rank, support
from medley.evaluation.tables import Table, head_tables

MIN_DEV_POSITIVES = 5


class Thresholds(Config):
    """The content of `thresholds.json`. A finding is called where score >= threshold."""

    metric: Literal["max_f1"] = "max_f1"
    """What the thresholds were chosen by."""
    values: dict[str, dict[str, FiniteFloat | None]]
    """head -> label -> threshold; null where none could be fitted."""
    reasons: dict[str, dict[str, str]]
    """head -> label -> why there is none."""
    case_ids: tuple[str, ...]
    """The cases they were fitted on."""
    patient_ids: tuple[str, ...]
    """The patients of those cases."""

    def of(self, head: str, label: str) -> tuple[float | None, str | None]:
        """(threshold, None), or (None, the reason)."""
        if head not in self.values or label not in self.values[head]:
            return None, f"no threshold was fitted for {label} of head {head}"
        value = self.values[head][label]
        return value, None if value is not None else self.reasons.get(head, {}).get(label, "no threshold was fitted")

    def seen_in(self, patient_ids: Iterable[str]) -> list[str]:
        """The patients among these that took part in the fitting."""
        return sorted(set(self.patient_ids) & set(patient_ids))

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `from_json` reads back to an equal record."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, content: Any, where: str = "thresholds.json") -> Thresholds:
        """The record from `to_json`'s dict. Raises MedleyError naming `where`, the key and the rule."""
        if not isinstance(content, dict):
            raise MedleyError(f"{where}: thresholds are an object with {', '.join(cls.model_fields)}")
        return build_config(cls, content, where)


def fit_thresholds(predictions: Sequence[Prediction]) -> Thresholds:
    """Max-F1 thresholds of every head and label on these predictions: give it the dev part.

    A label with fewer than 5 positives or without a negative gets none, with the reason. Raises MedleyError for
    predictions that do not form a table (see `tables.head_tables`).
    """
    values: dict[str, dict[str, float | None]] = {}
    reasons: dict[str, dict[str, str]] = {}
    for head, table in head_tables(predictions).items():
        values[head], reasons[head] = _fit_head(table)
    case_ids = tuple(prediction.case_id for prediction in predictions)
    patient_ids = tuple(sorted({prediction.patient_id for prediction in predictions}))
    return Thresholds(values=values, reasons=reasons, case_ids=case_ids, patient_ids=patient_ids)


def _fit_head(table: Table) -> tuple[dict[str, float | None], dict[str, str]]:
    positives_L, negatives_L, _ = support(table.labels_NL)
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for column, label in enumerate(table.names):
        values[label] = None
        if positives_L[column] < MIN_DEV_POSITIVES:
            reasons[label] = f"{positives_L[column]} positives to fit a threshold on; it needs {MIN_DEV_POSITIVES}"
        elif not negatives_L[column]:
            reasons[label] = "no negatives to fit a threshold on"
        else:
            values[label] = max_f1_threshold(table.labels_NL[:, column], table.scores_NL[:, column])
    return values, reasons


def max_f1_threshold(labels_N: np.ndarray, scores_N: np.ndarray) -> float:
    """The score from which on calling the finding gives the highest F1; of equal ones the highest score."""
    _, recall, precision, thresholds = curves(rank(labels_N, scores_N))
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return float(thresholds[np.argmax(f1)])
