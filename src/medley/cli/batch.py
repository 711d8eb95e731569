"""Many studies in one run: requests from arguments or a CSV. A row that is no request is one that says why."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medley.core.errors import MedleyError, nearest

if TYPE_CHECKING:
    from medley.serving.predictor import Request

_COLUMNS = ("study", "text", "case_id")
_LONGEST_FIELD = 2**24  # a note too long to be one is skipped by name, and does not stop the table
_OTHER_SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}


def read_requests(studies: Sequence[str], text: str | None, table: Path | None) -> list[Request]:
    """One request an argument, and one a row of the CSV. Relative paths of the CSV are relative to its folder.

    Every request has a name of its own: two studies of one file name are named by their paths. Raises MedleyError for
    a table that cannot be read; a single row that cannot is a request with a `fault`, named by its line in the file.
    """
    from medley.serving.predictor import Request

    requests = [Request(study, text) for study in studies]
    if table is not None:
        requests += _read_table(table)
    names = [request.name() for request in requests]
    taken = {request.case_id for request in requests if request.case_id is not None}
    named = []
    for request, name in zip(requests, names, strict=True):
        if request.case_id is None:
            base = (str(request.study) or name) if names.count(name) > 1 else name
            tries = (base if number == 1 else f"{base} ({number})" for number in range(1, len(requests) + 2))
            own = next(one for one in tries if one not in taken)
            request = replace(request, case_id=own)
            taken.add(own)
        named.append(request)
    return named


def _read_table(table: Path) -> list[Request]:
    from medley.serving.predictor import Request

    try:
        rows = _rows(table.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise MedleyError(f"{table} does not exist") from error
    except UnicodeDecodeError as error:
        raise MedleyError(f"{table} is not a CSV in UTF-8: {error}") from error
    columns = _columns(table, next(rows, (1, [])))
    requests, first_of = [], dict[str, int]()
    for line, row in rows:
        cells = {} if isinstance(row, csv.Error) else dict(zip(columns, row, strict=False))
        study, case_id = cells.get("study", ""), cells.get("case_id") or None
        if isinstance(row, csv.Error):
            fault = f"{row}; a quote stands at both ends of a text, and twice inside of it"
        elif len(row) > len(columns):
            fault = f"{len(row)} fields for {len(columns)} columns; put a text that holds a comma in quotes"
        elif case_id is not None and first_of.setdefault(case_id, line) != line:
            fault = f"case_id '{case_id}' stands in line {first_of[case_id]} already; every study needs its own"
        else:
            name = case_id or (None if study else f"line {line}")
            requests.append(Request(study, cells.get("text") or None, name, table.parent))
            continue
        requests.append(Request(study, None, f"line {line}", table.parent, fault=f"{table}, line {line}: {fault}"))
    if not requests:
        raise MedleyError(f"{table} holds a header and no studies: one row a study goes below it")
    return requests


def _rows(text: str) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """(the line of the file that it begins in, its fields or what is wrong with it) of each row that is not empty."""
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row: list[str] | csv.Error = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            row = error
        if row:
            yield line, row


def _columns(table: Path, header: tuple[int, list[str] | csv.Error]) -> list[str]:
    _, names = header
    if isinstance(names, csv.Error):
        raise MedleyError(f"{table}: its header cannot be read: {names}")
    columns = [name.strip() for name in names]
    if "study" not in columns:
        for separator, called in _OTHER_SEPARATORS.items():
            if len(columns) == 1 and "study" in map(str.strip, columns[0].split(separator)):
                raise MedleyError(f"{table}: its columns are separated by {called}; a CSV here is separated by commas")
        raise MedleyError(f"{table} lacks the column 'study'{nearest('study', columns)}")
    for unknown in columns:
        if unknown not in _COLUMNS:
            raise MedleyError(f"{table}: unknown column '{unknown}'{nearest(unknown, _COLUMNS)}")
    return columns
