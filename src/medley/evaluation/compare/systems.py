"""A scorecard with the predictions beside it: what is compared are the predictions, and it must still be theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError
from medley.core.files import read_json, sha256
from medley.core.records import Prediction
from medley.evaluation.findings.scorecard import DEFINITIONS
from medley.evaluation.findings.scorecard import TASK as FINDINGS
from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.predictions.lines import read_predictions
from medley.evaluation.reports.tasks import REPORT_TASKS
from medley.evaluation.scorecard.card import Scorecard, read_scorecard

SCORECARD, PREDICTIONS, CALIBRATION = "scorecard.json", "predictions.jsonl", "calibration.json"


@dataclass(frozen=True)
class System:
    """One of the two: its scorecard, the predictions beside it, and its calibration where the scorecard has one."""

    name: str  # A or B
    path: Path  # of the scorecard
    card: Scorecard
    predictions: tuple[Prediction, ...]
    calibration: Calibration | None

    @property
    def patient_ids(self) -> list[str]:
        return [prediction.patient_id for prediction in self.predictions]


def read_system(name: str, path: Path | str) -> System:
    """A run, a folder that holds a scorecard, or a scorecard.json, with the predictions beside it.

    Raises MedleyError where there is no scorecard or no predictions, and where the predictions are not those that the
    scorecard was made of.
    """
    path = _scorecard_of(Path(path))
    card = read_scorecard(path)
    if card.task not in (FINDINGS, *REPORT_TASKS):
        compared = ", ".join([FINDINGS, *REPORT_TASKS])
        raise MedleyError(f"{path} is of the task {card.task}; there are comparisons of {compared} so far")
    _check_types(card, path)
    if card.task == FINDINGS and (definitions := card.protocol.get("metric_definitions")) != DEFINITIONS:
        made = str(definitions).partition(":")[0]
        rule = f"this version measures by {DEFINITIONS.partition(':')[0]}; score again"
        raise MedleyError(f"{path} was made with other metric definitions ({made}): {rule}")
    beside = path.parent / PREDICTIONS
    if not beside.is_file():
        what = f"differences are of cases, and {path} has no {PREDICTIONS} beside it"
        raise MedleyError(f"{what}: score again with `medley evaluate RUN` or `medley score F --out DIR`")
    stated = card.provenance.get("predictions")
    if stated is not None and stated != sha256(beside)[:16]:
        rule = f"its digest is {sha256(beside)[:16]}, the scorecard's own were {stated}; score again"
        raise MedleyError(f"{beside} is not what {path.name} was made of: {rule}")
    predictions = tuple(read_predictions(beside, card.task))
    _check_counts(card, predictions, path)
    return System(name, path, card, predictions, _calibration(card, path))


def _scorecard_of(path: Path) -> Path:
    if path.suffix in (".jsonl", ".csv") and not path.is_dir():
        raise MedleyError(f"{path} is a file of predictions: make its scorecard with `medley score F --out DIR`")
    if not path.exists():
        raise MedleyError(f"{path} does not exist; it must be a run, a folder with a scorecard, or a {SCORECARD}")
    if path.is_file():
        return path
    for found in (path / "evaluation" / SCORECARD, path / SCORECARD):
        if found.is_file():
            return found
    raise MedleyError(f"{path} holds no {SCORECARD}; `medley evaluate RUN` or `medley score F --out DIR` writes one")


def _check_types(card: Scorecard, path: Path) -> None:
    for key in ("protocol", "provenance"):
        if not isinstance(getattr(card, key), Mapping):
            raise MedleyError(f"{path}: '{key}' must be an object; score again")
    for head, labels in card.per_label.items():
        for label, scores in labels.items():
            cut = scores.threshold
            if cut is not None and (
                isinstance(cut, bool) or not isinstance(cut, int | float) or not math.isfinite(cut)
            ):
                raise MedleyError(f"{path}: per_label/{head}/{label}: the threshold is {cut!r}, no number; score again")


def _check_counts(card: Scorecard, predictions: Sequence[Prediction], path: Path) -> None:
    """What a scorecard can be held to without any arithmetic."""
    counts: dict[str, Any] = {"studies": len(predictions)}
    counts["patients"] = len({prediction.patient_id for prediction in predictions})
    if card.task == FINDINGS:
        counts["labels"] = sorted(predictions[0].scores)
    for key, held in counts.items():
        if (says := plain(card.protocol.get(key))) != held:
            beside = path.parent / PREDICTIONS
            raise MedleyError(f"{path} says {key} {says}, and {beside.name} beside it holds {held}; score again")


def _calibration(card: Scorecard, path: Path) -> Calibration | None:
    """The curves beside the scorecard, or in the run whose `evaluation` it lies in; none where the card has none."""
    if card.protocol.get("calibration") is None:
        return None
    for found in (path.parent / CALIBRATION, path.parent.parent / CALIBRATION):
        if found.is_file() and (content := read_json(found)) is not None:
            return Calibration.from_json(content, str(found))
    return None


def plain(value: Any) -> Any:
    """A value of a protocol to be held against another: lists are of names, in no order."""
    return sorted(map(str, value)) if isinstance(value, list) else value
