"""Many studies in one run: requests from arguments or a CSV, answers to a folder as they come."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medley.core.errors import MedleyError, nearest

if TYPE_CHECKING:
    from medley.serving.predictor import Predictor, Request
    from medley.serving.schemas import Answer, Skipped

_COLUMNS = ("study", "text", "case_id")


def read_requests(studies: Sequence[str], text: str | None, table: Path | None) -> list[Request]:
    """One request an argument, and one a row of the CSV. Relative paths of the CSV are relative to its folder."""
    from medley.serving.predictor import Request

    requests = [Request(study, text) for study in studies]
    if table is None:
        return requests
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    except FileNotFoundError as error:
        raise MedleyError(f"{table} does not exist") from error
    except UnicodeDecodeError as error:
        raise MedleyError(f"{table} is not UTF-8 text: {error}") from error
    columns = list(rows[0]) if rows else []
    if "study" not in columns:
        raise MedleyError(f"{table} lacks the column 'study'{nearest('study', columns)}")
    for unknown in set(columns) - set(_COLUMNS):
        raise MedleyError(f"{table}: unknown column '{unknown}'{nearest(unknown, _COLUMNS)}")
    for row in rows:
        files = [str(table.parent / part) for part in (row["study"] or "").split("+") if part]
        requests.append(Request(files, row.get("text") or None, row.get("case_id") or None))
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
