"""What a model has answered so far, kept case by case, so that a run that is killed goes on where it was.

    OUT/zero_shot.json        what was asked of what model, and what came of it
    OUT/answers/<case>.json   one answer, written whole as it comes
    OUT/predictions.jsonl     all of them, when all are there

One folder holds the answers to one question: other settings are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from medley.core.errors import MedleyError
from medley.core.files import read_json, write_json
from medley.serving.zero_shot.model import Written

RECORD, ANSWERS = "zero_shot.json", "answers"

# A heading alone on its line or before a colon, in any dress of Markdown; and one in capitals within a line.
_LINE = re.compile(r"^[ \t]*[#*_>\- ]*(?:findings|impression)[*_ \t]*(?::[*_ \t]*|$)", re.IGNORECASE | re.MULTILINE)
_INLINE = re.compile(r"\b(?:FINDINGS|IMPRESSION):[ \t]*")


def report_of(text: str) -> str:
    """The answer without its headings FINDINGS and IMPRESSION; nothing else is taken away."""
    return _INLINE.sub("", _LINE.sub("", text)).strip()


@dataclass(frozen=True)
class Answer:
    """One answer as it is kept."""

    case_id: str
    written: Written
    device: str


def check_folder(out: Path) -> None:
    """Raises MedleyError where a folder holds anything but answers: asked before a model is loaded."""
    if out.is_dir() and not (out / RECORD).is_file() and any(not path.name.startswith(".") for path in out.iterdir()):
        raise MedleyError(f"{out} holds other files; choose a new folder")


class AnswerStore:
    """The folder of the answers to one question."""

    def __init__(self, out: Path, settings: Mapping[str, Any]):
        """Raises MedleyError where the folder holds other files, or the answers to another question."""
        check_folder(out)
        self.out, self.settings = out, dict(settings)
        record = out / RECORD
        if record.is_file():
            before = read_json(record).get("settings", {})
            unlike = [key for key in self.settings if before.get(key) != self.settings[key]]
            if unlike:
                key, was, is_now = unlike[0], before.get(unlike[0]), self.settings[unlike[0]]
                told = f"{key} is {_short(was)} there and {_short(is_now)} now"
                raise MedleyError(f"{out} holds answers to another question ({told}); choose another folder")

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write down what is asked, before the first answer; a folder that is gone on with keeps its record."""
        if not (self.out / RECORD).is_file():
            self.finish(facts, {})

    def finish(self, facts: Mapping[str, Any], results: Mapping[str, Any]) -> None:
        """Write down what came of it."""
        write_json(self.out / RECORD, {"settings": self.settings, **facts, "results": dict(results)})

    def read(self, case_id: str) -> Answer | None:
        """The answer to a case; None where it was not asked yet."""
        path = self._path(case_id)
        if not path.is_file():
            return None
        kept = read_json(path)
        return Answer(kept["case_id"], Written(**kept["written"]), kept["device"])

    def keep(self, answer: Answer) -> None:
        """Put one answer on the disk."""
        write_json(self._path(answer.case_id), asdict(answer))

    def _path(self, case_id: str) -> Path:
        return self.out / ANSWERS / f"{quote(case_id, safe='')}.json"


def _short(value: Any) -> str:
    said = str(value)
    return repr(said if len(said) <= 60 else f"{said[:60]}…")
