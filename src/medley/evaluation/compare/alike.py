"""Whether two systems may stand in one table: measured alike on the same cases, or refused by name.

Two numbers may be compared where they were measured alike: the same cases with the same truth, by the same protocol.

Of the protocol, these may differ:
    studies, patients, studies_lacking   follow from the cases, which are compared one by one
    reader, synthetic                    follow from the table, where both name the same one
    thresholds, calibration              how each system makes its calls and probabilities: where they differ, only the
                                         metrics that need them are null
    auxiliary_…, external                what is measured beside the texts of reports: it is not compared
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation.clinical.brain_truth import PARTS
from medley.evaluation.compare.systems import FINDINGS, System, plain
from medley.evaluation.predictions.known_cases import named

OF_CASES = ("studies", "patients", "studies_lacking")
OF_TABLE = ("reader", "synthetic")
OF_SOME_METRICS = ("thresholds", "calibration")
BESIDE_REPORTS = ("auxiliary_metric_definitions", "auxiliary_thresholds", "auxiliary_calibration", "external")
OF_OPTIONS = {"metric_definitions", "tokens", "labeler"}  # follow from how both were scored
_SHOWN = 40  # characters of two texts that differ


def alike(a: System, b: System) -> tuple[System, System]:
    """Both systems, B's predictions in the order of A's cases and labels; MedleyError where they cannot be compared."""
    tasks = a.card.task, b.card.task
    if tasks[0] != tasks[1]:
        both = f"A ({a.path}) is of the task {tasks[0]} and B ({b.path}) of {tasks[1]}"
        raise MedleyError(f"{both}: only systems of one task can be compared")
    _refuse_protocols(a, b)
    _refuse_cases(a, b)
    theirs = {prediction.case_id: prediction for prediction in b.predictions}
    matched = [theirs[prediction.case_id] for prediction in a.predictions]
    for ours, other in zip(a.predictions, matched, strict=True):
        if ours.patient_id != other.patient_id:
            patients = f"'{ours.patient_id}' in A and '{other.patient_id}' in B"
            raise MedleyError(f"case '{ours.case_id}' is of patient {patients}: they are not of the same cases")
    if a.card.task == FINDINGS:
        names = tuple(a.predictions[0].scores)
        _refuse_labels(a.predictions, matched, names)
        # the columns of a table follow its first prediction
        matched[0] = replace(matched[0], scores={name: matched[0].scores[name] for name in names})
    else:
        _refuse_references(a.predictions, matched)
        _refuse_labels(a.predictions, matched, sorted({n for one in (*a.predictions, *matched) for n in one.labels}))
    return a, replace(b, predictions=tuple(matched))


def _refuse_protocols(a: System, b: System) -> None:
    ours, theirs = a.card.protocol, b.card.protocol
    same_table = ours.get("table") is not None and ours.get("table") == theirs.get("table")
    free = {*OF_CASES, *OF_SOME_METRICS, *BESIDE_REPORTS, *(OF_TABLE if same_table else ())}
    keys = [key for key in dict.fromkeys((*ours, *theirs)) if key not in free]
    unlike = [key for key in keys if plain(ours.get(key)) != plain(theirs.get(key))]
    if not unlike:
        return
    todo = ""
    silent = [system.name for system in (a, b) if system.card.protocol.get("table") is None]
    if silent and not OF_OPTIONS.issuperset(unlike):
        todo = f"; score {' and '.join(silent)} with --train CASES --splits F"
    elif any(None in (ours.get(key), theirs.get(key)) for key in ("notes", "aggregation") if key in unlike):
        todo = "; what no table tells is stated with `medley score --state KEY=VALUE`"
    elif OF_OPTIONS & set(unlike):
        todo = "; score both with one version and the same --tokens, --wordnet, --encoder and --chexbert"
    said = "; ".join(_difference(key, ours.get(key), theirs.get(key)) for key in unlike)
    raise MedleyError(f"A ({a.path}) and B ({b.path}) were measured by unlike protocols: {said}{todo}")


def _difference(key: str, ours: Any, theirs: Any) -> str:
    if key == "metric_definitions" and isinstance(ours, str) and isinstance(theirs, str):
        ours, theirs = ours.split("; "), theirs.split("; ")
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


def _refuse_labels(ours: Sequence[Prediction], theirs: Sequence[Prediction], names: Sequence[str]) -> None:
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


def _refuse_references(ours: Sequence[Prediction], theirs: Sequence[Prediction]) -> None:
    """The true texts of reports, and what else is known of their sides."""
    for one, other in zip(ours, theirs, strict=True):
        for what, in_a, in_b in _of_truth(one, other):
            if in_a != in_b:
                raise MedleyError(
                    f"A and B were scored against unlike truths: {what} of case '{one.case_id}' is {_text(in_a)} in A "
                    f"and {_text(in_b)} in B"
                )


def _of_truth(one: Prediction, other: Prediction) -> Iterator[tuple[str, Any, Any]]:
    for section in sorted({*one.reference, *other.reference}):
        yield f"the reference '{section}'", one.reference.get(section), other.reference.get(section)
    for key in ("findings", *PARTS):
        yield f"truth/{key}", one.truth.get(key), other.truth.get(key)


def _text(value: Any) -> str:
    if value is None:
        return "not there"
    said = str(value)
    return repr(said if len(said) <= _SHOWN else f"{said[:_SHOWN]}…")


def _said(value: int | None) -> str:
    return "not known" if value is None else str(value)
