"""Check 2: what breaks the leak budget, how much evidence that takes of real text, and where no probe can be fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medley.core.records import Case
from medley.core.seeds import generator
from medley.data.source import LeakBudget
from medley.evaluation.notes_audit.audit import audit_notes
from medley.evaluation.notes_audit.aurocs import UNFITTED
from medley.evaluation.notes_audit.budget import text_in_budget
from medley.evaluation.notes_audit.probes import fit_probe, fit_text_probes, patient_folds
from medley.evaluation.notes_audit.readers import outside
from medley.evaluation.notes_audit.subject import Subject

LABELS = tuple(f"finding {name}" for name in "abcdefgh")


def clinic(studies: int, told: float, seed: int = 0, regime: str = "real") -> Subject:
    """Patients with two studies each; of those with a finding the share `told` say its symptom, of others 15 %."""
    rng = generator("clinic", seed)
    cases, notes = [], {}
    for i in range(studies):
        labels = {label: float(rng.random() < 0.25) for label in LABELS}
        words = [f"symptom{label[-1]}" for label in LABELS if rng.random() < (told if labels[label] else 0.15)]
        words += [f"word{j}" for j in rng.integers(30, size=5)]
        cases.append(Case(f"c{i}", f"p{i // 2}", str(i % 2), labels=labels))
        notes[f"c{i}"] = " ".join(rng.permutation(words))
    return Subject(tuple(cases), LABELS, notes, regime)


def check_2(subject: Subject, budget: LeakBudget | None = None):
    return text_in_budget(subject, fit_text_probes(subject), budget or LeakBudget())


@pytest.mark.parametrize("seed", range(4))
def test_a_small_honest_table_of_real_notes_is_not_stopped_by_chance(seed):
    assert check_2(clinic(60, told=0.4, seed=seed)).status == "passed"


def test_real_text_breaks_the_budget_by_evidence_and_generated_text_by_its_value():
    """The same words and the same value, a little above the budget, with an interval that reaches below."""
    real = clinic(240, told=0.5)
    macro = check_2(real).details["macro"]["words"]
    budget = LeakBudget(macro=macro["value"] - 0.005, label=1)
    assert macro["ci95"][0] < budget.macro
    row = check_2(real, budget)
    assert row.status == "passed"
    assert f"above the budget by value and not by interval: words: macro {macro['value']:.3f}" in row.found
    assert row.details["over"] == []
    assert check_2(replace(real, regime="sim"), budget).status == "failed"
    assert check_2(real, LeakBudget(macro=macro["ci95"][0] - 0.02, label=1)).status == "failed"


def test_real_text_that_tells_is_stopped_on_sixty_notes():
    subject = clinic(60, told=0.4)
    notes = {case.case_id: f"{subject.notes[case.case_id]} {'x' if case.labels[LABELS[1]] else 'y'}"
             for case in subject.cases}  # fmt: skip
    row = check_2(replace(subject, notes=notes))
    assert row.status == "failed"
    worst = row.details["over"][0]
    assert (worst["of"], worst["budget"], worst["bound"]) == (LABELS[1], "data.notes.leak_budget.label", 0.85)
    assert worst["ci95"][0] > 0.85
    assert (row.value, row.bound) == (worst["value"], 0.85), "the row shows what failed, not the macro that did not"
    assert 2 in [one.number for one in audit_notes(replace(subject, notes=notes)).stopping]


def test_beside_a_generated_film_nothing_is_real_text():
    real = clinic(60, told=0.4)
    drawn = replace(real, cases=tuple(replace(case, synthetic=True) for case in real.cases))
    named = {**real.notes, "c3": "evaluate for pneumonia"}
    told, stopped = (audit_notes(replace(one, notes=named)) for one in (real, drawn))
    assert [row.number for row in told.stopping] == []
    assert 1 in [row.number for row in stopped.stopping]
    assert (told.about["synthetic"], stopped.about["synthetic"]) == (0, 60)
    films_only = replace(real, cases=(*real.cases, Case("d", "d", "1", synthetic=True)), notes={**named, "d": None})
    assert films_only.of_real_text, "a generated film without a note changes nothing"


def test_a_label_that_no_probe_could_be_fitted_for_is_not_a_half():
    """All positives are one patient's: without that patient there is none to learn from."""
    cases = tuple(
        Case(
            f"c{i}",
            "ill" if i < 12 else f"p{i}",
            str(i),
            labels={"Edema": float(i < 12), "Fracture": float(i % 3 == 0)},
        )
        for i in range(90)
    )
    notes = {case.case_id: "leg swelling" if case.labels["Edema"] else f"cough {i % 7}" for i, case in enumerate(cases)}
    both = Subject(cases, ("Edema", "Fracture"), notes, "real")
    row = check_2(both)
    assert row.status == "passed"
    assert row.details["not_judged"]["Edema"] == UNFITTED
    assert list(row.details["labels"]["words"]) == ["Fracture"]
    alone = check_2(replace(both, labels=("Edema",)))
    assert (alone.status, alone.value) == ("not applicable", None)
    assert UNFITTED in alone.found
    assert audit_notes(replace(both, labels=("Edema",))).as_json()["checks"][1]["status"] == "not applicable"


def test_probes_say_nan_where_they_know_nothing():
    labels_NL = np.array([[1.0, i % 2] for i in range(20)])
    fold_N = patient_folds([str(i) for i in range(20)], seed=0)
    from sklearn.preprocessing import StandardScaler

    texts = ["cough", "fever for days"] * 10
    scores_NL = fit_probe(StandardScaler(), outside(texts), labels_NL, fold_N).score(outside(texts))
    assert np.isnan(scores_NL[:, 0]).all()
    assert np.isfinite(scores_NL[:, 1]).all()


def test_a_handful_of_notes_is_too_few_for_a_probe():
    subject = clinic(100, told=0.4)
    few = {case.case_id: subject.notes[case.case_id] if i < 19 else None for i, case in enumerate(subject.cases)}
    row = check_2(replace(subject, notes=few))
    assert (row.status, row.found) == ("not applicable", "19 of 100 studies have a note; probes need 20")


def test_one_patient_is_not_judged():
    subject = clinic(80, told=1.0)
    alone = replace(
        subject, cases=tuple(replace(case, patient_id="p", study_id=case.case_id) for case in subject.cases)
    )
    assert check_2(alone).status == "not applicable"


def test_words_that_say_nothing_do_not_rank_the_folds():
    """Where a fold has more of the sick, the others have fewer: that alone gave 0.2 to 0.4 where there is nothing."""
    macros = [check_2(clinic(60, told=0.15, seed=seed)).details["macro"]["words"]["value"] for seed in range(8)]
    assert np.mean(macros) == pytest.approx(0.5, abs=0.04)
