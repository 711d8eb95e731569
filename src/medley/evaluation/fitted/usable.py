"""What was fitted on dev, as far as it may be used: never on the patients who chose it.

Shapes: N rows of a head's table, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.fitted.thresholds import Thresholds
from medley.evaluation.predictions.arrays import Table

CALLED = ("f1", "precision", "recall", "specificity", "mcc", "accuracy")  # need a threshold
CALIBRATED = ("ece_calibrated", "brier_calibrated")


@dataclass(frozen=True)
class Fits:
    """The thresholds and calibrated scores of one head; nan where there are none, and the reason by label."""

    thresholds_L: np.ndarray
    calibrated_NL: np.ndarray  # the scores of the head's table after calibration
    no_threshold: Mapping[str, str]
    no_calibration: Mapping[str, str]

    def rows(self, rows: np.ndarray) -> Fits:
        """The same for some rows of the table."""
        return Fits(self.thresholds_L, self.calibrated_NL[rows], self.no_threshold, self.no_calibration)

    def columns(self, metric: str, columns: Sequence[int]) -> list[int]:
        """Those of the columns that have what the metric needs."""
        if metric in CALLED:
            return [i for i in columns if np.isfinite(self.thresholds_L[..., i]).all()]
        if metric in CALIBRATED:
            return [i for i in columns if np.isfinite(self.calibrated_NL[:, i]).all()]
        return list(columns)

    def why_not(self, metric: str, label: str) -> str | None:
        """Why the label lacks what the metric needs; None where it has it."""
        if metric in CALLED:
            return self.no_threshold.get(label)
        return self.no_calibration.get(label) if metric in CALIBRATED else None


def usable_fits(
    head: str,
    table: Table,
    patient_ids: Sequence[str],
    thresholds: Thresholds | None,
    calibration: Calibration | None,
    case_ids: Sequence[str] = (),
) -> Fits:
    """What of the two records may be used on these patients; nothing where one of them took part in the fitting."""
    cuts, no_threshold = _of_each(head, table.names, thresholds, "thresholds", patient_ids, case_ids)
    curves, no_calibration = _of_each(head, table.names, calibration, "calibration", patient_ids, case_ids)
    calibrated_NL = np.full(table.scores_NL.shape, np.nan)
    for i, name in enumerate(table.names):
        if name in curves:
            calibrated_NL[:, i] = curves[name](table.scores_NL[:, i])
    thresholds_L = np.array([cuts.get(name, np.nan) for name in table.names])
    return Fits(thresholds_L, calibrated_NL, no_threshold, no_calibration)


def _of_each(
    head: str,
    names: Sequence[str],
    record: Thresholds | Calibration | None,
    what: str,
    patient_ids: Sequence[str],
    case_ids: Sequence[str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """(what was fitted, why nothing was) by label."""
    if record is None:
        return {}, dict.fromkeys(names, f"no {what}: none fitted on a dev part")
    if why := record.why_not_on(patient_ids, what, case_ids):
        return {}, dict.fromkeys(names, why)
    found = {name: record.of(head, name) for name in names}
    fitted = {name: value for name, (value, _) in found.items() if value is not None}
    return fitted, {name: why for name, (_, why) in found.items() if why is not None}


def no_fits(table: Table) -> Fits:
    """Of a table for which nothing can be fitted."""
    return Fits(np.full(len(table.names), np.nan), np.full(table.scores_NL.shape, np.nan), {}, {})
