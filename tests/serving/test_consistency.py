"""Report against findings: what is negated is read so, a hedge agrees with either, nothing is rewritten."""

from __future__ import annotations

import pytest

from medley.serving.consistency import DENIED, SAID, UNMENTIONED, flags_of, rates

NORMAL = {"findings": "No pleural effusion or pneumothorax. The lungs are clear.", "impression": "Normal chest."}


def said(sections: dict[str, str], scores: dict[str, float], cuts: dict[str, float | None] | None = None):
    return {
        flag.label: flag.report
        for flag in flags_of("chest_report", sections, scores, cuts or dict.fromkeys(scores, 0.5))
    }


def test_a_negated_mention_is_a_denial_and_no_mention():
    """A report that names a finding only to deny it agrees with findings that say absent, and parts from others."""
    absent, present = {"Pleural Effusion": 0.1, "Pneumothorax": 0.1}, {"Pleural Effusion": 0.9, "Pneumothorax": 0.1}
    assert said(NORMAL, absent) == {}
    assert said(NORMAL, present) == {"Pleural Effusion": DENIED}
    asserted = {"findings": "There is a small left pleural effusion. No pneumothorax."}
    assert said(asserted, present) == {}
    assert said(asserted, absent) == {"Pleural Effusion": SAID}


def test_what_is_not_mentioned_parts_only_from_a_finding_that_is_called():
    silent = {"findings": "The heart is normal in size."}
    assert said(silent, {"Fracture": 0.9, "Edema": 0.1}) == {"Fracture": UNMENTIONED}


def test_a_hedge_agrees_with_either():
    hedged = {"impression": "Possible pneumonia."}
    assert said(hedged, {"Pneumonia": 0.9}) == said(hedged, {"Pneumonia": 0.1}) == {}


def test_the_line_is_the_threshold_of_the_run_and_a_half_where_there_is_none():
    asserted = {"findings": "There is pulmonary edema."}
    assert said(asserted, {"Edema": 0.3}, {"Edema": 0.25}) == {}
    assert said(asserted, {"Edema": 0.3}, {"Edema": None}) == {"Edema": SAID}
    [flag] = flags_of("chest_report", asserted, {"Edema": 0.3}, {})
    assert flag.sentence == (
        "the report says Edema, but the finding is called absent (p 0.30, no threshold, against 0.5)"
    )
    [flag] = flags_of("chest_report", NORMAL, {"Pneumothorax": 0.71}, {"Pneumothorax": 0.4})
    assert flag.as_json()["text"] == (
        "the report denies Pneumothorax, but the finding is called present (p 0.71, threshold 0.40)"
    )


def test_labels_that_no_labeler_reads_and_no_finding_are_not_checked():
    assert said(NORMAL, {"No Finding": 0.01, "Hernia": 0.99}) == {}


@pytest.mark.parametrize("sections", [{}, {"findings": ""}, {"findings": "  \n"}])
def test_no_report_is_not_a_report_of_nothing(sections):
    assert flags_of("chest_report", sections, {"Edema": 0.99}, {"Edema": 0.5}) == ()


def test_rates_count_reports_and_kinds():
    scores = {"Pleural Effusion": 0.9, "Fracture": 0.9}
    both = flags_of("chest_report", NORMAL, scores, dict.fromkeys(scores, 0.5))
    found = rates([both, (), ()])
    assert (found["reports"], found["flagged"], found["share_flagged"]) == (3, 1, pytest.approx(1 / 3))
    assert (found["said_not_found"], found["found_and_denied"], found["found_not_mentioned"]) == (0, 1, 1)
    assert rates([])["share_flagged"] is None


def test_a_brains_report_is_read_as_one():
    scores = {"Lesion": 0.9, "Edema": 0.9, "Necrosis": 0.1, "Mass Effect": 0.9, "Midline Shift": 0.1}
    cuts = dict.fromkeys(scores, 0.5)
    asserted = {"report": "There is a lesion in the left frontal lobe with edema and necrosis. No mass effect is seen."}
    found = {flag.label: flag.report for flag in flags_of("brain_report", asserted, scores, cuts)}
    assert found == {"Necrosis": SAID, "Mass Effect": DENIED}
    healthy = {"report": "The brain parenchyma is normal. No focal lesion is seen."}
    found = {flag.label: flag.report for flag in flags_of("brain_report", healthy, scores, cuts)}
    assert found == {"Lesion": DENIED, "Edema": UNMENTIONED, "Mass Effect": UNMENTIONED}
    absent = dict.fromkeys(scores, 0.1)
    assert flags_of("brain_report", healthy, absent, cuts) == ()
