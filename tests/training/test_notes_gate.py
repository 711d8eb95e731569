"""Before training on notes they are audited: what gives the labels away stops it, and what is trained all the same is
marked for good."""

from __future__ import annotations

import json

import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case, FilmInput
from medley.data.cases import write_cases
from medley.data.source import NotesConfig, open_source
from medley.data.splits import make_split, write_splits
from medley.training import notes_gate
from medley.training.notes_gate import audit_before_training, is_leaky
from medley.training.stages import train


@pytest.fixture(scope="module")
def many_squares(tmp_path_factory, draw_squares):
    """240 square films, each read as two patients' studies with its labels: enough to judge notes by."""
    folder = tmp_path_factory.mktemp("many squares")
    small = draw_squares(folder, 120)
    rows = [
        Case(f"{case.case_id}-{copy}", f"{case.patient_id}-{copy}", case.case_id, case.images, {}, case.labels)
        for case in small.cases
        for copy in range(3)
    ]
    relative = [
        Case(**{**vars(row), "images": tuple(type(i)(i.view, i.path.split("/")[-1], i.sha256) for i in row.images)})
        for row in rows
    ]
    table = write_cases(folder / "cases.parquet", relative, small.labels)
    write_splits(folder / "splits.json", make_split(table, seed=1, fractions=(0.7, 0.15, 0.15)))
    return folder


@pytest.fixture
def recipe(toy_recipe, many_squares):
    def build(**notes):
        paths = {"cases": str(many_squares / "cases.parquet"), "splits": str(many_squares / "splits.json")}
        return toy_recipe(data={**paths, "notes": notes}, stages={"joint": {"epochs": 1, "batch": 64}})

    return build


def test_leaky_notes_are_not_trained_on(recipe, tmp_path):
    with pytest.raises(MedleyError) as caught:
        train(recipe(regime="seed_leaky"), tmp_path / "run")
    message = str(caught.value)
    assert (
        "notes of regime 'seed_leaky' give labels away: the audit fails check 1 (no note names a finding), 2" in message
    )
    assert "8 (order of the label columns)" in message
    assert "--i-know-this-leaks, which marks the run" in message
    assert "\n" not in message
    assert not (tmp_path / "run").exists()


def test_who_knows_may_and_the_run_is_marked(recipe, tmp_path):
    said = []
    known = recipe(regime="seed_leaky", i_know_this_leaks=True)
    run = train(known, tmp_path / "run", say=said.append)
    assert json.loads((run / "data.json").read_text())["leaky"] is True
    assert {1, 2, 8} <= set(json.loads((run / "audit.json").read_text())["stops_training"])
    assert any("marked as leaky" in line for line in said)
    assert "i_know_this_leaks: true" in (run / "config.yaml").read_text()
    train(known, run, resume=True)  # going on needs no more than the recipe that began it
    from medley.serving.predictor import load

    assert load(run).facts["leaky"] is True


def test_simulated_notes_are_trained_on_and_their_verdict_is_kept(recipe, tmp_path, monkeypatch):
    run = train(recipe(regime="sim"), tmp_path / "run")
    verdict = json.loads((run / "audit.json").read_text())
    assert verdict["passed"]
    assert verdict["about"]["leak_budget"] == {"macro": 0.7, "label": 0.85}
    assert json.loads((run / "data.json").read_text())["leaky"] is False
    monkeypatch.setattr(notes_gate, "audit_source", lambda *_: pytest.fail("audited twice"))
    assert _audit(recipe(regime="sim")) == verdict
    with pytest.raises(pytest.fail.Exception, match="audited twice"):  # another budget is another question
        _audit(recipe(regime="sim", leak_budget={"macro": 0.5, "label": 0.85}))


def _audit(recipe, say=lambda _: None):
    return audit_before_training(open_source(recipe.data, FilmInput(48, 2)), recipe.seed, say)


@pytest.fixture
def with_text(toy_recipe, draw_squares, tmp_path):
    """Builds the recipe of 60 square films whose notes are told(case) and nothing else."""

    def build(told, synthetic=False, **notes):
        small = draw_squares(tmp_path, 60)
        rows = []
        for case in small.cases:
            images = tuple(type(i)(i.view, i.path.split("/")[-1], i.sha256) for i in case.images)
            text = {"indication": told(case)} if told(case) else {}
            rows.append(Case(**{**vars(case), "images": images, "text": text, "synthetic": synthetic}))
        table = write_cases(tmp_path / "cases.parquet", rows, small.labels)
        write_splits(tmp_path / "splits.json", make_split(table, seed=1, fractions=(0.6, 0.2, 0.2)))
        paths = {"cases": str(tmp_path / "cases.parquet"), "splits": str(tmp_path / "splits.json")}
        stages = {"joint": {"epochs": 1, "batch": 64}}
        return toy_recipe(data={**paths, "notes": {"regime": "real", **notes}}, stages=stages)

    return build


def some_name_findings(case: Case) -> str:
    """As real indications do: whoever asks names what is looked for, found or not."""
    return "eval for fracture" if int(case.patient_id[-3:]) % 3 == 0 else "cough"


def written_after_the_film(case: Case) -> str:
    return "fell and broke a rib" if case.labels["Fracture"] else "cough"


def test_real_text_that_names_findings_is_told_and_does_not_stop(with_text):
    said = []
    verdict = _audit(with_text(some_name_findings), said.append)
    assert verdict["failed"] == [1, 11]
    assert verdict["stops_training"] == []
    assert "does not stop the training" in said[0]
    assert not is_leaky(NotesConfig(regime="real"), verdict)


def test_real_text_that_breaks_the_leak_budget_is_not_trained_on(with_text, tmp_path):
    """One line: which label, by which probe, how much, the budget, and the three ways on."""
    with pytest.raises(MedleyError) as caught:
        train(with_text(written_after_the_film), tmp_path / "run")
    message = str(caught.value)
    assert "the audit fails check 2 (text alone stays in the budget): the probe '" in message
    assert (
        "' tells Fracture from the text alone with AUROC 1.000 [1.000, 1.000], over data.notes.leak_budget.label 0.85"
        in message
    )
    assert "mend the notes, raise data.notes.leak_budget.label on purpose, which the run records, or train" in message
    assert "--i-know-this-leaks, which marks the run" in message
    assert "\n" not in message
    assert not (tmp_path / "run").exists()


def test_a_budget_that_was_raised_on_purpose_lets_it_train_and_is_in_the_run(with_text, tmp_path):
    run = train(with_text(written_after_the_film, leak_budget={"label": 1.0}), tmp_path / "run")
    assert "label: 1.0" in (run / "config.yaml").read_text()
    verdict = json.loads((run / "audit.json").read_text())
    assert verdict["about"]["leak_budget"]["label"] == 1.0
    assert json.loads((run / "data.json").read_text())["leaky"] is False


def test_who_knows_may_train_on_real_text_that_leaks_and_the_run_is_marked(with_text, tmp_path):
    said = []
    run = train(with_text(written_after_the_film, i_know_this_leaks=True), tmp_path / "run", say=said.append)
    assert json.loads((run / "data.json").read_text())["leaky"] is True
    assert any("over data.notes.leak_budget.label 0.85" in line and "marked as leaky" in line for line in said)


def test_real_notes_of_a_generated_table_are_refused_where_there_is_no_text(with_text):
    with pytest.raises(MedleyError, match=r"regime is 'real', and this table is generated and has no indication.*sim"):
        _audit(with_text(lambda _: None, synthetic=True))


def test_text_of_a_generated_table_is_judged_as_generated(with_text):
    with pytest.raises(MedleyError, match=r"fails check 1 \(no note names a finding\)"):
        _audit(with_text(some_name_findings, synthetic=True))


def test_no_note_in_a_real_table_is_said_and_is_no_pass(with_text):
    said = []
    assert _audit(with_text(lambda _: None), said.append)["passed"] is None
    assert said == [
        "notes audit: no study has a note, so there is nothing to audit, and the model learns from films alone"
    ]


def test_no_notes_no_audit(recipe):
    assert _audit(recipe(regime="none")) == {}


def test_the_leaky_control_needs_the_word_even_where_it_is_too_small_to_fail(toy_recipe, draw_squares, tmp_path):
    small = draw_squares(tmp_path, 12)
    healthy = [
        Case(**{**vars(case), "labels": dict.fromkeys(case.labels, 0.0), "text": {}, "images": tuple(
            type(i)(i.view, i.path.split("/")[-1], i.sha256) for i in case.images)})
        for case in small.cases
    ]  # fmt: skip
    table = write_cases(tmp_path / "cases.parquet", healthy, small.labels)
    write_splits(tmp_path / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.5, 0.25, 0.25)))
    paths = {"cases": str(tmp_path / "cases.parquet"), "splits": str(tmp_path / "splits.json")}
    with pytest.raises(MedleyError, match="the audit fails check none"):
        _audit(toy_recipe(data={**paths, "notes": {"regime": "seed_leaky"}}))
