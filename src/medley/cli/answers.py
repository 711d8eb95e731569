"""The folder that `medley predict --out` fills, answer by answer, so that nothing that was answered is ever lost.

    predictions.jsonl  answers.jsonl  skipped.csv  pictures/<case>.png

A list grows under `<name>.partial` and gets its name at the end, also where the end is an error; after a kill the
`.partial` file holds every answer until then. A folder that holds answers of an earlier batch is refused.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medley.core.errors import MedleyError
from medley.core.files import growing_file

if TYPE_CHECKING:
    from medley.serving.schemas import Answer, Skipped

PREDICTIONS, ANSWERS, SKIPPED, PICTURES = "predictions.jsonl", "answers.jsonl", "skipped.csv", "pictures"
_NAME_CHARS = 80


def check_out(out: Path) -> None:
    """Raises MedleyError where the folder holds answers already, of a whole batch or of one that was cut short."""
    for there in _places(out, PREDICTIONS, ANSWERS):
        if there.exists():
            how = ", which was stopped" if there.suffix == ".partial" else ""
            raise MedleyError(f"{there} is of an earlier batch{how}; choose another --out, or remove it first")


def _places(out: Path, *names: str) -> list[Path]:
    return [out / f"{name}{end}" for name in names for end in ("", ".partial")]


class AnswerFolder:
    """Takes answers as they come; made by `answer_folder`."""

    def __init__(self, out: Path, predictions: _Add, answers: _Add, skipped: _Add):
        self.out, self.answered = out, 0
        self._predictions, self._answers, self._skipped = predictions, answers, skipped
        self._names: set[str] = set()

    def keep(self, item: Answer | Skipped, note: str | None) -> Answer | Skipped:
        """Write picture and lines of an answer, or the line of a skipped study; returns it with its picture's name.

        Raises MedleyError where the disk does not take them; what came before is kept.
        """
        from medley.serving.schemas import Skipped

        try:
            if isinstance(item, Skipped):
                self._skipped(_csv_row(item.case_id, item.reason))
                return item
            return self._keep_answer(item, note)
        except OSError as error:
            kept = f"{self.answered} answered before it are kept there" if self.answered else "nothing was answered yet"
            raise MedleyError(
                f"{self.out}: {error.strerror or error}, at case '{item_name(item)}'; {kept}; make room, and ask for "
                "the others with another --out"
            ) from error

    def _keep_answer(self, answer: Answer, note: str | None) -> Answer:
        from medley.evaluation.predictions.lines import parse_prediction
        from medley.serving.picture import save_answer_picture

        case_id = answer.prediction.case_id
        picture = f"{PICTURES}/{file_name(case_id, self._names)}"
        answer = replace(save_answer_picture(answer, note, self.out / picture), picture=picture)
        line = parse_prediction(answer.prediction.as_json(), f"{self.out / PREDICTIONS}, case '{case_id}'").as_json()
        self._answers(_json_line(answer.as_json()))  # the longer one: where it fits, the other mostly does
        self._predictions(_json_line(line))
        self.answered += 1
        return answer


_Add = Callable[[str], None]


@contextmanager
def answer_folder(out: Path) -> Iterator[AnswerFolder]:
    """The folder `out`, its lists open; they have their names when the block ends, well or not."""
    check_out(out)
    for there in _places(out, SKIPPED):  # of a batch in which nothing was answered
        there.unlink(missing_ok=True)
    with (
        growing_file(out / PREDICTIONS) as predictions,
        growing_file(out / ANSWERS) as answers,
        growing_file(out / SKIPPED) as skipped,
    ):
        skipped(_csv_row("case_id", "reason"))
        yield AnswerFolder(out, predictions, answers, skipped)


def item_name(item: Answer | Skipped) -> str:
    """The case of an answer or of a study that was skipped."""
    from medley.serving.schemas import Skipped

    return item.case_id if isinstance(item, Skipped) else item.prediction.case_id


def file_name(case_id: str, taken: set[str]) -> str:
    """A name for the case's picture that any file system takes and no other case has; it is added to `taken`.

    Letters, digits, `.`, `_` and `-` of the case id stay; `taken` is kept in lower case, as some disks do not tell.
    """
    kept = "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "-" for c in case_id.removesuffix(".png"))
    base = kept.strip(".-")[:_NAME_CHARS].strip(".-") or "case"
    name, number = base, 1
    while name.lower() in taken:
        number += 1
        name = f"{base}-{number}"
    taken.add(name.lower())
    return f"{name}.png"


def _csv_row(*cells: str) -> str:
    row = io.StringIO()
    csv.writer(row, lineterminator="\n").writerow(cells)
    return row.getvalue()


def _json_line(content: dict) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
