"""Floors made of texts: what they copy, from whom, and when there can be none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14, NO_FINDING
from medley.core.records import Case, Prediction
from medley.evaluation.reports.floors import (
    CONSTANT_NORMAL,
    constant_normal,
    most_frequent,
    nearest_reference,
    nearest_report,
    nearest_text,
    text_floors,
)
from medley.language.labeler import join_sections, label_text

CLEAR, EFFUSION, LARGE = "Lungs are clear.", "There is a left pleural effusion.", "The heart is enlarged."


def scored(number: int, **reference: str) -> Prediction:
    return Prediction(
        f"t{number}", f"p{number}", "chest_report", scores={"Edema": 0.3}, labels={"Edema": 1}, reference=reference
    )


def trained(number: int, **text: str) -> Case:
    return Case(f"c{number}", f"q{number}", f"s{number}", text=text)


TRAIN = [
    trained(0, findings=LARGE, impression="Cardiomegaly.", indication="heart failure"),
    trained(1, findings=CLEAR, impression="Normal.", indication="cough"),
    trained(2, findings=EFFUSION, impression="Effusion.", indication="cough and fever"),
    trained(3, findings=CLEAR, indication="cough"),
    trained(4, impression="Normal.", indication="trauma"),
    trained(5, findings=EFFUSION, impression="Effusion.", indication="cough"),
]
NOTES = {case.case_id: case.text["indication"] for case in TRAIN}


def test_the_constant_is_a_normal_report_of_the_sections_that_are_asked_for():
    lines = constant_normal([scored(0, findings="x"), scored(1, impression="x", findings=" "), scored(2, report="x")])
    assert [dict(line.hypothesis) for line in lines[:2]] == [
        {"findings": CONSTANT_NORMAL["findings"]},
        {"impression": CONSTANT_NORMAL["impression"]},
    ]
    assert set(lines[2].hypothesis) == {"report"}
    for line in lines:
        assert line.labels == {"Edema": 1}
        assert not line.scores, "a floor of texts has no probabilities"
        said = label_text(join_sections(line.hypothesis))
        assert [name for name in CHEXPERT_14 if said[name] == 1] == [NO_FINDING]


def test_the_most_frequent_text_of_each_section_and_the_first_letters_among_equals():
    (line,) = most_frequent([scored(0, findings="a", impression="b")], TRAIN)
    assert line.hypothesis == {"findings": CLEAR, "impression": "Effusion."}  # two studies have each; E before N
    again = most_frequent([scored(0, findings="a", impression="b")], TRAIN[::-1])
    assert again == [line], "the order of the studies does not matter"


def test_the_nearest_note_lends_its_report():
    lines = nearest_text(
        [scored(0, findings="x"), scored(1, findings="x"), scored(2, findings="x"), scored(3, impression="x")],
        TRAIN,
        {**NOTES, "t0": "known heart failure", "t1": "cough", "t2": None, "t3": "trauma"},
    )
    said = [next(iter(line.hypothesis.values())) for line in lines]
    assert said[0] == LARGE
    assert said[1] == CLEAR, "of three with this note two say so"
    assert said[2] == CLEAR, "near to nothing: the most frequent"
    assert said[3] == "Normal."
    reversed_ = nearest_text([scored(1, findings="x")], TRAIN[::-1], {**NOTES, "t1": "cough"})
    assert reversed_[0].hypothesis["findings"] == CLEAR


def test_studies_of_two_tables_with_one_id_keep_their_own_notes():
    own = TRAIN[0].case_id
    asked = [replace(scored(0, findings="x"), case_id=own)]
    (line,) = nearest_text(asked, TRAIN, {own: "known heart failure"}, {**NOTES, own: "trauma"})
    (alike,) = nearest_text([scored(0, findings="x")], TRAIN, {**NOTES, "t0": "known heart failure", own: "trauma"})
    assert line.hypothesis == alike.hypothesis


def test_the_ceiling_knows_the_true_report():
    train = [*TRAIN, trained(6, findings="A large left pleural effusion is seen.")]
    (line,) = nearest_reference([scored(0, findings="Large left pleural effusion.", impression="Normal.")], train)
    assert line.hypothesis == {"findings": "A large left pleural effusion is seen.", "impression": "Normal."}
    (mute,) = nearest_reference([scored(0, findings="?!")], [trained(0, findings="..")])
    assert mute.hypothesis == {"findings": ".."}, "no word anywhere"


def test_any_likeness_lends_a_report_section_by_section():
    likeness = np.array([[0, 0, 0, 5.0, 4.0, 1.0]])
    (line,) = nearest_report([scored(0, findings="x", impression="y")], TRAIN, likeness)
    assert line.hypothesis == {"findings": CLEAR, "impression": "Normal."}, "study 3 has no impression, 4 is next"
    for wrong in (likeness[:, :3], np.full((1, 6), np.nan)):
        with pytest.raises(MedleyError, match="one finite number for each of the 6 training studies"):
            nearest_report([scored(0, findings="x")], TRAIN, wrong)


def test_a_whole_report_is_answered_by_a_whole_report():
    (line,) = nearest_reference([scored(0, report="The heart is enlarged. Cardiomegaly.")], TRAIN)
    assert line.hypothesis == {"report": f"{LARGE}\nCardiomegaly."}


def test_what_there_cannot_be_says_why():
    predictions = [scored(0, findings="x", impression="y")]
    found = text_floors(predictions, [], {})
    assert set(found.floors) == {"constant_normal"}
    assert set(found.absent) == {"most_frequent", "nearest_text", "nearest_reference"}
    assert set(found.absent.values()) == {"there are no training reports at hand"}
    found = text_floors(predictions, TRAIN, NOTES)
    assert set(found.floors) == {"constant_normal", "most_frequent"}
    assert set(found.ceilings) == {"nearest_reference"}
    assert found.absent == {"nearest_text": "no scored study has an indication or another note"}
    assert "no training study" in nearest_text(predictions, TRAIN, {"t0": "cough"})
    assert "no training report has the section 'impression'" in most_frequent(predictions, [trained(0, findings="x")])
    own = [Case("other", "p0", "s", text={"findings": "x", "impression": "y"})]
    assert "patient 'p0' is scored and among the training reports" in most_frequent(predictions, own)
    for lines in (*text_floors(predictions, TRAIN, {**NOTES, "t0": "cough"}).floors.values(),):
        assert [line.case_id for line in lines] == ["t0"]


def test_without_a_reference_the_sections_are_those_of_the_system():
    said = [replace(scored(number), hypothesis={"findings": "x"}) for number in range(2)]
    assert constant_normal(said)[0].hypothesis == {"findings": CONSTANT_NORMAL["findings"]}, "not silent, which is easy"
    assert most_frequent(said, TRAIN)[0].hypothesis == {"findings": CLEAR}
    assert nearest_reference(said, TRAIN) == "no scored study has a reference"
