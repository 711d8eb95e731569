"""The page on the parts of the chest and on the sentences: floors beside the score, and nothing from nothing."""

from __future__ import annotations

from medley.evaluation.scorecard.anatomy import anatomy_section
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.sentences import sentences_section
from medley.evaluation.statistics import Metric


def card(metrics, floors, facts) -> Scorecard:
    return Scorecard("chest_report", {}, {"explanations": facts}, metrics, floors, {}, {}, ())


def test_the_parts_stand_beside_their_floors_and_their_ceiling():
    metrics = {"anatomy_iou": Metric(0.71, (0.7, 0.72), 300), "cardiac/anatomy_iou": Metric(0.8, (0.7, 0.9), 300)}
    metrics["trained_minus_mean_mask/anatomy_iou"] = Metric(0.09, (0.08, 0.1), 300)
    facts = {"anatomy": {"ceiling": {"anatomy_iou": 0.77}, "studies": 300, "chosen_on": "dev"}}
    text = "".join(anatomy_section(card(metrics, {"mean_mask": {"anatomy_iou": 0.62}}, facts)))
    for said in ("0.710", "0.620", "+0.090", "0.770", "300 studies", "chosen on dev"):
        assert said in text
    assert anatomy_section(card({}, {}, {})) == []


def test_sentences_stand_beside_the_rest_of_their_report():
    metrics = {"sentences/pointing_game": Metric(0.4, (0.3, 0.5), 80), "sentences/mass_in_mask": Metric(0.2, None, 80)}
    metrics["trained_minus_other_sentences/sentences/pointing_game"] = Metric(0.05, (-0.01, 0.1), 80)
    floors = {"other_sentences": {"sentences/pointing_game": 0.35, "sentences/mass_in_mask": 0.19}}
    text = "".join(sentences_section(card(metrics, floors, {"sentences": {"likeness": 0.934}})))
    for said in ("0.400", "0.350", "+0.050", "80 lesions", "0.93 alike"):
        assert said in text


def test_where_no_sentence_could_be_held_against_a_lesion_there_is_no_section():
    assert sentences_section(card({"sentences/pointing_game": Metric(None, error="nothing")}, {}, {})) == []
    assert sentences_section(card({}, {}, {})) == []
