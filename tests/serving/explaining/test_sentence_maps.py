"""Sentences that name a lesion are held against it, and against the rest of their own report."""

from __future__ import annotations

import numpy as np
import pytest

from medley.explain.reading import SentenceRead, WordRead
from medley.serving.explaining import sentences
from medley.serving.explaining.sentences import score_sentences
from medley.serving.scoring.run import other_source


def sentence(text: str, y: int, x: int, views: int) -> SentenceRead:
    """Read at one of 12 x 12 places of the first film; a fracture lies at rows 30 to 40 and columns 12 to 22 of 48."""
    maps = [np.zeros((12, 12), np.float32) for _ in range(views)]
    maps[0][y, x] = 0.8
    return SentenceRead("findings", text, 0.9, (WordRead(text, 0.2, (0.8,), (), 0.0),), {}, tuple(maps))


@pytest.fixture
def writes(monkeypatch):
    """Makes the model write these sentences (text, y, x) of every study."""

    def write(*said):
        def read(predictor, marked, chunk):
            return [tuple(sentence(*one, len(marked.studies[s].films)) for one in said) for s in chunk]

        monkeypatch.setattr(sentences, "_read", read)

    return write


def test_a_sentence_read_where_its_lesion_lies_beats_the_rest_of_its_report(predictor, source, writes):
    writes(("There is a rib fracture.", 8, 4), ("No pulmonary edema.", 1, 10))
    found = score_sentences(predictor, source, "test", resamples=40)
    assert found.metrics["sentences/pointing_game"].value == 1
    assert found.metrics["trained_minus_other_sentences/sentences/pointing_game"].value == 1
    assert found.floors["other_sentences"]["sentences/pointing_game"] == 0
    assert 0 < found.floors["even_map"]["sentences/mass_in_mask"] < 0.1
    assert found.facts["sentences"]["lesions_named"] == found.metrics["sentences/pointing_game"].n > 3
    assert found.facts["sentences"]["likeness"] == 0
    assert found.warnings == ()


def test_maps_that_are_the_same_for_every_sentence_are_told_to_say_nothing(predictor, source, writes):
    writes(("There is a rib fracture.", 8, 4), ("No pulmonary edema.", 8, 4))
    found = score_sentences(predictor, source, "test", resamples=40)
    assert found.metrics["sentences/pointing_game"].value == 1
    assert found.metrics["trained_minus_other_sentences/sentences/pointing_game"].value == 0
    assert found.facts["sentences"]["likeness"] == pytest.approx(1)
    assert any("no more of it than the rest of its report: +0.000" in line for line in found.warnings)


@pytest.mark.parametrize("said", ["No rib fracture.", "There may be a rib fracture.", "The heart is normal."])
def test_only_a_sentence_that_calls_the_lesion_present_is_held_against_it(predictor, source, writes, said):
    writes((said, 8, 4), ("No pulmonary edema.", 1, 10))
    found = score_sentences(predictor, source, "test", resamples=40)
    assert found.metrics["sentences/pointing_game"].value is None
    assert "names a focal lesion that is there" in found.metrics["sentences/pointing_game"].error


def test_the_models_own_sentences_are_scored_and_films_without_marks_are_not(predictor, source, report_films):
    found = score_sentences(predictor, source, "test", resamples=10)
    assert set(found.metrics) >= {"sentences/pointing_game", "sentences/mass_in_mask"}
    plain = other_source(predictor, report_films / "cases.parquet", report_films / "splits.json", "test")
    assert score_sentences(predictor, plain, "test") is None
