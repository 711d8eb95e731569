"""Cases of a table as requests, with the notes that the run's recipe gives them and what is known of their films."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medley.core.errors import MedleyError
from medley.core.records import Case
from medley.data.cases import read_cases
from medley.data.notes import make_notes, read_notes
from medley.serving.opening.request import MASK
from medley.serving.predictor import Predictor, Request


@dataclass(frozen=True)
class KnownCase:
    """A case of a table in `folder`."""

    case: Case
    folder: Path


def case_requests(
    predictor: Predictor, table: Path, case_ids: Sequence[str], text: str | None = None
) -> list[tuple[Request, KnownCase]]:
    """The cases of these ids, each once. `text` stands in for their notes.

    Raises MedleyError for a table that cannot be read, for no ids, and for one that the table lacks.
    """
    if not case_ids:
        raise MedleyError(f"{table} is a case table: name the cases to explain after RUN, by case_id")
    cases, notes = read_cases(table).pick(dict.fromkeys(case_ids)), predictor.recipe.data.notes
    if notes.file is None:
        told = make_notes(cases, notes.regime, notes.strength, notes.seed)
    else:
        told = dict(read_notes(notes.file).notes)
    return [
        (
            Request(_files(case, table.parent), text or told.get(case.case_id), case.case_id),
            KnownCase(case, table.parent),
        )
        for case in cases
    ]


def _files(case: Case, folder: Path) -> list[str]:
    files = [f"{one.view}={one.path}" for one in case.images]
    return files + ([f"{MASK}={folder / case.truth[MASK]}"] if case.truth.get(MASK) else [])
