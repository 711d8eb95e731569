"""The audit: all eleven checks of the notes of a case table, in order, and what they say together.

Static checks (1 to 4, 8 to 11) need the table, the notes and, for check 4, small pictures of the films. Checks 5 to 7,
and the better form of 4 and 11, need a trained model's answers (`behaviour.Trials`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medley.data.source import LeakBudget
from medley.evaluation.notes_audit.behaviour import NO_RUN, Trials, audit_trials, naming_strata
from medley.evaluation.notes_audit.budget import text_in_budget
from medley.evaluation.notes_audit.information import no_codes
from medley.evaluation.notes_audit.lexicon import lexicon_scan, naming_notes, naming_real_text
from medley.evaluation.notes_audit.overlap import overlap
from medley.evaluation.notes_audit.probes import fit_text_probes
from medley.evaluation.notes_audit.regeneration import column_order, one_note_a_study, permuted_labels
from medley.evaluation.notes_audit.subject import FAILED, NAMES, NOT_APPLICABLE, Row, Subject, not_applicable

VERSION = 2  # of the checks; a verdict of another version is not taken from the cache
# A real indication does name what it asks for, and cannot be unwritten: that is told, and does not stop training. How
# much of the labels the text tells in all (check 2) does, whoever wrote it.
_TOLD_OF_REAL_TEXT = frozenset({1, 3, 9, 11})


@dataclass(frozen=True)
class Audit:
    """Eleven rows, and what they are about."""

    rows: tuple[Row, ...]
    about: Mapping[str, Any]  # regime, strength, seed, table, split, studies, budget
    of_real_text: bool

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if row.status == FAILED]

    @property
    def stopping(self) -> list[Row]:
        """The failed rows that stop a training with these notes; of real text only checks 2 and 10 do."""
        return [row for row in self.failed if not (self.of_real_text and row.number in _TOLD_OF_REAL_TEXT)]

    @property
    def passed(self) -> bool | None:
        """None where no check could be made: there were no notes to look at."""
        made = [row for row in self.rows if row.status != NOT_APPLICABLE]
        return not self.failed if made else None

    def as_json(self) -> dict[str, Any]:
        """What `audit.json` holds."""
        return {
            "passed": self.passed,
            "failed": [row.number for row in self.failed],
            "stops_training": [row.number for row in self.stopping],
            "about": dict(self.about),
            "checks": [row.as_json() for row in self.rows],
            "version": VERSION,
        }


def audit_notes(
    subject: Subject,
    budget: LeakBudget | None = None,
    *,
    thumbnails: Mapping[str, np.ndarray] | None = None,
    trials: Trials | None = None,
    bert: Path | None = None,
    about: Mapping[str, Any] | None = None,
) -> Audit:
    """Make every check that can be made; the others are `not applicable`, with the reason.

    `thumbnails` has rows of `floors.thumbnails` by case_id, `bert` is the folder of a BERT to probe with, `about` is
    kept beside the verdict. Raises MedleyError where the notes do not belong to the table.
    """
    budget = budget or LeakBudget()
    facts = {"regime": subject.regime, "studies": len(subject.cases), "labelled": len(subject.labelled)}
    facts |= {"synthetic": sum(case.synthetic for case in subject.cases)}
    facts |= {"budget": budget.model_dump(), "audit_seed": subject.seed, **(about or {})}
    if not any(subject.notes[case.case_id] for case in subject.cases):
        rows = [not_applicable(number, "no study has a note") for number in NAMES]
        return Audit(tuple(rows), facts, subject.of_real_text)
    naming = naming_notes(subject)
    probes = fit_text_probes(subject, bert)
    found = {1: lexicon_scan(subject, naming), 2: text_in_budget(subject, probes, budget), 3: no_codes(subject)}
    asked = {number: not_applicable(number, NO_RUN) for number in (5, 6, 7)}
    found[11] = naming_real_text(subject, naming)
    if trials is not None:
        asked |= audit_trials(trials, subject.labels, budget, subject.seed, not subject.of_real_text)
        if subject.regime == "real":
            found[11] = naming_strata(found[11], subject, trials, naming)
    if 4 not in asked:
        asked[4] = permuted_labels(subject, probes, thumbnails, budget)
    found |= asked | {8: column_order(subject), 9: one_note_a_study(subject), 10: overlap(subject)}
    return Audit(tuple(found[number] for number in NAMES), facts, subject.of_real_text)
