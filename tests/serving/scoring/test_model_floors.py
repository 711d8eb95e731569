"""Floors through the Predictor: what is taken away is gone, what is left is the study's own, and the pairs fit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import medley
from medley.core.records import Case, ImageRef
from medley.evaluation.floors.paired import paired_floors
from medley.evaluation.predictions.lines import read_predictions
from medley.evaluation.scorecard.headline import headline
from medley.evaluation.statistics import Metric
from medley.serving.scoring import run as scoring
from medley.serving.scoring.model_floors import model_floors, other_patients
from medley.serving.scoring.probes import film_probes

FLOORS = {"black_images", "shuffled_images", "no_note", "thumbnail_probe", "nearest_neighbour"}


@pytest.fixture(scope="module")
def scored(toy_run, tmp_path_factory):
    """(predictor, source, folder of the scorecard, card) of the toy run."""
    run = Path(shutil.copytree(toy_run, tmp_path_factory.mktemp("floors") / "run"))
    predictor = medley.load(run)
    source = scoring.own_source(predictor)
    scoring.fit_on_dev(predictor, source)
    stale = run / "evaluation" / "floors" / "label_shuffled.jsonl"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier scorecard")
    scored = scoring.evaluate_run(predictor, source, "test", run / "evaluation", "test", own=source)
    return predictor, source, run / "evaluation", scored.card


def answers(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """floor (and `system`) -> case -> scores."""
    files = {file.stem: file for file in (folder / "floors").glob("*.jsonl")} | {"system": folder / "predictions.jsonl"}
    return {name: {p.case_id: dict(p.scores) for p in read_predictions(file)} for name, file in files.items()}


def test_every_floor_is_written_and_none_of_an_earlier_card_stays(scored):
    _, source, folder, card = scored
    found = answers(folder)
    assert set(found) - {"system"} == FLOORS
    assert {"prevalence", "all_negative", "text_only"} | FLOORS == set(card.floors)
    assert all(set(scores) == {case.case_id for case in source.parts["test"]} for scores in found.values())


def test_black_images_leave_only_the_note(scored):
    _, source, folder, _ = scored
    black = answers(folder)["black_images"]
    by_input: dict[tuple, list] = {}
    for case in source.parts["test"]:
        by_input.setdefault((source.notes.get(case.case_id), len(case.images)), []).append(black[case.case_id])
    alike = [group for group in by_input.values() if len(group) > 1]
    assert alike, "studies with the same note and as many films"
    for group in alike:
        for scores in group:
            assert scores == pytest.approx(group[0], abs=1e-5)
    real = answers(folder)["system"]
    assert max(abs(real[c][label] - black[c][label]) for c in real for label in real[c]) > 1e-3


def test_without_notes_only_studies_that_have_one_change(scored):
    _, source, folder, _ = scored
    found = answers(folder)
    for case in source.parts["test"]:
        same = found["no_note"][case.case_id] == pytest.approx(found["system"][case.case_id], abs=1e-6)
        assert same == (source.notes.get(case.case_id) is None)


def test_shuffled_images_are_those_of_another_patient_beside_the_own_note(scored):
    predictor, source, folder, _ = scored
    cases = source.parts["test"]
    donors = other_patients(cases, predictor.recipe.seed)
    assert donors is not None
    shuffled = answers(folder)["shuffled_images"]
    case = next(case for case in cases if len(case.images) == 1 and len(donors[case.case_id].images) == 1)
    study = source.study(case, source.groups(donors[case.case_id])[0])
    [alone] = predictor.predictions([study])
    assert shuffled[case.case_id] == pytest.approx(dict(alone.scores), abs=1e-5)


def patient_cases(*studies: int) -> list[Case]:
    return [
        Case(f"{patient}-{i}", f"patient {patient}", str(i), (ImageRef("PA", f"{patient}-{i}.png"),))
        for patient, count in enumerate(studies)
        for i in range(count)
    ]


@pytest.mark.parametrize("studies", [(1, 1), (3, 1, 1, 1), (5, 1, 2, 2), (4, 4), (2, 7, 3, 2)])
@pytest.mark.parametrize("seed", range(5))
def test_nobody_is_lent_a_film_of_his_own(studies, seed):
    cases = patient_cases(*studies)
    donors = other_patients(cases, seed)
    assert donors is not None
    assert {donor.case_id for donor in donors.values()} == {case.case_id for case in cases}, "each is lent once"
    assert all(donors[case.case_id].patient_id != case.patient_id for case in cases)


def test_a_patient_with_more_than_half_of_the_studies_leaves_no_other(scored):
    assert other_patients(patient_cases(3, 1, 1), 0) is None
    assert other_patients(patient_cases(1), 0) is None


def test_without_any_note_there_is_none_to_take_away(scored):
    predictor, source, _, _ = scored
    floors, absent = model_floors(predictor, replace(source, notes={}), "test")
    assert "no_note" not in floors
    assert "no study has a note" in absent["no_note"]


def test_differences_are_paired_on_the_resamples_of_the_scorecard(scored):
    """text_only as a floor of its own gives the very interval that the head has in the scorecard."""
    predictor, _, folder, card = scored
    system = read_predictions(folder / "predictions.jsonl")
    as_floor = [replace(p, scores=p.heads["text_only"], heads={}) for p in system]
    how = {"bootstrap": predictor.recipe.evaluate.bootstrap, "seed": predictor.recipe.seed}
    found = paired_floors(system, {"note": as_floor}, **how)
    for here, there in (
        ("note/auroc_macro", "text_only/auroc_macro"),
        ("fused_minus_note/auroc_macro", "fused_minus_text_only/auroc_macro"),
    ):
        assert isinstance(found.metrics[here], Metric)
        assert found.metrics[here].value == pytest.approx(card.metrics[there].value)
        assert found.metrics[here].ci95 == pytest.approx(card.metrics[there].ci95)


def test_the_floors_were_resampled_by_the_seed_that_the_card_records(scored):
    """From the files of the folder alone: predictions, floors and the recorded seed give the recorded intervals."""
    _, _, folder, card = scored
    system = read_predictions(folder / "predictions.jsonl")
    floors = {file.stem: read_predictions(file) for file in (folder / "floors").glob("*.jsonl")}
    seed, resamples = card.provenance["bootstrap_seed"], card.provenance["bootstrap"]
    found = paired_floors(system, floors, bootstrap=resamples, seed=seed).metrics
    other = paired_floors(system, floors, bootstrap=resamples, seed=seed + 1).metrics
    assert "fused_minus_black_images/auroc_macro" in found
    assert found == {name: card.metrics[name] for name in found}
    assert any(other[name].ci95 != card.metrics[name].ci95 for name in found)


def test_the_first_line_and_the_page_name_every_floor(scored):
    _, _, folder, card = scored
    said, page = headline(card), (folder / "scorecard.html").read_text(encoding="utf-8")
    for words in ("itself on black images", "itself on another patient", "itself without the note", "the note alone"):
        assert words in said
        assert words.capitalize() in page


def test_floors_that_learn_need_the_data_of_the_training(scored, tmp_path):
    predictor, source, _, _ = scored
    card = scoring.evaluate_run(predictor, source, "test", tmp_path, "test", own=None).card
    assert not {"thumbnail_probe", "nearest_neighbour"} & set(card.floors)
    assert any("the floor thumbnail_probe is missing" in line for line in card.warnings)
    assert card.floors["prevalence"]["auroc_macro"] == 0.5
    assert "brier" not in card.floors["prevalence"], "the constant of the train part is not known"


def test_a_label_that_the_training_knows_one_class_of_is_not_answered(scored):
    _, source, folder, _ = scored
    system = read_predictions(folder / "predictions.jsonl")
    healthy = [replace(case, labels={**case.labels, "Edema": 0.0}) for case in source.parts["train"]]
    train = replace(source, table=replace(source.table, cases=tuple(healthy)))
    train.__dict__["parts"] = {"train": healthy}
    floors = film_probes(train, source, "test", system)
    assert "Edema" not in floors["thumbnail_probe"][0].scores
    found = paired_floors(system, floors, bootstrap=20)
    assert found.floors["thumbnail_probe"]["auroc_macro"] is None
    assert "no answer for Edema" in str(found.metrics["fused_minus_thumbnail_probe/auroc_macro"].error)
    assert found.floors["nearest_neighbour"]["auroc/Edema"] == 0.5, "all train films say no"
    assert np.isfinite(found.metrics["fused_minus_nearest_neighbour/auroc_macro"].value)


def test_the_card_is_the_file(scored):
    _, _, folder, card = scored
    assert json.loads((folder / "scorecard.json").read_text(encoding="utf-8")) == card.as_json()
