"""The rows of a CSV of predictions, whatever it holds: one study a row, every fault named by file, row and column.

Rows are counted as a spreadsheet counts them, the header being row 1; rows of empty cells alone are passed over.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError

OTHER_SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "'|'"}


def read_rows(path: Path, rule: str, check: Callable[[Sequence[str]], None]) -> list[tuple[str, dict[str, str]]]:
    """(where, column -> cell, stripped) of each row.

    `check` raises MedleyError for a header that is not as the format says, `rule` says which columns there are. Raises
    MedleyError for what is no CSV, for a row of another length, a case that stands twice, and where there is no row.
    """
    if not path.is_file():
        raise MedleyError(f"{path} {'is a folder; name the file in it' if path.is_dir() else 'does not exist'}")
    found: list[tuple[str, dict[str, str]]] = []
    rows: dict[str, int] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _lines(path, file)
        _, header = next(lines, (0, []))
        if not header:
            raise MedleyError(f"{path} is empty; its first row must name the columns: {rule}")
        for separator, called in OTHER_SEPARATORS.items():
            if len(header) == 1 and separator in header[0]:
                raise MedleyError(f"{path}: its columns are separated by {called}; write it with commas")
        check(header)
        if "case_id" not in header:
            raise MedleyError(f"{path}: the column 'case_id' is missing; {rule}")
        for number, cells in lines:
            where = f"{path}, row {number}"
            if len(cells) != len(header):
                raise MedleyError(f"{where} has {len(cells)} cells, the header {len(header)}; quote cells with commas")
            row = dict(zip(header, cells, strict=True))
            if not row["case_id"]:
                raise MedleyError(f"{where}, column 'case_id': it is empty; every study needs a name")
            first = rows.setdefault(row["case_id"], number)
            if first != number:
                twice = f"the case stands already in row {first}; one row is one study"
                raise MedleyError(f"{where}, column 'case_id': '{row['case_id']}': {twice}")
            found.append((where, row))
    if not found:
        raise MedleyError(f"{path} holds no predictions: there is no row below its header")
    return found


def require_patients(path: Path, header: Sequence[str], known: bool) -> None:
    """Raises MedleyError where neither a column nor a case table (`known`) tells whose study each row is."""
    if "patient_id" not in header and not known:
        rule = "studies of one patient are not independent: add it, or name the case table that tells it (--train)"
        raise MedleyError(f"{path}: the column 'patient_id' is missing; {rule}")


def patient_of(row: Mapping[str, str], where: str, patients: Mapping[str, str] | None) -> str:
    """Whose study a row is, by its own column or by the table's `patients` (case_id -> patient_id)."""
    patient_id = row.get("patient_id") or (patients or {}).get(row["case_id"])
    if patient_id:
        return patient_id
    lacks = f"there is none, and the case table lacks case '{row['case_id']}'"
    rule = "it is empty" if "patient_id" in row else lacks
    raise MedleyError(f"{where}, column 'patient_id': {rule}; every study belongs to a patient")


def _lines(path: Path, file: Any) -> Iterator[tuple[int, list[str]]]:
    try:
        for number, cells in enumerate(csv.reader(file, strict=True), start=1):
            if any(cell.strip() for cell in cells):
                yield number, [cell.strip() for cell in cells]
    except UnicodeDecodeError as error:
        raise MedleyError(f"{path} is not a text file in UTF-8: {error}") from error
    except csv.Error as error:
        raise MedleyError(f"{path} is not a CSV: {error}") from error
