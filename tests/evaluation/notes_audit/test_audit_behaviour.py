"""Checks 4 to 7 and 11 of a model: a system that trusts leaky notes fails each, one that weighs honest ones passes."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.records import Case, Prediction
from medley.core.seeds import generator
from medley.data.source import LeakBudget
from medley.evaluation.notes_audit.behaviour import Trials, audit_trials, balanced, naming_strata
from medley.evaluation.notes_audit.lexicon import naming_real_text
from medley.evaluation.notes_audit.subject import Subject
from medley.evaluation.ranking import auroc

LABELS = ("Edema", "Fracture", "Pneumonia")
STUDIES = 700


def trials(note_distance: float, heads: bool = True, **wrong: float) -> Trials:
    """A system that adds film (d' 1.5) and note (d' `note_distance`), each by what it knows; `wrong` adds noise where
    there is no note (`no_note`), or one for all (`canned`)."""
    rng = generator("trials")
    y = (rng.random((STUDIES, len(LABELS))) < 0.3).astype(float)
    film = 1.5 * y + rng.normal(size=y.shape)
    note = note_distance * y + rng.normal(size=y.shape)
    other = rng.permutation(note)
    kinds = {
        "own": (film, note),
        "swapped": (film, other),
        "permuted": (film, other),
        "no_note": (film, wrong.get("no_note", 0.0) * rng.normal(size=y.shape)),
        "canned": (film, wrong.get("canned", 0.0) * rng.normal(size=y.shape)),
        "grey": (0 * film, note),
    }
    found = {}
    for name, (seen, read) in kinds.items():
        p = 1 / (1 + np.exp(-(1.5 * seen + note_distance * read - 1.5)))
        found[name] = [
            Prediction(
                f"c{i}",
                f"p{i // 2}",
                "chest_findings",
                scores=dict(zip(LABELS, map(float, p[i]), strict=True)),
                labels=dict(zip(LABELS, map(int, y[i]), strict=True)),
                heads={
                    "image_only": dict(zip(LABELS, map(float, film[i]), strict=True)),
                    "text_only": dict(zip(LABELS, map(float, note[i]), strict=True)),
                }
                if heads
                else {},
            )
            for i in range(STUDIES)
        ]
    return Trials(found, dict.fromkeys(LABELS, 0.5))


@pytest.mark.parametrize("heads", [True, False])
def test_a_system_that_weighs_a_note_within_the_budget_passes(heads):
    rows = audit_trials(trials(0.7, heads), LABELS, LeakBudget(), 0)
    assert {number: row.status for number, row in rows.items()} == dict.fromkeys((4, 5, 6, 7), "passed")
    assert 0 < rows[5].details["flip_rate"] < 0.5
    assert 0.6 < rows[7].value < 0.7


def test_a_system_on_leaky_notes_fails_4_5_and_7():
    rows = audit_trials(trials(4.0), LABELS, LeakBudget(), 0)
    assert {number for number, row in rows.items() if row.status == "failed"} >= {4, 5, 7}
    assert rows[7].value > 0.95
    assert rows[5].value > 0.2


def test_a_system_that_cannot_read_without_a_note_fails_6():
    for change in ("no_note", "canned"):
        rows = audit_trials(trials(0.7, **{change: 6.0}), LABELS, LeakBudget(), 0)
        assert rows[6].status == "failed", change
        assert rows[5].status == rows[7].status == "passed"


def test_too_few_positives_are_not_judged():
    few = trials(0.7)
    some = {name: predictions[:12] for name, predictions in few.predictions.items()}
    rows = audit_trials(Trials(some, {}), LABELS, LeakBudget(), 0)
    assert {row.status for row in rows.values()} == {"not applicable"}


def test_one_patient_gives_no_interval_and_no_verdict():
    import dataclasses

    made = trials(4.0)
    alone = {n: [dataclasses.replace(p, patient_id="p") for p in some] for n, some in made.predictions.items()}
    rows = audit_trials(Trials(alone, {}), LABELS, LeakBudget(), 0)
    assert {(row.status, "one patient only" in row.found) for row in rows.values()} == {("not applicable", True)}


def test_where_notes_have_no_rule_check_4_is_left_to_the_others():
    made = trials(0.7)
    without = {name: predictions for name, predictions in made.predictions.items() if name != "permuted"}
    assert set(audit_trials(Trials(without, {}), LABELS, LeakBudget(), 0)) == {5, 6, 7}


def test_balanced_pre_test_probability_takes_the_text_away():
    rng = generator("balance")
    y = (rng.random((4000, 1)) < 0.3).astype(float)
    text = 1.2 * y + rng.normal(size=y.shape)
    kept = balanced(y, text, seed=0)
    chosen = ~np.isnan(kept[:, 0])
    assert kept[chosen].mean() == 0.5
    assert chosen.sum() > 500
    assert float(auroc(y[:, 0], text[:, 0])) > 0.75
    assert float(auroc(kept[:, 0], text[:, 0])) < 0.56


def test_11_strata_tell_where_the_gain_comes_from():
    made = trials(1.5)
    own = made.predictions["own"]
    naming = {one.case_id: ["edema"] for one in own[:300]}
    cases = tuple(Case(one.case_id, one.patient_id, "1", labels=dict(one.labels)) for one in own)
    subject = Subject(cases, LABELS, {case.case_id: "note" for case in cases}, "real")
    row = naming_strata(naming_real_text(subject, naming), subject, made, naming)
    strata = row.details["strata"]
    assert set(strata) == {"named", "not named", "balanced"}
    assert strata["named"]["own"]["n"] == 300
    assert strata["balanced"]["text"]["value"] < 0.6
    assert strata["not named"]["own - film"]["value"] > 0.03
    assert row.status == "failed"
