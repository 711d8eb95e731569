"""The audit before training: notes that give the labels away stop it, unless the recipe says that it knows.

The labels of train and dev are looked at, never those of test. A verdict is kept in the cache under all that it
depends on, so that training again, or going on, does not audit again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from medley.core.about import VERSION as MEDLEY
from medley.core.errors import MedleyError
from medley.core.files import read_json, write_json
from medley.core.records import INPUT_SECTIONS
from medley.data.notes import Notes, read_notes
from medley.data.source import NotesConfig, Source, cache_folder
from medley.evaluation.notes_audit.audit import VERSION, audit_notes
from medley.evaluation.notes_audit.budget import MACRO
from medley.evaluation.notes_audit.given import film_thumbnails, subject_of
from medley.evaluation.notes_audit.subject import NOT_APPLICABLE

LEAKY = "seed_leaky"


def audit_before_training(source: Source, seed: int, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """The verdict (`Audit.as_json`) on the notes of a source, `{}` where the recipe reads none.

    Raises MedleyError naming the checks where they fail and `data.notes.i_know_this_leaks` is not set, and where real
    notes are asked of a generated table that has no text. What real text fails by its nature is said and does not stop.
    """
    notes = source.config.notes
    if notes.regime == "none":
        return {}
    _refuse_nothing_real(source)
    kept = cache_folder() / "audits" / f"{_digest(source, seed)}.json"
    if kept.is_file():
        verdict = read_json(kept)
    else:
        verdict = audit_source(source, seed)
        write_json(kept, verdict)
    if verdict["stops_training"] or notes.regime == LEAKY:
        why = f"check {_named(verdict, verdict['stops_training']) or 'none'}{_over_the_budget(verdict)}"
        if not notes.i_know_this_leaks:
            raise MedleyError(
                f"notes of regime '{notes.regime}' give labels away: the audit fails {why}; the table is {kept}; mend "
                f"the notes, {_raise_the_budget(verdict)}or train all the same with --i-know-this-leaks, which marks "
                "the run"
            )
        say(f"notes audit: failed {why}; training all the same, and the run is marked as leaky")
    elif verdict["failed"]:
        named = _named(verdict, verdict["failed"])
        say(
            f"notes audit: real text fails check {named}; it is recorded in audit.json and does not stop the "
            f"training{_unmade(verdict)}"
        )
    elif verdict["passed"] is None:
        say("notes audit: no study has a note, so there is nothing to audit, and the model learns from films alone")
    else:
        say(f"notes audit: passed{_unmade(verdict)}")
    return verdict


def is_leaky(notes: NotesConfig, verdict: dict[str, Any]) -> bool:
    """Whether a run on these notes carries the mark: they failed what stops a training, or are the positive control."""
    return notes.regime == LEAKY or bool(verdict and verdict["stops_training"])


def audit_source(source: Source, seed: int) -> dict[str, Any]:
    """Audit the notes of an opened source with the static checks."""
    config = source.config.notes
    rule = read_notes(config.file) if config.file else config
    subject = subject_of(
        source.table.cases,
        source.labels,
        Notes(rule.regime, rule.strength, rule.seed, "", source.notes),
        {part: [case.case_id for case in cases] for part, cases in source.parts.items()},
        seed,
    )
    films = film_thumbnails(subject, lambda case: source.images.first_images([case])[0])
    about = {"table": source.table.digest, "split": source.manifest.digest, **config.model_dump(mode="json")}
    return audit_notes(subject, config.leak_budget, thumbnails=films, about=about).as_json()


def _refuse_nothing_real(source: Source) -> None:
    """Nobody wrote about a patient who was drawn: a recipe that asks for real notes there, or forgot to say which,
    would train without any and call them real."""
    if source.config.notes.regime != "real" or any(source.notes.values()):
        return
    if all(case.synthetic for case in source.table.cases):
        raise MedleyError(
            f"{source.table.path}: data.notes.regime is 'real', and this table is generated and has no "
            f"{', '.join(INPUT_SECTIONS)}: nothing real can be there; say data.notes.regime: sim (simulated notes) or "
            "none (films alone)"
        )


def _named(verdict: dict[str, Any], numbers: list[int]) -> str:
    return ", ".join(f"{row['number']} ({row['name']})" for row in verdict["checks"] if row["number"] in numbers)


def _unmade(verdict: dict[str, Any]) -> str:
    """The leak budget could not be looked at: that is no pass, and the one who trains should know."""
    row = next(row for row in verdict["checks"] if row["number"] == 2)
    return f", but check 2 ({row['name']}) could not be made: {row['found']}" if row["status"] == NOT_APPLICABLE else ""


def _over(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    """What check 2 found above the leak budget, the worst first; empty where that does not stop the training."""
    if 2 not in verdict["stops_training"]:
        return []
    return next(row["details"]["over"] for row in verdict["checks"] if row["number"] == 2)


def _over_the_budget(verdict: dict[str, Any]) -> str:
    over = _over(verdict)
    if not over:
        return ""
    worst = over[0]
    interval = " [{:.3f}, {:.3f}]".format(*worst["ci95"]) if worst["ci95"] else ""
    more = f", and {len(over) - 1} more" if len(over) > 1 else ""
    what = "the labels (macro)" if worst["of"] == MACRO else worst["of"]
    found = f"the probe '{worst['probe']}' tells {what} from the text alone with AUROC {worst['value']:.3f}{interval}"
    return f": {found}, over {worst['budget']} {worst['bound']:g}{more}"


def _raise_the_budget(verdict: dict[str, Any]) -> str:
    """The way on that is open where nothing but the budget stops the training."""
    if verdict["stops_training"] != [2]:
        return ""
    keys = " and ".join(dict.fromkeys(one["budget"] for one in _over(verdict)))
    return f"raise {keys} on purpose, which the run records, "


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
