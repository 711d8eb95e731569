"""A report and its truth mirrored: the words and the facts turn together, and twice is the identity."""

from __future__ import annotations

import pytest

from medley.language.brain import read_brain
from medley.language.swap import swap_report, swap_truth

TRUTH = {
    "healthy": False,
    "sides": "left",
    "lobes": ["frontal", "deep"],
    "side_lobe": [["left", "frontal"], ["right", "deep"]],
    "shares": [["left", "frontal", 0.7], ["right", "deep", 0.3]],
    "components": ["edema"],
    "lesions": [{"side": "left", "lobe": "frontal", "centre_mm": [-31.5, 20.0, 8.0]}],
    "segmentation": "masks/left.nii.gz",
}


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("Left-sided lesion; leftward shift.", "Right-sided lesion; rightward shift."),
        ("The left frontal and RIGHT temporal lobes.", "The right frontal and LEFT temporal lobes."),
        ("R frontal lobe, L temporal lobe.", "L frontal lobe, R temporal lobe."),
        ("Bilateral lesions, brightness of T1.", "Bilateral lesions, brightness of T1."),
    ],
)
def test_words(text: str, mirrored: str) -> None:
    assert swap_report({"report": text}) == {"report": mirrored}
    assert swap_report({"report": mirrored}) == {"report": text}


def test_facts() -> None:
    mirrored = swap_truth(TRUTH)
    assert mirrored["sides"] == "right"
    assert mirrored["side_lobe"] == [["right", "frontal"], ["left", "deep"]]
    assert mirrored["shares"] == [["right", "frontal", 0.7], ["left", "deep", 0.3]]
    assert mirrored["lesions"] == [{"side": "right", "lobe": "frontal", "centre_mm": [31.5, 20.0, 8.0]}]
    assert mirrored["segmentation"] == TRUTH["segmentation"]
    assert swap_truth(mirrored) == TRUTH
    assert TRUTH["sides"] == "left", "the truth itself is left alone"
    assert swap_truth({"healthy": True}) == {"healthy": True}
    assert swap_truth({"sides": "bilateral"}) == {"sides": "bilateral"}


def test_words_and_facts_turn_together() -> None:
    text = "Lesion in the left frontal lobe and the right basal ganglia. The left ventricle is compressed."
    before, after = read_brain(text), read_brain(swap_report({"report": text})["report"])
    turned = swap_truth({"side_lobe": before.side_lobe})["side_lobe"]
    assert {tuple(pair) for pair in turned} == set(after.side_lobe)
    assert before.findings == after.findings
