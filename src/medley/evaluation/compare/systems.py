"""Whether two scorecards may stand in one table: read with the predictions beside them, or refused by name.

Two numbers may be compared where they were measured alike: the same cases with the same truth, by the same protocol.
Each scorecard must also still be that of the predictions beside it, which are what is compared.

Of the protocol, these may differ:
    studies, patients, studies_lacking   follow from the cases, which are compared one by one
    reader, synthetic                    follow from the table, where both name the same one
    thresholds, calibration              how each system makes its calls and probabilities: where they differ, only the
                                         metrics that need them are null
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.files import read_json, sha256
from medley.core.records import Prediction
from medley.evaluation.findings.scorecard import DEFINITIONS, TASK
from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.predictions.known_cases import named
from medley.evaluation.predictions.lines import read_predictions
from medley.evaluation.scorecard.card import Scorecard, read_scorecard

SCORECARD, PREDICTIONS, CALIBRATION = "scorecard.json", "predictions.jsonl", "calibration.json"
OF_CASES = ("studies", "patients", "studies_lacking")
OF_TABLE = ("reader", "synthetic")
OF_SOME_METRICS = ("thresholds", "calibration")


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
    if card.task != TASK:
        raise MedleyError(f"{path} is of the task {card.task}; there are comparisons of {TASK} alone so far")
    _check_types(card, path)
    if (definitions := card.protocol.get("metric_definitions")) != DEFINITIONS:
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


def alike(a: System, b: System) -> tuple[System, System]:
    """Both systems, B's predictions in the order of A's cases and labels; MedleyError where they cannot be compared."""
    _refuse_protocols(a, b)
    _refuse_cases(a, b)
    theirs = {prediction.case_id: prediction for prediction in b.predictions}
    matched = [theirs[prediction.case_id] for prediction in a.predictions]
    for ours, other in zip(a.predictions, matched, strict=True):
        if ours.patient_id != other.patient_id:
            patients = f"'{ours.patient_id}' in A and '{other.patient_id}' in B"
            raise MedleyError(f"case '{ours.case_id}' is of patient {patients}: they are not of the same cases")
    names = tuple(a.predictions[0].scores)
    _refuse_truths(a.predictions, matched, names)
    # the columns of a table follow its first prediction
    matched[0] = replace(matched[0], scores={name: matched[0].scores[name] for name in names})
    return a, replace(b, predictions=tuple(matched))


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
    patients = len({prediction.patient_id for prediction in predictions})
    labels = sorted(predictions[0].scores)
    for key, held in (("studies", len(predictions)), ("patients", patients), ("labels", labels)):
        if (says := _plain(card.protocol.get(key))) != held:
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


def _refuse_protocols(a: System, b: System) -> None:
    ours, theirs = a.card.protocol, b.card.protocol
    same_table = ours.get("table") is not None and ours.get("table") == theirs.get("table")
    free = {*OF_CASES, *OF_SOME_METRICS, *(OF_TABLE if same_table else ())}
    unlike = []
    for key in dict.fromkeys((*ours, *theirs)):
        if key not in free and _plain(ours.get(key)) != _plain(theirs.get(key)):
            unlike.append(_difference(key, ours.get(key), theirs.get(key)))
    if not unlike:
        return
    todo = ""
    if silent := [system for system in (a, b) if system.card.protocol.get("table") is None]:
        todo = f"; score {' and '.join(one.name for one in silent)} with --train CASES --splits F"
    elif any(None in (ours.get(key), theirs.get(key)) for key in ("notes", "aggregation")):
        todo = "; what no table tells is stated with `medley score --state KEY=VALUE`"
    raise MedleyError(f"A ({a.path}) and B ({b.path}) were measured by unlike protocols: {'; '.join(unlike)}{todo}")


def _plain(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, list) else value


def _difference(key: str, ours: Any, theirs: Any) -> str:
    if isinstance(ours, list) and isinstance(theirs, list):
        only = [
            (name, sorted({*map(str, one)} - {*map(str, other)}))
            for name, one, other in (("A", ours, theirs), ("B", theirs, ours))
        ]
        return f"{key}: " + ", ".join(f"only {name} has {', '.join(extra)}" for name, extra in only if extra)
    said = [
        f"{name} {'does not state it' if value is None else repr(value)}"
        for name, value in (("A", ours), ("B", theirs))
    ]
    return f"{key}: {', '.join(said)}"


def _refuse_cases(a: System, b: System) -> None:
    ours, theirs = ({prediction.case_id: None for prediction in system.predictions} for system in (a, b))
    only = [("A", [case for case in ours if case not in theirs]), ("B", [case for case in theirs if case not in ours])]
    if unlike := [f"{counted(len(cases), 'case')} in {name} only: {named(cases)}" for name, cases in only if cases]:
        raise MedleyError(f"A ({a.path}) and B ({b.path}) did not answer the same cases: {'; '.join(unlike)}")


def _refuse_truths(ours: Sequence[Prediction], theirs: Sequence[Prediction], names: Sequence[str]) -> None:
    unlike: dict[str, list[str]] = {}
    for one, other in zip(ours, theirs, strict=True):
        for label in names:
            if one.labels.get(label) != other.labels.get(label):
                unlike.setdefault(label, []).append(one.case_id)
    if unlike:
        label, cases = next(iter(unlike.items()))
        first_a, first_b = (next(p for p in of if p.case_id == cases[0]).labels.get(label) for of in (ours, theirs))
        first = f"'{label}' of case '{cases[0]}' is {_said(first_a)} in A and {_said(first_b)} in B"
        counts = ", ".join(f"{name} ({len(found)})" for name, found in unlike.items())
        raise MedleyError(
            f"A and B were scored against unlike truths: {first}; labels that differ, with cases: {counts}"
        )


def _said(value: int | None) -> str:
    return "not known" if value is None else str(value)
