"""The labeler: what a report says of CheXpert's 14 labels, and on which side; each rule with a text that breaks it."""

from __future__ import annotations

import math

import pytest

from medley.core.labels import CHEXPERT_14, HIERARCHY, NIH_14, NO_FINDING
from medley.core.seeds import generator
from medley.data.cohorts.chest.reports import write_report
from medley.data.cohorts.chest.sampling import plan_study
from medley.language.labeler import join_sections, label_text, side_text
from medley.language.sides import swap_sides

EFFUSION, CM, PTX = "Pleural Effusion", "Cardiomegaly", "Pneumothorax"


def own(text: str) -> dict[str, float]:
    """Labels by their own words, those that the text speaks of."""
    values = label_text(text, (*CHEXPERT_14, *NIH_14), finer=False, parents=False)
    return {label: value for label, value in values.items() if not math.isnan(value) and label != NO_FINDING}


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        # words that the labels' names do not hold
        ("RLL collapse.", "Atelectasis", 1),
        ("Left lower lobe collapse/consolidation.", "Atelectasis", -1),
        ("In the collapsed left upper lobe are scars.", "Atelectasis", 1),
        ("Findings consistent with pneumonitis.", "Pneumonia", 1),
        ("Loculated fluid on the right.", EFFUSION, 1),
        ("Haemothorax and tumour.", EFFUSION, 1),
        # a range from healthy to sick is neither
        ("Heart size is upper limits normal or mildly enlarged.", CM, -1),
        ("Heart is top normal to slightly enlarged in size.", CM, -1),
        ("Heart size is normal. The aorta is enlarged.", CM, 0),
        # doubt in its degrees
        ("Doubt pneumonia.", "Pneumonia", 0),
        ("Low suspicion for pneumonia.", "Pneumonia", 0),
        ("Pneumonia is doubtful.", "Pneumonia", 0),
        ("Atelectasis is favoured over pneumonia.", "Pneumonia", -1),
        ("Atelectasis more likely than pneumonia.", "Atelectasis", 1),
        # a change that is not there denies no finding
        ("No expansion of the pneumothorax.", PTX, 1),
        ("No radiographic evidence of improvement of the pneumonia.", "Pneumonia", 1),
        ("No resolution of the effusion.", EFFUSION, 1),
        # the strongest claim wins, wherever it stands
        ("FINDINGS: No effusion. IMPRESSION: Possible effusion.", EFFUSION, -1),
        ("FINDINGS: Possible effusion. IMPRESSION: Small effusion.", EFFUSION, 1),
    ],
)
def test_words_and_doubts(text: str, label: str, value: float) -> None:
    assert own(text)[label] == value


@pytest.mark.parametrize(
    "text",
    [
        "T9 compression collapse.",
        "Collapse of the vertebral body.",
        "Radiation pneumonitis.",
        "RECOMMENDATION: CT to exclude pneumonia.",
        "INDICATION: Pneumonia. COMPARISON: The effusion of last year.",
    ],
)
def test_what_is_something_else_or_is_not_reported(text: str) -> None:
    assert own(text) == {}


def test_finer_words_and_parents_are_asked_for_apart() -> None:
    text = "A nodule. Vascular congestion."
    assert label_text(text, finer=True, parents=False)["Lung Lesion"] == 1
    assert label_text(text, finer=True, parents=False)["Edema"] == 1
    assert math.isnan(label_text(text, finer=True, parents=False)["Lung Opacity"])
    assert math.isnan(label_text(text, finer=False, parents=True)["Lung Lesion"])
    everything = label_text(text)
    for child, parents in HIERARCHY.items():
        assert everything[child] != 1 or all(everything[parent] == 1 for parent in parents)


def test_no_finding_comes_from_the_others_and_a_device_counts_as_it_is_told() -> None:
    text = "Heart and lungs are normal. Pacemaker."
    assert label_text(text)[NO_FINDING] == 1
    assert label_text(text, device_is_finding=True)[NO_FINDING] == 0
    assert label_text("Lungs are clear.", device_is_finding=True)[NO_FINDING] == 1
    assert label_text("Possible nodule.")[NO_FINDING] == 0
    assert label_text("Normal chest. Mild cardiomegaly.")[NO_FINDING] == 0, "it never stands against a finding"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  \n",
        "x",
        "XX",
        "...",
        "12.5",
        "😀",
        "\x00\x1f",
        "INDICATION: cough.",
        "两肺清晰，心影不大。",
        "Это (не) так, a.",
    ],
)
def test_of_what_cannot_be_read_no_label_is_known(text: str) -> None:
    values = label_text(text)
    assert all(math.isnan(value) for value in values.values()), "not No Finding either: it would be a normal report"
    assert list(values) == list(CHEXPERT_14)


@pytest.mark.parametrize("text", ["Stable exam.", "Negative.", "No interval change.", "Left lower lobe bronchitis."])
def test_what_can_be_read_and_names_no_finding_is_no_finding(text: str) -> None:
    assert label_text(text)[NO_FINDING] == 1


def test_labels_are_asked_by_name_in_any_order_and_an_unknown_one_is_not_known() -> None:
    values = label_text("Small effusion.", ("Pleural Effusion", "Gout"))
    assert values["Pleural Effusion"] == 1
    assert math.isnan(values["Gout"])


def test_sections_are_read_in_any_order_and_input_sections_are_not() -> None:
    sections = {
        "indication": "pneumonia?",
        "impression": "Effusion.",
        "report": "Edema.",
        "findings": " ",
        "note": "mass",
    }
    assert join_sections(sections) == "Edema.\n\nIMPRESSION: Effusion."
    assert join_sections({}) == ""


def test_sides_of_what_is_there() -> None:
    text = (
        "Left effusion. Nodule in the right apex. Another nodule at the left base. No right pneumothorax. Cardiomegaly."
    )
    sides = side_text(text)
    assert sides["Pleural Effusion"] == "left"
    assert sides["Lung Lesion"] == sides["Nodule"] == "bilateral"
    assert PTX not in sides, "denied"
    assert CM not in sides, "told without a side"
    other = {"left": "right", "right": "left", "bilateral": "bilateral"}
    assert side_text(swap_sides(text)) == {label: other[side] for label, side in sides.items()}


def test_generated_reports_are_read_back() -> None:
    """The reports of generated studies are true to the plan; nothing of the lexicon was taken from them."""
    wrong, total = 0, 0
    for index in range(60):
        plan = plan_study(5, index, "default")
        text = join_sections(write_report(plan, generator(5, "report", index)))
        read = label_text(text, device_is_finding=True)
        wrong += sum((read[label] in (1, -1)) != (plan.labels[label] == 1) for label in CHEXPERT_14)
        total += len(CHEXPERT_14)
    assert wrong / total < 0.01, (wrong, total)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Borderline enlargement of the heart.", {CM: -1}),
        ("Nonenlarged cardiac silhouette.", {CM: 0}),
        ("No consolidating disease.", {"Consolidation": 0}),
        ("Without comparison, this may represent pneumonia.", {"Pneumonia": -1}),
        ("No opacity which may represent pneumonia.", {"Lung Opacity": 0, "Pneumonia": 0}),
    ],
)
def test_how_reports_put_it(text: str, expected: dict[str, float]) -> None:
    assert own(text) == expected
