"""Mentions: which finding, and whether it is there, not there or perhaps there; on which side, in which zone."""

from __future__ import annotations

import math
import time

import pytest

from medley.core.labels import CHEXPERT_14, NIH_14, NO_FINDING
from medley.language import chest, negation
from medley.language.labeler import label_text
from medley.language.mentions import Mention, find_mentions
from medley.language.phrases import Term, Vocabulary, expand, tokens

P, A, U = "present", "absent", "uncertain"


def said(text: str) -> dict[str, str]:
    return {mention.label: mention.polarity for mention in find_mentions(text)}


EFFUSION, CM, PTX, CONS = "Pleural Effusion", "Cardiomegaly", "Pneumothorax", "Consolidation"

CASES = [
    # denials before
    ("No pleural effusion.", {EFFUSION: A}),
    ("Without effusion.", {EFFUSION: A}),
    ("Negative for pneumothorax.", {PTX: A}),
    ("There is no evidence of consolidation.", {CONS: A}),
    ("The lungs are free of consolidation or edema.", {CONS: A, "Edema": A}),
    ("No pneumothorax, effusion or consolidation.", {PTX: A, EFFUSION: A, CONS: A}),
    ("No focal consolidation, large pleural effusion, or pneumothorax.", {CONS: A, EFFUSION: A, PTX: A}),
    ("No pneumothorax but a small effusion.", {PTX: A, EFFUSION: P}),
    ("No pneumothorax; effusion on the left.", {PTX: A, EFFUSION: P}),
    ("No pneumothorax however there is an effusion.", {PTX: A, EFFUSION: P}),
    ("No effusion is seen, opacity at the right base.", {EFFUSION: A, "Lung Opacity": P}),
    ("No effusion, heart is enlarged.", {EFFUSION: A, CM: P}),
    ("No effusion, small right pneumothorax.", {EFFUSION: A, PTX: P}),
    ("No opacity to suggest pneumonia.", {"Lung Opacity": A, "Pneumonia": A}),
    ("Atelectasis rather than pneumonia.", {"Atelectasis": P, "Pneumonia": A}),
    ("Interval resolution of the effusion.", {EFFUSION: A}),
    ("Neither effusion nor pneumothorax.", {EFFUSION: A, PTX: A}),
    # denials behind
    ("Pleural effusion is not seen.", {EFFUSION: A}),
    ("Effusion or pneumothorax is not identified.", {EFFUSION: A, PTX: A}),
    ("The effusion has resolved.", {EFFUSION: A}),
    ("Pneumonia was ruled out.", {"Pneumonia": A}),
    ("Pneumonia is unlikely.", {"Pneumonia": A}),
    ("Effusion: none.", {EFFUSION: A}),
    ("Effusion: no.", {EFFUSION: A}),
    ("Opacity at the base, effusion is not seen.", {"Lung Opacity": P, EFFUSION: A}),
    ("The catheter has been removed.", {"Support Devices": A}),
    # what only looks like a denial
    ("No change in the pleural effusion.", {EFFUSION: P}),
    ("No interval change of effusion.", {EFFUSION: P}),
    ("No increase in the effusion.", {EFFUSION: P}),
    ("Not only effusion but also edema.", {EFFUSION: P, "Edema": P}),
    ("The effusion has nearly resolved.", {EFFUSION: P}),
    ("The effusion is not significantly changed.", {EFFUSION: P}),
    # hedges
    ("Possible pneumonia.", {"Pneumonia": U}),
    ("Opacity, which may represent atelectasis or pneumonia.", {"Lung Opacity": P, "Atelectasis": U, "Pneumonia": U}),
    ("Pneumonia cannot be excluded.", {"Pneumonia": U}),
    ("Cannot exclude pneumonia.", {"Pneumonia": U}),
    ("Questionable nodule.", {"Nodule": U}),
    ("Opacity suspicious for pneumonia.", {"Lung Opacity": P, "Pneumonia": U}),
    ("Atelectasis versus pneumonia.", {"Atelectasis": U, "Pneumonia": U}),
    ("Atelectasis vs. pneumonia.", {"Atelectasis": U, "Pneumonia": U}),
    ("Atelectasis or pneumonia at the left base.", {"Atelectasis": U, "Pneumonia": U}),
    ("? pneumonia", {"Pneumonia": U}),
    ("Pneumonia?", {"Pneumonia": U}),
    ("Pneumonia is possible.", {"Pneumonia": U}),
    ("Pneumonia or edema should be considered.", {"Pneumonia": U, "Edema": U}),
    ("Likely pneumonia; atelectasis and/or effusion.", {"Pneumonia": P, "Atelectasis": P, EFFUSION: P}),
    ("No effusion, likely atelectasis.", {EFFUSION: A, "Atelectasis": P}),
    ("There were no findings of pneumonia.", {"Pneumonia": A}),
    ("Opacity (possibly atelectasis) and effusion.", {"Lung Opacity": P, "Atelectasis": U, EFFUSION: P}),
    ("Borderline cardiomegaly.", {CM: U}),
    # healthy and sick anatomy
    ("Heart size is normal.", {CM: A}),
    ("Heart size and mediastinal contours are within normal limits.", {CM: A, "Enlarged Cardiomediastinum": A}),
    ("Normal heart size and mediastinal contours.", {CM: A, "Enlarged Cardiomediastinum": A}),
    ("Cardiomediastinal silhouette within normal limits.", {CM: A, "Enlarged Cardiomediastinum": A}),
    ("Heart size at the upper limits of normal.", {CM: A}),
    ("The heart is not enlarged.", {CM: A}),
    ("The cardiac silhouette is moderately enlarged.", {CM: P}),
    ("Heart size is borderline.", {CM: U}),
    ("Mediastinum is widened.", {"Enlarged Cardiomediastinum": P}),
    ("Costophrenic angles are sharp.", {EFFUSION: A}),
    ("The left costophrenic angle is blunted.", {"Blunted Costophrenic Angle": P}),
    ("Osseous structures are intact.", {"Fracture": A}),
    ("No acute bony abnormality.", {"Fracture": A}),
    ("No acute cardiopulmonary abnormality.", {NO_FINDING: P}),
    ("Lungs are otherwise clear.", {}),
    # spelling, and what is something else
    ("PULMONARY OEDEMA AND ATELECTASES.", {"Edema": P, "Atelectasis": P}),
    ("Air-space opacities.", {"Lung Opacity": P}),
    ("Hydropneumothorax.", {PTX: P, EFFUSION: P}),
    ("Pericardial effusion.", {}),
    ("Leg edema. Subcutaneous emphysema.", {}),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_polarity(text: str, expected: dict[str, str]) -> None:
    assert said(text) == expected


def test_a_denial_reaches_through_a_list_of_any_length_and_position() -> None:
    names = ["pneumothorax", "effusion", "consolidation", "edema", "fracture", "cardiomegaly", "atelectasis"]
    for count in range(1, len(names) + 1):
        denied = said("There is no " + ", ".join(names[:count]) + " or hernia. There is pneumonia.")
        assert denied.pop("Pneumonia") == P
        assert set(denied.values()) == {A}
        assert len(denied) == count + 1


@pytest.mark.parametrize(
    ("text", "side", "zone", "severity"),
    [
        ("Small left pleural effusion.", "left", None, "mild"),
        ("Opacity in the right lower lobe.", "right", "lower", None),
        ("RUL consolidation.", "right", "upper", None),
        ("Bibasilar atelectasis.", "bilateral", "lower", None),
        ("Effusions, left greater than right.", "bilateral", None, None),
        ("Large right apical pneumothorax.", "right", "upper", "severe"),
        ("In the left lung there is a moderate consolidation.", "left", None, "moderate"),
        ("Left-sided effusion and right pneumothorax.", "left", None, None),
        ("Effusions: small bilateral.", "bilateral", None, "mild"),
        ("Pneumonia.", None, None, None),
    ],
)
def test_where_and_how_much(text: str, side: str | None, zone: str | None, severity: str | None) -> None:
    first = find_mentions(text)[0]
    assert (first.side, first.zone, first.severity) == (side, zone, severity)


def test_each_finding_keeps_its_own_side() -> None:
    got = {m.label: m.side for m in find_mentions("Left-sided effusion and right pneumothorax with cardiomegaly.")}
    assert got == {EFFUSION: "left", PTX: "right", CM: None}


def test_mentions_quote_the_text_and_know_their_section() -> None:
    text = "İNDICATION\nINDICATION: eval for PNEUMONIA.\nFINDINGS: Small Pleural  effusion."
    mentions = find_mentions(text)
    assert [(m.label, m.section) for m in mentions] == [("Pneumonia", "indication"), (EFFUSION, "findings")]
    assert all(m.text == text[m.start : m.end] for m in mentions)


def test_label_text_takes_the_strongest_claim_and_skips_what_was_asked() -> None:
    text = "INDICATION: pneumonia. FINDINGS: No effusion. Possible effusion. Right lung is clear. IMPRESSION: Edema."
    values = label_text(text, CHEXPERT_14)
    assert values[EFFUSION] == -1
    assert values["Edema"] == 1
    assert values["Lung Opacity"] == 1  # by the hierarchy
    assert math.isnan(values["Pneumonia"])  # only asked for
    assert math.isnan(values["Atelectasis"])  # a clear right lung says nothing of the left
    assert values[NO_FINDING] == 0
    assert math.isnan(label_text(text, finer=False, parents=False)["Lung Opacity"])


def test_no_finding_and_finer_words() -> None:
    assert label_text("Lungs are clear. Pacemaker.")[NO_FINDING] == 1
    assert label_text("Hiatal hernia.")[NO_FINDING] == 0
    for nothing in ("  ", "...", "INDICATION: cough.", "FINDINGS:\n\nIMPRESSION: 1."):
        assert math.isnan(label_text(nothing)[NO_FINDING]), nothing
    nodule = label_text("Nodule in the left apex.", (*CHEXPERT_14, *NIH_14))
    assert (nodule["Nodule"], nodule["Lung Lesion"], nodule["Lung Opacity"]) == (1, 1, 1)
    assert label_text("The left costophrenic angle is blunted.")[EFFUSION] == -1
    assert math.isnan(label_text("No nodule.")["Lung Lesion"])


def test_pneumonia_lifts_two_generations() -> None:
    values = label_text("Possible pneumonia. No consolidation.")
    assert (values["Pneumonia"], values["Consolidation"], values["Lung Opacity"]) == (-1, -1, -1)


def test_every_label_is_found_under_its_own_name() -> None:
    for label in (*CHEXPERT_14, *NIH_14):
        assert said(f"There is {label}.").get(label) == P, label


@pytest.mark.parametrize(
    "text", ["", " ", "\x00", "😀 no 😀 effusion", "no " * 5000 + "effusion", "effusion" * 3000, "\n" * 500]
)
def test_odd_texts_are_read_without_a_crash(text: str) -> None:
    assert all(isinstance(mention, Mention) for mention in find_mentions(text))


def test_time_grows_with_length_not_with_its_square() -> None:
    for word in ("possible ", "effusion, ", "no effusion, small ", "heart and "):
        start = time.process_time()
        find_mentions(word * (50_000 // len(word)))
        assert time.process_time() - start < 5


def test_shorthand_and_vocabulary() -> None:
    assert expand("{a|b} c{s|}") == ["a cs", "a c", "b cs", "b c"]
    words = Vocabulary([("pleural {effusion|fluid}", Term("x")), ("pleural", Term("y"))])
    marks = words.marks(tokens("pleural-fluid, pleural pain"))
    assert [(mark.term.kind, mark.first, mark.last) for mark in marks] == [("x", 0, 2), ("y", 3, 4)]
    with pytest.raises(AssertionError, match="both"):
        Vocabulary([("heart", Term("x")), ("heart", Term("y"))])


def test_all_triggers_and_words_live_in_one_vocabulary() -> None:
    Vocabulary([*chest.vocabulary(), *negation.triggers()])  # refuses a phrase with two meanings
