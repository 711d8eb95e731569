"""Predictions of findings from a CSV: one study a row, one column a label, as other people's systems write them.

    case_id              names the study
    patient_id           whose study it is; may be left out where a case table tells it
    score/<label>        the system's answer, a probability in 0 … 1; every row has one in every such column
    label/<label>        the truth: 1, 0, or empty (not known); may be left out where a case table tells it
    head/<head>/<label>  other answers of the same system, as of its image alone: head/image_only/Edema
    sex, age_years, view, source   may be left out; for subgroups

Any other column is an error: nothing of a file is passed over in silence. Rows are counted as a spreadsheet counts
them, the header being row 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, nearest
from medley.core.labels import canonical
from medley.core.records import TARGET_SECTIONS, Prediction
from medley.evaluation.predictions.csv_rows import patient_of, read_rows, require_patients
from medley.evaluation.predictions.lines import GROUP_KEYS, parse_prediction

TASK = "chest_findings"
SCORE, LABEL, HEAD = "score/", "label/", "head/"
_NAMES = ("case_id", "patient_id", *GROUP_KEYS)
_RULE = f"columns are {', '.join(_NAMES)}, {SCORE}<label>, {LABEL}<label>, {HEAD}<head>/<label>"


def read_predictions_csv(path: Path | str, patients: Mapping[str, str] | None = None) -> list[Prediction]:
    """The rows as predictions of chest findings, in their order.

    `patients` is case_id -> patient_id of a case table, asked where the file has no such column. Raises MedleyError
    naming file, row, column and rule.
    """
    path = Path(path)

    def check(header: Sequence[str]) -> None:
        _check_header(path, header, patients is not None)

    return [_prediction(row, where, patients) for where, row in read_rows(path, _RULE, check)]


def _check_header(path: Path, header: Sequence[str], patients_known: bool) -> None:
    seen: dict[str, str] = {}
    for column in header:
        _check_column(path, column)
        kind, _, label = column.rpartition("/")
        one = f"{kind}/{canonical(label)}"
        if one in seen:
            raise MedleyError(f"{path}: the columns '{seen[one]}' and '{column}' are of one name; drop one")
        seen[one] = column
    require_patients(path, header, patients_known)
    if not any(column.startswith(SCORE) for column in header):
        raise MedleyError(f"{path}: there is no column {SCORE}<label>; {_RULE}")


def _check_column(path: Path, column: str) -> None:
    parts = column.split("/")
    wide = (len(parts) == 2 and column.startswith((SCORE, LABEL))) or (len(parts) == 3 and column.startswith(HEAD))
    if column in _NAMES or (wide and all(part.strip() for part in parts)):
        return
    if column.partition("/")[0] in ("hypothesis", "reference", *TARGET_SECTIONS):
        rule = "say of which with --task chest_report or --task brain_report"
        raise MedleyError(f"{path}: the column '{column}' is of reports; {rule}")
    if not column or "/" in column:
        raise MedleyError(f"{path}: unknown column '{column}'; {_RULE}")
    hint = nearest(column, _NAMES)
    if not hint.startswith("; did you mean"):
        hint = f"; if it is a label, name it '{SCORE}{column}' or '{LABEL}{column}', else leave it out"
    raise MedleyError(f"{path}: unknown column '{column}'{hint}")


def _prediction(row: Mapping[str, str], where: str, patients: Mapping[str, str] | None) -> Prediction:
    case_id, patient_id = row["case_id"], patient_of(row, where, patients)
    scores: dict[str, float] = {}
    labels: dict[str, int | None] = {}
    heads: dict[str, dict[str, float]] = {}
    for column, text in row.items():
        here = f"{where} (case '{case_id}'), column '{column}'"
        if column.startswith(SCORE):
            scores[column.removeprefix(SCORE)] = _probability(text, here)
        elif column.startswith(LABEL):
            labels[column.removeprefix(LABEL)] = _truth(text, here)
        elif column.startswith(HEAD):
            _, head, label = column.split("/")
            heads.setdefault(head, {})[label] = _probability(text, here)
    group = group_of(row, f"{where} (case '{case_id}')")
    content = {
        "case_id": case_id,
        "patient_id": patient_id,
        "task": TASK,
        "scores": scores,
        "labels": labels,
        "heads": heads,
        "group": group,
    }
    return parse_prediction(content, where)


def group_of(row: Mapping[str, str], where: str) -> dict[str, Any]:
    """Sex, age, view and source, as far as the row tells them."""
    group: dict[str, Any] = {key: row[key] for key in GROUP_KEYS if row.get(key)}
    if "age_years" in group:
        group["age_years"] = _number(group["age_years"], f"{where}, column 'age_years'")
    return group


def _number(text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        comma = "; decimals have a point" if "," in text else ""
        raise MedleyError(f"{where}: '{text:.40}' is not a number{comma}") from None
    if not math.isfinite(number):
        raise MedleyError(f"{where}: it is {text}; it must be a finite number")
    return number


def _probability(text: str, where: str) -> float:
    if not text:
        raise MedleyError(f"{where}: it is empty; every study needs a score of every label")
    number = _number(text, where)
    if not 0 <= number <= 1:
        raise MedleyError(f"{where}: it is {text}; it must be a probability in 0 … 1 (of a logit, its sigmoid)")
    return number


def _truth(text: str, where: str) -> int | None:
    if not text:
        return None
    if text not in ("0", "1", "0.0", "1.0"):
        raise MedleyError(f"{where}: it is '{text:.40}'; it must be 1, 0, or empty (not known, uncertain)")
    return int(float(text))
