"""Leaks in the notes beside the films: `medley notes audit` names the check, and passes honest notes of either kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from leaks_data import Cohort

from medley.core.records import Case
from medley.data.notes import Notes, read_notes, write_notes

NAMING, BUDGET, CODES, OTHER_LABELS, COLUMN_ORDER, SAME_AGAIN, COPIES, REAL_TEXT = 1, 2, 3, 4, 8, 9, 10, 11
ASK_A_MODEL = {5, 6, 7}


@pytest.fixture
def audit(medley, clean) -> Callable:
    """`medley notes audit` on notes of the clean cohort: (exit code, number of the check -> its row)."""

    def run(notes: Path) -> tuple[int, dict[int, dict]]:
        code, said, err = medley("notes", "audit", notes, "--cases", clean.cases, "--splits", clean.splits, "--json")
        assert code in (0, 1), err
        return code, {row["number"]: row for row in json.loads(said)["checks"]}

    return run


@pytest.fixture
def written(medley, clean, tmp_path) -> Callable:
    """`medley notes make`: the file of notes of a regime."""

    def make(regime: str) -> Path:
        path = tmp_path / f"{regime}.jsonl"
        code, _, err = medley("notes", "make", clean.cases, "--regime", regime, "--seed", 5, "--out", path)
        assert code == 0, err
        return path

    return make


def with_status(rows: dict[int, dict], status: str) -> set[int]:
    return {number for number, row in rows.items() if row["status"] == status}


def rewritten(path: Path, clean: Cohort, change: Callable[[Case, str | None], str | None]) -> Path:
    """The notes of a file, changed by change(case, note), as somebody's own file: no rule writes them again."""
    made = read_notes(path)
    notes = {case.case_id: change(case, made.notes[case.case_id]) for case in clean.table.cases}
    write_notes(path.with_name("planted.jsonl"), Notes("real", 1.0, 0, "", notes))
    return path.with_name("planted.jsonl")


@pytest.mark.parametrize(
    ("regime", "looked"),
    [
        ("sim", {NAMING, BUDGET, CODES, OTHER_LABELS, COLUMN_ORDER, SAME_AGAIN, COPIES}),
        ("real", {NAMING, BUDGET, CODES, SAME_AGAIN, COPIES, REAL_TEXT}),  # no rule writes real text from labels
    ],
)
def test_honest_notes_raise_nothing_and_every_tripped_check_has_looked(audit, written, regime, looked):
    code, rows = audit(written(regime))
    assert (code, with_status(rows, "passed")) == (0, looked)
    assert with_status(rows, "not applicable") == set(rows) - looked >= ASK_A_MODEL
    assert set(rows[BUDGET]["details"]["macro"]) == {"words", "outside"}, "both probes could be judged"


def test_a_label_named_in_one_note(audit, written, clean):
    ours = next(case for case in clean.part("test") if case.labels["Cardiomegaly"] == 1)

    def ask(case: Case, note: str | None) -> str | None:
        return "Shortness of breath. Evaluate for cardiomegaly." if case.case_id == ours.case_id else note

    code, rows = audit(rewritten(written("real"), clean, ask))
    assert (code, with_status(rows, "failed")) == (1, {NAMING, REAL_TEXT})
    assert "cardiomegaly" in rows[NAMING]["details"]["examples"][ours.case_id]
    assert list(rows[REAL_TEXT]["details"]["cases"]) == [ours.case_id]


def large_heart(case: Case) -> bool:
    return case.labels["Cardiomegaly"] == 1


def test_a_template_that_switches_with_a_label(audit, written, clean):
    """No note names anything; those of patients with a large heart just have another heading."""

    def head(case: Case, note: str | None) -> str:
        return f"{'Reason' if large_heart(case) else 'Request'}: {note or 'chest radiograph.'}"

    code, rows = audit(rewritten(written("real"), clean, head))
    assert (code, with_status(rows, "failed")) == (1, {BUDGET, CODES})
    assert "<template reason:>" in rows[CODES]["details"]["codes"]["Cardiomegaly"]
    assert "1 labels over 0.85, most Cardiomegaly 0.9" in rows[BUDGET]["found"]


def nothing_to_tell(case: Case, note: str | None) -> str | None:
    return None if large_heart(case) else note or "chest radiograph."


def another_hand(case: Case, note: str | None) -> str:
    note = (note or "chest radiograph.").rstrip(".")
    return f"{note}!!" if large_heart(case) else f"{note}."


@pytest.mark.parametrize("switch", [nothing_to_tell, another_hand])
def test_a_template_that_switches_without_a_word(audit, written, clean, switch):
    """Having no note is a code as well, and so is the punctuation."""
    code, rows = audit(rewritten(written("real"), clean, switch))
    assert (code, with_status(rows, "failed")) == (1, {BUDGET, CODES})
    assert "Cardiomegaly" in rows[CODES]["details"]["codes"]
    assert "outside: macro" in rows[BUDGET]["found"]
    assert "Cardiomegaly 1.000" in rows[BUDGET]["found"]


def test_the_notes_of_the_prototype(audit, written):
    """Written out of the labels, in column order, with a template of their own for the healthy."""
    code, rows = audit(written("seed_leaky"))
    assert code == 1
    assert {NAMING, BUDGET, CODES, OTHER_LABELS, COLUMN_ORDER} <= with_status(rows, "failed")
    assert rows[NAMING]["details"]["words"]["cardiomegaly"] > 20
    assert ": routine" in rows[CODES]["details"]["codes"]["No Finding"]
