"""What the audit is given, in one way for a training, a file of notes and a run: the subject, and its films."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medley.core.records import Case
from medley.data.notes import Notes, rewriter
from medley.evaluation.floors.simple import THUMBNAIL_PX, thumbnails
from medley.evaluation.notes_audit.subject import Subject

MOST_FILMS = 2500


def subject_of(
    cases: Sequence[Case],
    labels: Sequence[str],
    written: Notes,
    parts: Mapping[str, Sequence[str]] | None,
    seed: int,
) -> Subject:
    """These cases (of a split, those of its parts alone) with the notes written for them and the rule that wrote them.

    Raises MedleyError where the notes lack a case.
    """
    of_split = None if parts is None else {case_id for ids in parts.values() for case_id in ids}
    return Subject(
        cases=tuple(case for case in cases if of_split is None or case.case_id in of_split),
        labels=tuple(labels),
        notes=written.notes,
        regime=written.regime,
        regenerate=rewriter(written.regime, written.strength, written.seed),
        parts=None if parts is None else {part: tuple(ids) for part, ids in parts.items()},
        seed=seed,
    )


def film_thumbnails(
    subject: Subject,
    first_film: Callable[[Case], np.ndarray | None],
    tick: Callable[[str, int, int], None] | None = None,
) -> dict[str, np.ndarray]:
    """case_id -> the first film (uint8 [px, px]) in 32x32, as `floors.thumbnails` has it; empty where no rule writes
    the notes, since check 4 cannot be made then. A film that is None or smaller than that is left out."""
    if subject.regenerate is None:
        return {}
    found, chosen = {}, subject.sample(MOST_FILMS)
    for done, case in enumerate(chosen, start=1):
        film = first_film(case)
        if film is not None and min(film.shape) >= THUMBNAIL_PX:
            found[case.case_id] = thumbnails(film[None])[0]
        if tick is not None:
            tick("reading films", done, len(chosen))
    return found
