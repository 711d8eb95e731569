"""Controls: the labels are shuffled and nothing else is, and a training on them learns nothing."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

import medley
from medley.core.records import Case
from medley.data.cases import read_cases
from medley.data.source import DataConfig, NotesConfig, open_source
from medley.evaluation.predictions.lines import read_predictions
from medley.serving.scoring import run as scoring
from medley.serving.scoring.controls import shuffle_labels, shuffled_recipe
from medley.training.recipe import resolve_recipe


def cases(*studies: int) -> list[Case]:
    """Patients with so many studies; a label says whose and which study it is."""
    return [
        Case(f"{patient}-{i}", f"patient {patient:02d}", str(i), labels={"Edema": float(10 * patient + i)})
        for patient, count in enumerate(studies)
        for i in range(count)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_every_patient_gets_the_labels_of_one_other(seed):
    given = cases(1, 2, 3, 1, 2, 1, 4)
    moved = shuffle_labels(given, seed)
    assert [(case.case_id, case.patient_id) for case in moved] == [(case.case_id, case.patient_id) for case in given]
    of_patient: dict[str, set[int]] = {}
    for case in moved:
        of_patient.setdefault(case.patient_id, set()).add(int(case.labels["Edema"]) // 10)
    assert all(len(sources) == 1 for sources in of_patient.values()), "studies of one patient stay together"
    assert {min(sources) for sources in of_patient.values()} == set(range(7)), "each patient lends once"
    assert all(int(patient[-2:]) not in sources for patient, sources in of_patient.items()), "none keeps his own"
    assert shuffle_labels(given, seed) == moved


def test_the_test_part_the_films_and_the_notes_stay(toy_run, tmp_path):
    predictor = medley.load(toy_run)
    own = scoring.own_source(predictor)
    recipe = shuffled_recipe(predictor.recipe, own, tmp_path)
    table = read_cases(tmp_path / "cases.parquet")
    shuffled = open_source(recipe.data, predictor.reads)
    assert shuffled.manifest.parts == own.manifest.parts
    assert dict(shuffled.notes) == dict(own.notes)
    assert all(image.path for case in table.cases for image in case.images)
    changed = {case.case_id for case in table.cases if case.labels != own.table.by_id[case.case_id].labels}
    assert not changed & {case.case_id for case in own.parts["test"]}
    learned = {case.case_id for part in ("train", "dev") for case in own.parts[part]}
    assert len(changed) > len(learned) / 3


def test_simulated_notes_stay_those_of_the_true_labels(toy_run, tmp_path):
    """A note that is drawn from the labels would otherwise follow the shuffled ones, and teach what holds in test."""
    predictor = medley.load(toy_run)
    data = predictor.recipe.data.model_copy(update={"notes": NotesConfig(regime="sim", seed=3)})
    recipe = predictor.recipe.model_copy(update={"data": data})
    own = open_source(data, predictor.reads)
    shuffled = open_source(shuffled_recipe(recipe, own, tmp_path).data, predictor.reads)
    assert dict(shuffled.notes) == dict(own.notes)
    assert any(own.notes.values())


def test_the_recipe_of_the_control_is_read_again_as_it_was_written(toy_run, tmp_path):
    """Also that of a cohort with a demo, whose number of cases does not fit a table."""
    predictor = medley.load(toy_run)
    own = scoring.own_source(predictor)
    cohort = DataConfig(cohort="cxr_reasoner", cases=20)
    recipe = predictor.recipe.model_copy(update={"data": cohort, "demo": {"data": {"cases": 8}}})
    made = shuffled_recipe(recipe, own, tmp_path)
    assert resolve_recipe(made.model_dump(mode="json"), "again") == made


def test_a_training_on_shuffled_labels_is_a_floor_of_the_scorecard(toy_run, tmp_path):
    run = Path(shutil.copytree(toy_run, tmp_path / "run"))
    predictor = medley.load(run)
    own = scoring.own_source(predictor)
    out = run / "evaluation"
    card = scoring.evaluate_run(predictor, own, "test", out, "test", own=own, controls=True).card
    lines = read_predictions(out / "floors" / "label_shuffled.jsonl")
    assert {line.case_id for line in lines} == {case.case_id for case in own.parts["test"]}
    by_id = own.table.by_id
    assert all(dict(line.labels) == own.known_labels(by_id[line.case_id]) for line in lines), "scored on the true ones"
    value = card.floors["label_shuffled"]["auroc_macro"]
    assert value is None or math.isfinite(value)
    assert "fused_minus_label_shuffled/auroc_macro" in card.metrics
    weights = next((run / "controls" / "label_shuffled" / "run").glob("*/weights.safetensors"))
    written = weights.stat().st_mtime_ns
    scoring.evaluate_run(predictor, own, "test", out, "test", own=own, controls=True)
    assert weights.stat().st_mtime_ns == written, "a finished control is read again"
