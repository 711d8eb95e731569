"""The audit as a whole: notes written from the labels fail it, the simulation passes it, with any seed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case
from medley.data.source import LeakBudget
from medley.evaluation.notes_audit.audit import audit_notes
from medley.evaluation.notes_audit.budget import text_in_budget
from medley.evaluation.notes_audit.probes import fit_text_probes
from medley.evaluation.notes_audit.subject import FAILED, NAMES, NOT_APPLICABLE, PASSED, Subject


def statuses(audit) -> dict[int, str]:
    return {row.number: row.status for row in audit.rows}


def test_the_leaky_control_fails_1_2_4_and_8(ward):
    audit = audit_notes(ward.subject("seed_leaky"), thumbnails=ward.films)
    found = statuses(audit)
    assert {1, 2, 3, 4, 8} <= {number for number, status in found.items() if status == FAILED}
    assert found[9] == PASSED  # it is seeded: that it leaks is no lack of order
    assert not audit.passed
    assert [row.number for row in audit.stopping] == [row.number for row in audit.failed]
    words = audit.rows[1].details["labels"]["words"]
    assert words["Cardiomegaly"]["value"] > 0.99
    assert words["Enlarged Cardiomediastinum"]["value"] > 0.99


@pytest.mark.parametrize(("strength", "seed"), [(0.0, 1), (1.0, 1), (1.0, 2)])
def test_simulated_notes_pass(ward, strength, seed):
    audit = audit_notes(ward.subject("sim", strength, seed), thumbnails=ward.films)
    assert audit.passed, [(row.number, row.found) for row in audit.failed]
    assert {number for number, status in statuses(audit).items() if status == PASSED} == {1, 2, 3, 4, 8, 9}
    told = audit.rows[1].value
    assert told < 0.56 if strength == 0 else told > 0.51


def test_every_row_says_what_was_found_or_why_not(ward):
    audit = audit_notes(ward.subject("sim"))
    assert [row.number for row in audit.rows] == list(NAMES)
    for row in audit.rows:
        assert row.found
        assert bool(row.advice) == (row.status == FAILED)
    document = json.loads(json.dumps(audit.as_json(), allow_nan=False))
    assert document["checks"][3]["status"] == NOT_APPLICABLE  # no films were given
    assert document["about"]["budget"] == {"macro": 0.7, "label": 0.85}


def test_a_budget_of_nothing_stops_notes_that_tell_a_little(ward):
    subject = ward.subject("sim")
    assert text_in_budget(subject, fit_text_probes(subject), LeakBudget(macro=0.5, label=0.85)).status == FAILED


def test_without_notes_there_is_nothing_to_audit(ward):
    audit = audit_notes(ward.subject("none"))
    assert audit.passed is None, "not applicable is not the same as passed"
    assert set(statuses(audit).values()) == {NOT_APPLICABLE}


@pytest.mark.parametrize(("count", "regime"), [(1, "seed_leaky"), (12, "sim"), (12, "seed_leaky")])
def test_a_handful_of_studies_is_not_judged_by_chance(ward, count, regime):
    whole = ward.subject(regime)
    few = Subject(ward.cases[:count], whole.labels, whole.notes, regime, whole.regenerate)
    found = statuses(audit_notes(few, thumbnails=ward.films))
    assert found[2] == found[3] == found[4] == NOT_APPLICABLE
    assert found[9] == PASSED


def test_one_patient_and_labels_that_nobody_knows(ward):
    alone = tuple(Case(c.case_id, "p", str(i), labels=c.labels) for i, c in enumerate(ward.cases[:60]))
    subject = Subject(alone, ("Edema",), dict.fromkeys((c.case_id for c in alone), "cough"), "real")
    assert audit_notes(subject).passed
    unknown = tuple(Case(c.case_id, c.patient_id, c.study_id, labels={"Edema": np.nan}) for c in ward.cases[:60])
    subject = Subject(unknown, ("Edema",), dict.fromkeys((c.case_id for c in unknown), "cough"), "real")
    assert statuses(audit_notes(subject))[2] == NOT_APPLICABLE


def test_notes_of_another_table_are_refused(ward):
    with pytest.raises(MedleyError, match=r"lack 400 of 400 cases, first 'c0000'; make them for this table"):
        Subject(ward.cases, ("Edema",), {"x": None}, "sim")
    with pytest.raises(MedleyError, match="no case, or no label"):
        Subject((), ("Edema",), {}, "sim")


def test_labels_of_the_test_part_are_never_looked_at(ward):
    """Turned over in test, they change no verdict."""
    ids = [case.case_id for case in ward.cases]
    parts = {"train": tuple(ids[:240]), "dev": tuple(ids[240:280]), "test": tuple(ids[280:])}
    whole = ward.subject("sim", parts=parts)
    turned = tuple(
        case if case.case_id not in parts["test"] else
        Case(**{**vars(case), "labels": {name: 1 - value for name, value in case.labels.items()}})
        for case in ward.cases
    )  # fmt: skip
    other = Subject(turned, whole.labels, whole.notes, "sim", whole.regenerate, parts)
    first, second = (audit_notes(one, thumbnails=ward.films).as_json()["checks"] for one in (whole, other))
    assert first == second
