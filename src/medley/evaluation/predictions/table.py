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

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, nearest
from medley.core.labels import canonical
from medley.core.records import Prediction
from medley.evaluation.predictions.lines import GROUP_KEYS, parse_prediction

TASK = "chest_findings"
SCORE, LABEL, HEAD = "score/", "label/", "head/"
OTHER_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "'|'"}
_NAMES = ("case_id", "patient_id", *GROUP_KEYS)
_RULE = f"columns are {', '.join(_NAMES)}, {SCORE}<label>, {LABEL}<label>, {HEAD}<head>/<label>"


def read_predictions_csv(path: Path | str, patients: Mapping[str, str] | None = None) -> list[Prediction]:
    """The rows as predictions of chest findings, in their order.

    `patients` is case_id -> patient_id of a case table, asked where the file has no such column. Raises MedleyError
    naming file, row, column and rule.
    """
    path = Path(path)
    if not path.is_file():
        raise MedleyError(f"{path} {'is a folder; name the file in it' if path.is_dir() else 'does not exist'}")
    predictions: list[Prediction] = []
    rows: dict[str, int] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _lines(path, file)
        _, header = next(lines, (0, []))
        _check_header(path, header, patients is not None)
        for number, cells in lines:
            where = f"{path}, row {number}"
            if len(cells) != len(header):
                raise MedleyError(f"{where} has {len(cells)} cells, the header {len(header)}; quote cells with commas")
            prediction = _prediction(dict(zip(header, cells, strict=True)), where, patients)
            first = rows.setdefault(prediction.case_id, number)
            if first != number:
                rule = f"the case stands already in row {first}; one row is one study"
                raise MedleyError(f"{where}, column 'case_id': '{prediction.case_id}': {rule}")
            predictions.append(prediction)
    if not predictions:
        raise MedleyError(f"{path} holds no predictions: there is no row below its header")
    return predictions


def _lines(path: Path, file: Any) -> Iterator[tuple[int, list[str]]]:
    """(row as a spreadsheet counts it, its cells stripped); rows of empty cells alone are passed over."""
    try:
        for number, cells in enumerate(csv.reader(file, strict=True), start=1):
            if any(cell.strip() for cell in cells):
                yield number, [cell.strip() for cell in cells]
    except UnicodeDecodeError as error:
        raise MedleyError(f"{path} is not a text file in UTF-8: {error}") from error
    except csv.Error as error:
        raise MedleyError(f"{path} is not a CSV: {error}") from error


def _check_header(path: Path, header: Sequence[str], patients_known: bool) -> None:
    if not header:
        raise MedleyError(f"{path} is empty; its first row must name the columns: {_RULE}")
    for separator, called in OTHER_SEPARATORS.items():
        if len(header) == 1 and separator in header[0]:
            raise MedleyError(f"{path}: its columns are separated by {called}; write it with commas")
    seen: dict[str, str] = {}
    for column in header:
        _check_column(path, column)
        kind, _, label = column.rpartition("/")
        one = f"{kind}/{canonical(label)}"
        if one in seen:
            raise MedleyError(f"{path}: the columns '{seen[one]}' and '{column}' are of one name; drop one")
        seen[one] = column
    if "case_id" not in header:
        raise MedleyError(f"{path}: the column 'case_id' is missing; {_RULE}")
    if "patient_id" not in header and not patients_known:
        rule = "studies of one patient are not independent: add it, or name the case table that tells it (--train)"
        raise MedleyError(f"{path}: the column 'patient_id' is missing; {rule}")
    if not any(column.startswith(SCORE) for column in header):
        raise MedleyError(f"{path}: there is no column {SCORE}<label>; {_RULE}")


def _check_column(path: Path, column: str) -> None:
    parts = column.split("/")
    wide = (len(parts) == 2 and column.startswith((SCORE, LABEL))) or (len(parts) == 3 and column.startswith(HEAD))
    if column in _NAMES or (wide and all(part.strip() for part in parts)):
        return
    if column.partition("/")[0] in ("hypothesis", "reference"):
        raise MedleyError(
            f"{path}: the column '{column}' is of reports; write them as JSON lines (.jsonl), not as a CSV"
        )
    if not column or "/" in column:
        raise MedleyError(f"{path}: unknown column '{column}'; {_RULE}")
    hint = nearest(column, _NAMES)
    if not hint.startswith("; did you mean"):
        hint = f"; if it is a label, name it '{SCORE}{column}' or '{LABEL}{column}', else leave it out"
    raise MedleyError(f"{path}: unknown column '{column}'{hint}")


def _prediction(row: Mapping[str, str], where: str, patients: Mapping[str, str] | None) -> Prediction:
    case_id = row["case_id"]
    if not case_id:
        raise MedleyError(f"{where}, column 'case_id': it is empty; every study needs a name")
    patient_id = row.get("patient_id") or (patients or {}).get(case_id)
    if not patient_id:
        rule = "it is empty" if "patient_id" in row else f"there is none, and the case table lacks case '{case_id}'"
        raise MedleyError(f"{where}, column 'patient_id': {rule}; every study belongs to a patient")
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
    group: dict[str, Any] = {key: row[key] for key in GROUP_KEYS if row.get(key)}
    if "age_years" in group:
        group["age_years"] = _number(group["age_years"], f"{where} (case '{case_id}'), column 'age_years'")
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
