"""Floors of written reports: who is copied, from which part, and what the copier knew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import medley
from medley.core.records import target_sections
from medley.evaluation.scorecard.report_kinds import CHEST
from medley.serving.scoring import run as scoring
from medley.serving.scoring.model_floors import model_floors
from medley.serving.scoring.report_floors import report_floors

COPIES = {"most_frequent", "nearest_text", "nearest_image", "nearest_findings"}


@pytest.fixture(scope="module")
def asked(report_run):
    """(predictor, source, the predictions of the test part)."""
    predictor = medley.load(report_run)
    source = scoring.own_source(predictor)
    return predictor, source, scoring.predict_part(predictor, source, "test")


@pytest.fixture(scope="module")
def made(asked):
    predictor, source, predictions = asked
    return report_floors(predictor, source, source, "test", predictions)


def findings(lines) -> dict[str, str]:
    return {one.case_id: one.hypothesis["findings"] for one in lines}


def test_a_prediction_carries_what_its_report_is_held_against(asked):
    _, source, predictions = asked
    assert {one.task for one in predictions} == {"chest_report"}
    for one in predictions:
        case = source.table.by_id[one.case_id]
        assert dict(one.reference) == target_sections(case)
        assert dict(one.labels) == {name: int(value) for name, value in case.labels.items()}
        assert one.truth == {"sides": {found["label"]: found["side"] for found in case.truth["findings"]}}
        assert set(one.scores) == set(source.labels)
        assert one.group["source"] == "squares"


def test_a_section_that_is_not_written_is_not_asked_for(asked):
    predictor, source, _ = asked
    model = {**predictor.recipe.model, "sections": ["findings"]}
    alone = medley.load(predictor.facts["run"])
    alone.recipe = predictor.recipe.model_copy(update={"model": model})
    references = [one.reference for one in scoring.predict_part(alone, source, "test", write=False)]
    assert all(set(reference) == {"findings"} for reference in references)


def test_without_writing_the_findings_are_the_same_and_there_is_no_report(asked):
    predictor, source, predictions = asked
    quick = scoring.predict_part(predictor, source, "test", write=False)
    assert all(not one.hypothesis for one in quick)
    assert [dict(one.scores) for one in quick] == [pytest.approx(dict(one.scores)) for one in predictions]


def test_every_floor_answers_the_same_cases_in_the_sections_they_have(asked, made):
    _, _, predictions = asked
    assert set(made.floors) == COPIES | {"constant_normal"}
    assert set(made.ceilings) == set(CHEST.ceilings)
    for lines in (*made.floors.values(), *made.ceilings.values()):
        assert [one.case_id for one in lines] == [one.case_id for one in predictions]
        assert all(set(line.hypothesis) == set(one.reference) for line, one in zip(lines, predictions, strict=True))


def test_copies_are_of_the_training_part_alone(asked, made):
    _, source, _ = asked
    known = {case.text["findings"] for case in source.parts["train"]}
    for name in COPIES:
        assert set(findings(made.floors[name]).values()) <= known


def test_the_nearest_film_is_found_whatever_its_brightness(asked):
    """A scored film that is a training film made darker gets the report of that training study."""
    predictor, source, predictions = asked
    twins = dict(zip([one.case_id for one in predictions], source.parts["train"], strict=False))

    def read_film(image):
        for case_id, twin in twins.items():
            if image in source.table.by_id[case_id].images:
                film = source.images.read_film(source.images.first(twin))
                return replace(film, pixels=(film.pixels // 2 + 20).astype(np.uint8))
        return source.images.read_film(image)

    changed = replace(source, images=replace(source.images, read_film=read_film))
    said = findings(report_floors(predictor, source, changed, "test", predictions).floors["nearest_image"])
    expected = {case_id: twin.text["findings"] for case_id, twin in twins.items()}
    assert said == {case_id: expected[case_id] for case_id in said}


def test_nearest_findings_reads_what_the_model_answers_and_the_ceiling_what_is_true(asked, made):
    _, source, predictions = asked
    by_id = source.table.by_id
    true = findings(made.ceilings["nearest_true_findings"])
    for one in predictions:
        assert true[one.case_id] == by_id[one.case_id].text["findings"], "the squares' report follows from the truth"
    lied = [replace(one, scores=dict.fromkeys(one.scores, 1.0)) for one in predictions]
    train = scoring.predict_part(asked[0], source, "train", write=False)
    nearest = max(train, key=lambda one: -sum((1 - p) ** 2 for p in one.scores.values()))
    said = findings(report_floors(asked[0], source, source, "test", lied).floors["nearest_findings"])
    assert set(said.values()) == {by_id[nearest.case_id].text["findings"]}


def test_without_the_data_of_the_training_only_the_constant_is_left_and_why_is_said(asked):
    predictor, source, predictions = asked
    found = report_floors(predictor, None, source, "test", predictions)
    assert set(found.floors) == {"constant_normal"}
    assert not found.ceilings
    assert set(found.absent) == (COPIES | set(CHEST.ceilings))
    assert set(found.absent.values()) == {"the data of the training are not at hand"}


def test_the_indication_is_copied_by_though_the_model_reads_no_notes(asked, made):
    predictor, source, predictions = asked
    deaf = replace(source, notes={})
    found = report_floors(predictor, deaf, deaf, "test", predictions)
    assert findings(found.floors["nearest_text"]) == findings(made.floors["nearest_text"])
    mute = {"train": [replace(case, text=target_sections(case)) for case in source.parts["train"]]}
    silent = replace(deaf)
    silent.__dict__["parts"] = {**source.parts, **mute}
    said = report_floors(predictor, silent, deaf, "test", predictions).absent["nearest_text"]
    assert said == "no training study has an indication or another note"


def test_a_patient_who_was_trained_on_is_not_copied_from(asked):
    predictor, source, _ = asked
    trained = scoring.predict_part(predictor, source, "train", write=False)
    found = report_floors(predictor, source, source, "train", trained)
    assert "nearest_image" not in found.floors
    assert "is scored and among the training reports" in found.absent["nearest_image"]


def test_black_films_of_as_many_views_are_written_about_alike(asked):
    predictor, source, _ = asked
    floors, absent = model_floors(predictor, replace(source, notes={}), "test")
    by_films: dict[int, set] = {}
    for one in floors["black_images"]:
        films = len(source.table.by_id[one.case_id].images)
        by_films.setdefault(films, set()).add(tuple(sorted(one.hypothesis.items())))
    assert all(len(texts) == 1 for texts in by_films.values())
    assert set(floors) == {"black_images", "shuffled_images"}
    assert "no study has a note" in absent["no_note"]


def test_a_model_that_reads_no_notes_has_none_taken_away(asked):
    predictor, source, _ = asked
    deaf = medley.load(predictor.facts["run"])
    deaf.recipe = predictor.recipe.model_copy(update={"model": {**predictor.recipe.model, "note_tokens": 0}})
    _, absent = model_floors(deaf, source, "test")
    assert absent["no_note"] == "the model reads no notes, so there is none to take away"
