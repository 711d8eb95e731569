"""What a written report was read from: the same words that are predicted, shares that add up, and named queries."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import medley
from medley.core.errors import MedleyError
from medley.core.labels import ANATOMY
from medley.data.cases import read_cases
from medley.serving.explaining.cases import case_requests
from medley.serving.explaining.reading import is_readable, query_names, readings
from medley.serving.explaining.study import explain
from medley.serving.predictor import Request


@pytest.fixture(scope="module")
def predictor(report_run):
    return medley.load(report_run)


@pytest.fixture
def taught(predictor, monkeypatch):
    monkeypatch.setitem(predictor.facts, "anatomy_known", 40)
    return predictor


@pytest.fixture(scope="module")
def both_views(report_films) -> Request:
    return Request([f"PA={report_films}/000-PA.png", f"LATERAL={report_films}/000-LATERAL.png"], "cough", "two views")


@pytest.fixture(scope="module")
def two_views(predictor, both_views):
    (one,) = readings(predictor, both_views)
    return one


def test_the_sentences_are_those_of_the_answer_with_their_confidence(predictor, both_views, two_views):
    answer = predictor.answer(both_views).prediction
    for section, text in answer.hypothesis.items():
        said = [one for one in two_views.sentences if one.section == section]
        assert " ".join(one.text for one in said).replace(" ", "") == text.replace(" ", "")
        assert [one.confidence for one in said] == pytest.approx(answer.extra["sentence_confidence"][section], abs=1e-5)
    assert two_views.gate == pytest.approx(answer.extra["gate"], abs=1e-6)


def test_shares_add_up_and_maps_hold_what_was_read_of_the_pooled_tokens(two_views):
    assert len(two_views.looks) == 3 + len(ANATOMY)
    for look in two_views.looks:
        assert sum(look.of_films) == pytest.approx(1)
    for one in two_views.sentences:
        for word in one.words:
            assert word.whole + sum(word.pooled) + word.note == pytest.approx(1, abs=1e-5)
        assert sum(float(map_hw.sum()) for map_hw in one.maps) == pytest.approx(one.pooled, abs=1e-4)
        assert one.note > 0, "this model reads the indication"
    told = two_views.as_json()
    assert [film["view"] for film in told["films"]] == ["PA", "LATERAL"]
    assert set(two_views.arrays()) == {f"{what}_film_{v}" for what in ("queries", "sentences") for v in (0, 1)}


def test_findings_come_by_falling_probability_and_parts_without_masks_by_number(predictor, taught, two_views):
    p = [look.probability for look in two_views.looks]
    assert p[:3] == sorted(p[:3], reverse=True)
    assert p[3:] == [None] * 6
    assert [look.name for look in two_views.looks[3:]] == [f"query {n}" for n in range(4, 10)]
    assert list(query_names(taught).values())[3:] == [name.replace("_", " ") for name in ANATOMY]


def test_one_film_alone_gets_all_of_the_attention(predictor, report_films):
    (one,) = readings(predictor, Request(report_films / "001-PA.png"))
    assert all(look.of_films == (1,) for look in one.looks)
    assert all(sentence.note == 0 for sentence in one.sentences), "there is no indication to read"
    assert all(0 < look.spread <= 1 for look in one.looks)


def test_a_place_is_read_by_the_words_whose_query_looked_there(predictor, both_views, monkeypatch):
    """All queries look at one patch of the second film: there every sentence was read, and nowhere else."""
    whole = predictor.model.queries.forward
    places = predictor.model.vision.grid[0] * predictor.model.vision.grid[1]

    def looking(tokens_BKD, is_token_BK):
        states, weights_BQK = whole(tokens_BKD, is_token_BK)
        one_place = torch.zeros_like(weights_BQK)
        one_place[..., places + 2] = 1
        return states, one_place

    monkeypatch.setattr(predictor.model.queries, "forward", looking)
    (one,) = readings(predictor, both_views)
    for sentence in one.sentences:
        assert sentence.maps[0].max() == 0
        assert int(sentence.maps[1].argmax()) == 2
        assert sentence.maps[1].sum() == pytest.approx(sentence.pooled, abs=1e-4)
    assert one.likeness == pytest.approx(1)


def test_known_masks_are_held_against_the_looks_of_their_name(taught, known_anatomy, monkeypatch):
    table = known_anatomy / "cases.parquet"
    seen = (c for c in read_cases(table).cases if "anatomy" in c.truth and c.labels["Edema"] == 1)
    case = next(c for c in seen if c.labels["Fracture"] == 0)
    ((request, known),) = case_requests(taught, table, [case.case_id])
    (one,) = readings(taught, request, known)
    held = {look.name: look.scores for look in one.looks if look.scores}
    assert set(held) == {"Edema", *(name.replace("_", " ") for name in ANATOMY)}
    assert all(0 <= scores["iou"] <= 1 for scores in held.values())
    assert set(one.outlines()[0]) == set(held)
    monkeypatch.setitem(taught.facts, "anatomy_known", 0)
    (numbered,) = readings(taught, request, known)
    assert {look.name for look in numbered.looks if look.scores} == {"Edema"}, "a number has no place of its own"


def test_cases_of_a_table_come_with_the_notes_of_the_recipe(predictor, known_anatomy):
    table = known_anatomy / "cases.parquet"
    with_note = next(c for c in read_cases(table).cases if "indication" in c.text)
    ((request, _),) = case_requests(predictor, table, [with_note.case_id, with_note.case_id])
    assert request.text == with_note.text["indication"]
    assert case_requests(predictor, table, [with_note.case_id], "another")[0][0].text == "another"
    with pytest.raises(MedleyError, match="name the cases to explain"):
        case_requests(predictor, table, [])
    with pytest.raises(MedleyError, match="first 'no-such-case'"):
        case_requests(predictor, table, ["no-such-case"])


def test_a_family_that_writes_nothing_has_no_reading(toy_run, report_films):
    of_findings = medley.load(toy_run)
    assert not is_readable(of_findings)
    with pytest.raises(MedleyError, match="cxr_reasoner writes no report from queries"):
        readings(of_findings, Request(report_films / "001-PA.png"))


def test_findings_that_read_no_note_have_no_words(predictor, both_views):
    """The decoder alone reads the indication, so no finding has words."""
    found = explain(predictor, both_views, ["Edema"], ["queries", "hirescam", "gradcam", "rollout", "occlusion"])
    assert [one.words for one in found] == [None] * 5
    for one in found:
        assert len(one.maps) == 2
        assert all(np.isfinite(map_hw).all() and (map_hw >= 0).all() for map_hw in one.maps)


def test_several_groups_of_films_are_read_one_by_one(predictor, report_films):
    three = [f"PA={report_films}/00{n}-PA.png" for n in (1, 2, 3)]
    found = readings(predictor, Request(three, case_id="three"))
    assert [len(one.films) for one in found] == [1, 1, 1]
    assert [one.films[0].quality["file"][-10:] for one in found] == ["001-PA.png", "002-PA.png", "003-PA.png"]
    assert dataclasses.replace(found[0], sentences=()).likeness is None


def test_a_run_that_was_not_taught_by_weight_has_numbers(taught, monkeypatch):
    monkeypatch.setattr(taught, "processor", SimpleNamespace(**{**vars(taught.processor)}))
    taught.processor.config = taught.processor.config.model_copy(update={"region_weight": 0.0})
    assert list(query_names(taught).values())[-1] == "query 9"
