"""Many studies in one run: requests from arguments or a CSV, answers to a folder as they come."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medley.core.errors import MedleyError, nearest

if TYPE_CHECKING:
    from medley.serving.predictor import Predictor, Request
    from medley.serving.schemas import Answer, Skipped

_COLUMNS = ("study", "text", "case_id")
_LONGEST_FIELD = 2**24  # a note too long to be one is skipped by name, and does not stop the table


def read_requests(studies: Sequence[str], text: str | None, table: Path | None) -> list[Request]:
    """One request an argument, and one a row of the CSV. Relative paths of the CSV are relative to its folder.

    Every request has a name of its own: two studies of one file name are named by their paths.
    """
    from medley.serving.predictor import Request

    requests = [Request(study, text) for study in studies]
    if table is not None:
        requests += _read_table(table)
    times = Counter(request.name() for request in requests)
    named, seen = [], Counter[str]()
    for request in requests:
        name = request.name()
        if times[name] > 1 and request.case_id is None:
            name = str(request.study) or name
        seen[name] += 1
        named.append(replace(request, case_id=name if seen[name] == 1 else f"{name} ({seen[name]})"))
    return named


def _read_table(table: Path) -> list[Request]:
    from medley.serving.predictor import Request

    csv.field_size_limit(_LONGEST_FIELD)
    try:
        reader = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"), newline=""))
        rows, columns = list(reader), list(reader.fieldnames or ())
    except FileNotFoundError as error:
        raise MedleyError(f"{table} does not exist") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise MedleyError(f"{table} is not a CSV in UTF-8: {error}") from error
    if "study" not in columns:
        raise MedleyError(f"{table} lacks the column 'study'{nearest('study', columns)}")
    for unknown in columns:
        if unknown not in _COLUMNS:
            raise MedleyError(f"{table}: unknown column '{unknown}'{nearest(unknown, _COLUMNS)}")
    ids = Counter(row["case_id"] for row in rows if row.get("case_id"))
    requests = []
    for number, row in enumerate(rows, start=1):
        if None in row:
            raise MedleyError(
                f"{table}, row {number}: more fields than columns; put a text that holds a comma in quotes"
            )
        if row.get("case_id") and ids[row["case_id"]] > 1:
            raise MedleyError(
                f"{table}, row {number}: case_id '{row['case_id']}' stands twice; every study needs its own"
            )
        case_id = row.get("case_id") or (None if row["study"] else f"row {number}")
        requests.append(Request(row["study"] or "", row.get("text") or None, case_id, table.parent))
    return requests


def answer_all(predictor: Predictor, requests: Sequence[Request], out: Path | None) -> Iterator[Answer | Skipped]:
    """Every answer in order; with `out`, heat maps are written as they come and the lists whole at the end."""
    from medley.core.files import write_text
    from medley.evaluation.predictions import write_predictions
    from medley.serving.picture import save_answer_picture
    from medley.serving.schemas import Answer

    predictions, lines = [], []
    skipped: list[Skipped] = []
    for number, (request, item) in enumerate(zip(requests, predictor.predict_many(requests), strict=True)):
        if isinstance(item, Answer):
            if out is not None:
                save_answer_picture(item, request.text, out / "pictures" / f"{number:05d}.png")
            predictions.append(item.prediction)
            lines.append(json.dumps(item.as_json(), ensure_ascii=False))
        else:
            skipped.append(item)
        yield item
    if out is None:
        return
    if predictions:
        write_predictions(out / "predictions.jsonl", predictions)
    write_text(out / "answers.jsonl", "".join(line + "\n" for line in lines))
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["case_id", "reason"])
    rows.writerows([one.case_id, one.reason] for one in skipped)
    write_text(out / "skipped.csv", table.getvalue())
