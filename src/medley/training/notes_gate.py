"""The audit before training: notes that give the labels away stop it, unless the recipe says that it knows.

The labels of train and dev are looked at, never those of test. A verdict is kept in the cache under all that it
depends on, so that training again, or going on, does not audit again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from medley.core.about import VERSION as MEDLEY
from medley.core.errors import MedleyError
from medley.core.files import read_json, write_json
from medley.core.records import Case
from medley.data.notes import read_notes, rewriter
from medley.data.source import NotesConfig, Source, cache_folder
from medley.evaluation.floors.simple import THUMBNAIL_PX, thumbnails
from medley.evaluation.notes_audit.audit import VERSION, audit_notes
from medley.evaluation.notes_audit.subject import Subject

LEAKY = "seed_leaky"
_MOST_FILMS = 2500


def audit_before_training(source: Source, seed: int, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """The verdict (`Audit.as_json`) on the notes of a source, `{}` where the recipe reads none.

    Raises MedleyError naming the checks where they fail and `data.notes.i_know_this_leaks` is not set. What real text
    fails by its nature is said and does not stop.
    """
    notes = source.config.notes
    if notes.regime == "none":
        return {}
    kept = cache_folder() / "audits" / f"{_digest(source, seed)}.json"
    if kept.is_file():
        verdict = read_json(kept)
    else:
        verdict = audit_source(source, seed)
        write_json(kept, verdict)
    named = ", ".join(
        f"{row['number']} ({row['name']})" for row in verdict["checks"] if row["number"] in verdict["failed"]
    )
    if verdict["stops_training"] or notes.regime == LEAKY:
        if not notes.i_know_this_leaks:
            raise MedleyError(
                f"notes of regime '{notes.regime}' give labels away: the audit fails check {named or 'none'}; the "
                f"table is {kept}; mend the notes, or train all the same with --i-know-this-leaks, which marks the run"
            )
        say(f"notes audit: failed check {named}; training all the same, and the run is marked as leaky")
    elif verdict["failed"]:
        say(f"notes audit: real text fails check {named}; it is recorded in audit.json and does not stop the training")
    else:
        say("notes audit: passed")
    return verdict


def is_leaky(notes: NotesConfig, verdict: dict[str, Any]) -> bool:
    """Whether a run on these notes carries the mark: they failed what stops a training, or are the positive control."""
    return notes.regime == LEAKY or bool(verdict and verdict["stops_training"])


def audit_source(source: Source, seed: int) -> dict[str, Any]:
    """Audit the notes of an opened source with the static checks."""
    parts = {part: tuple(case.case_id for case in cases) for part, cases in source.parts.items()}
    config = source.config.notes
    stamp = read_notes(config.file) if config.file else config
    subject = Subject(
        cases=tuple(case for cases in source.parts.values() for case in cases),
        labels=source.labels,
        notes=source.notes,
        regime=config.regime,
        regenerate=rewriter(stamp.regime, stamp.strength, stamp.seed),
        parts=parts,
        seed=seed,
    )
    films = film_thumbnails(source, subject.sample(_MOST_FILMS)) if subject.regenerate else None
    about = {"table": source.table.digest, "split": source.manifest.digest, **config.model_dump(mode="json")}
    return audit_notes(subject, config.leak_budget, thumbnails=films, about=about).as_json()


def film_thumbnails(source: Source, cases: Sequence[Case]) -> dict[str, np.ndarray] | None:
    """case_id -> the first film in 32x32, as `floors.thumbnails` has it; None where films are smaller than that."""
    films = [source.read_film(source.groups(case, 1)[0][0]).pixels for case in cases]
    if not films or min(films[0].shape) < THUMBNAIL_PX:
        return None
    return dict(zip((case.case_id for case in cases), thumbnails(np.stack(films)), strict=True))


def _digest(source: Source, seed: int) -> str:
    """Names all that the verdict depends on."""
    config = source.config.notes
    content = {
        "checks": [VERSION, MEDLEY, seed],
        "data": [source.table.digest, source.manifest.digest, list(source.labels), sorted(source.unreadable)],
        "notes": sorted((case_id, note) for case_id, note in source.notes.items()),
        "config": config.model_dump(mode="json", exclude={"i_know_this_leaks"}),
        "views": list(source.config.views),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
