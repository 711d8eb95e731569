"""The notes that a model may read beside the film, by regime, and the file they travel in.

none    no note for anybody: the honest baseline
real    what the case table holds of text written before the film (indication, history, note), without de-id marks
sim     drawn from a causal model given the labels (`notes_sim`); `strength` dials how much a note knows
seed_leaky   written out of the labels (`notes_leaky`): what `medley notes audit` must catch, for nothing else

Findings and impression were written from the film and are never a note. Every file of notes says its regime, strength,
seed and causal table, so that a score can say what the model was allowed to read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, choose, nearest
from medley.core.files import whole_file
from medley.core.records import INPUT_SECTIONS, Case
from medley.data.notes_leaky import leaky_note
from medley.data.notes_sim import causal_table, simulate_note

MAX_CHARS = 20_000  # a longer "note" is a whole record or a broken file
_FORMAT = "medley-notes-1"

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028\u2029\ufeff]")
_MARKS = re.compile(r"(?:X{3,}|_{2,})(?:[- ]?(?:years?[- ]old|y/?o)\b,?|-(?=\w))?")  # also glued to a word: 53XXXX
_NOTHING = re.compile(r"(?:none|nil|unknown|not (?:given|provided|available|stated)|n/?a)?[\s.]*", re.IGNORECASE)


@dataclass(frozen=True)
class Notes:
    """One note a study, by case_id; None where there is none. `table_digest` is empty outside `sim`."""

    regime: str
    strength: float
    seed: int
    table_digest: str
    notes: Mapping[str, str | None]

    @property
    def stamp(self) -> dict[str, Any]:
        """What a scorecard's protocol says of the notes."""
        return {"regime": self.regime, "strength": self.strength, "seed": self.seed, "table_digest": self.table_digest}


def make_notes(cases: Sequence[Case], regime: str, strength: float = 1.0, seed: int = 0) -> dict[str, str | None]:
    """A note or None for each case, keyed by case_id; one a study, whatever its views.

    Raises MedleyError for an unknown regime, a strength outside [0, 1], and a real note that cannot be one.
    """
    make = choose(regime, REGIMES, "note regime")
    if not 0.0 <= strength <= 1.0:
        raise MedleyError(f"strength (lambda) is {strength}; it must lie between 0 and 1")
    return {case.case_id: make(case, strength, seed) for case in cases}


def make_stamped_notes(cases: Sequence[Case], regime: str, strength: float = 1.0, seed: int = 0) -> Notes:
    """`make_notes` with its stamp, ready for `write_notes`."""
    notes = make_notes(cases, regime, strength, seed)
    return Notes(regime, float(strength), seed, causal_table().digest if regime == "sim" else "", notes)


def rewriter(regime: str, strength: float, seed: int) -> Callable[[Sequence[Case]], dict[str, str | None]] | None:
    """What writes such notes anew for any cases, or None where no rule does: real text, and regimes not of ours."""
    if regime in ("none", "real") or regime not in REGIMES:
        return None
    return lambda cases: make_notes(cases, regime, strength, seed)


def _none(case: Case, strength: float, seed: int) -> None:
    return None


def _real(case: Case, strength: float, seed: int) -> str | None:
    parts = (
        clean_note(case.text[section], f"case '{case.case_id}'") for section in INPUT_SECTIONS if section in case.text
    )
    return " ".join(dict.fromkeys(part for part in parts if part)) or None


REGIMES: dict[str, Callable[[Case, float, int], str | None]] = {
    "none": _none,
    "real": _real,
    "sim": simulate_note,
    "seed_leaky": leaky_note,
}


def clean_note(note: object, where: str) -> str | None:
    """A note fit to read: control characters and de-identification marks (`___`, `XXXX`) out, white space tidied.

    None when nothing is left, or only "none", "n/a" and the like. Raises MedleyError, naming `where`, when it is not a
    text or has more than 20,000 characters.
    """
    if note is None:
        return None
    if not isinstance(note, str):
        raise MedleyError(f"{where}: the note is {type(note).__name__}, not a text; leave it empty where there is none")
    if len(note) > MAX_CHARS:
        rule = f"a note has at most {MAX_CHARS:,}; is it a whole record?"
        raise MedleyError(f"{where}: the note has {len(note):,} characters; {rule}")
    text = " ".join(_MARKS.sub(" ", _CONTROL.sub(" ", note)).split())
    text = re.sub(r"\s+([.,;:?!])", r"\1", text)
    text = re.sub(r"[,;:]+(?=\.)", "", text)
    text = re.sub(r"([.,;:])[.,;:]+", r"\1", text).lstrip(".,;:-/ ").rstrip(",;:-/ ")
    return None if _NOTHING.fullmatch(text) else text


def write_notes(path: Path | str, notes: Notes) -> None:
    """Write JSONL whole: a first line with the stamp, then one {case_id, note} a study."""
    head = {"format": _FORMAT, **notes.stamp, "count": len(notes.notes)}
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head) + "\n")
        for case_id, note in notes.notes.items():
            file.write(json.dumps({"case_id": case_id, "note": note}, ensure_ascii=False) + "\n")


def read_notes(path: Path | str) -> Notes:
    """Read what `write_notes` wrote. Raises MedleyError naming the file, the line and the rule that is broken."""
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise MedleyError(f"{path} {what}; `medley notes make` writes a file of notes")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise MedleyError(
            f"{path} is not UTF-8 text, so it is no file of notes, as `medley notes make` writes them: {error}"
        ) from error
    rows = [(number, _json(line, f"{path}, line {number}")) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise MedleyError(
            f"{path} is empty, so not a file of notes: one begins with the stamp that `medley notes make` writes"
        )
    if rows[0][1].get("format") != _FORMAT:
        raise MedleyError(
            f"{path} is not a file of notes: its first line must be the stamp that `medley notes make` writes"
        )
    head = rows[0][1]
    expected = {"format", "regime", "strength", "seed", "table_digest", "count"}
    for key in set(head) ^ expected:
        what = "lacks" if key in expected else "has the unknown key"
        raise MedleyError(f"{path}, line 1: the stamp {what} '{key}'{nearest(key, expected - {key})}")
    for key, kinds in (("strength", (int, float)), ("seed", int), ("count", int), ("regime", str)):
        if not isinstance(head[key], kinds) or isinstance(head[key], bool):
            kind = "a text" if kinds is str else "a number"
            raise MedleyError(f"{path}, line 1: '{key}' of the stamp is {json.dumps(head[key])}; it must be {kind}")
    notes: dict[str, str | None] = {}
    for number, row in rows[1:]:
        where = f"{path}, line {number}"
        if set(row) != {"case_id", "note"} or not isinstance(row["case_id"], str):
            raise MedleyError(f"{where}: a line holds case_id (text) and note (text or null), not {', '.join(row)}")
        if row["case_id"] in notes:
            raise MedleyError(f"{where}: case '{row['case_id']}' stands twice; one note a study")
        notes[row["case_id"]] = clean_note(row["note"], f"{where}, case '{row['case_id']}'")
    if len(notes) != head["count"]:
        raise MedleyError(
            f"{path}: the stamp says {head['count']} notes and the file has {len(notes)}: it is not whole"
        )
    return Notes(head["regime"], float(head["strength"]), int(head["seed"]), head["table_digest"], notes)


def _json(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise MedleyError(f"{where} is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise MedleyError(f"{where} is not a JSON object")
    return row
