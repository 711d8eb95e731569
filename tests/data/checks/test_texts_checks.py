"""Texts that give the label away, reports inside notes, and one report in two parts."""

from __future__ import annotations

import pytest
from checks_data import a_case, a_table

from medley.data.checks.naming import named_in
from medley.data.checks.texts import check_report_in_input, check_same_text, check_text_names_labels

LABELS = ("Edema", "Pneumonia")
REPORT = "There is a large right pleural effusion with adjacent atelectasis, increased since the film of last Tuesday."

LONG_REPORT = (
    "Two views of the chest. The heart is mildly enlarged. Small left pleural effusion with adjacent atelectasis at "
    "the base. There is no pneumothorax. A right jugular line ends in the superior vena cava. The bones are intact. "
    "Old granuloma in the right upper lobe, as before."
)
HEALTHY = "The heart is normal in size. The lungs are clear. No pleural effusion or pneumothorax is seen today."


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Evaluate for pneumonia.", {"Pneumonia"}),
        ("No evidence of pneumonia. Pulmonary oedema?", {"Edema"}),
        ("cough and fever", set()),
        ("known COVID-19", {"COVID-19"}),
        ("covid 19 positive, pneumonic", {"COVID-19", "Pneumonia"}),
        ("massive haemoptysis", set()),
    ],
)
def test_a_label_is_named_by_the_lexicon_or_by_its_own_name(text, named):
    assert named_in(text, (*LABELS, "COVID-19", "Mass")) == named


def notes(told):
    """60 studies, half with pneumonia; `told(i)` is the note."""
    return a_table(
        [a_case(i, labels={"Pneumonia": float(i % 2), "Edema": 0.0}, text={"note": told(i)}) for i in range(60)], LABELS
    )


def test_a_note_that_names_the_label_fails():
    check = check_text_names_labels(notes(lambda i: "Evaluate for pneumonia." if i % 2 else "Routine evaluation."))
    assert (check.status, check.count) == ("failed", 30)
    assert check.numbers["Pneumonia"]["auroc"] == 1.0
    assert "case case1:" in check.examples[0]


def test_a_label_that_everybody_is_asked_about_gives_nothing_away():
    check = check_text_names_labels(notes(lambda i: "Evaluate for pneumonia."))
    assert check.status == "warning"
    assert check.numbers["Pneumonia"]["auroc"] == 0.5


def test_notes_without_findings_are_fine_and_no_notes_are_nothing():
    assert check_text_names_labels(notes(lambda i: "cough for a week")).status == "ok"
    table = a_table([a_case(0, text={"findings": "pneumonia"}, labels={"Pneumonia": 1.0})], LABELS)
    assert check_text_names_labels(table).status == "not applicable"


def test_a_report_copied_into_the_note():
    copied = a_case(0, text={"note": f"Seen before: {REPORT}", "findings": REPORT})
    apart = a_case(1, text={"note": "cough for a week", "findings": REPORT})
    check = check_report_in_input(a_table([copied, apart]))
    assert (check.status, check.count) == ("failed", 1)
    assert check_report_in_input(a_table([apart])).status == "ok"


def same_text(texts, parts):
    cases = [a_case(i, text={"findings": text}) for i, text in enumerate(texts)]
    return check_same_text(a_table(cases), {case.case_id: part for case, part in zip(cases, parts, strict=True)})


def test_one_report_in_two_parts_whatever_its_spelling():
    check = same_text([REPORT, REPORT.upper().replace(",", " ,")], ["train", "test"])
    assert (check.status, check.count) == ("failed", 1)
    assert same_text([REPORT, REPORT], ["test", "test"]).status == "ok"


def test_the_wording_of_a_healthy_film_is_no_leak_but_a_phrase_book_is_a_warning():
    check = same_text([HEALTHY, HEALTHY, REPORT], ["train", "test", "test"])
    assert check.status == "ok"
    assert check.numbers["stock_share_of_test"] == 0.5
    assert same_text([HEALTHY] * 5, ["train", "test", "test", "test", "test"]).status == "warning"


@pytest.mark.parametrize(
    "copied",
    [
        LONG_REPORT.replace("mildly", "slightly"),
        LONG_REPORT.replace("There is", "There is now"),
        LONG_REPORT.replace("Small", "Tiny").replace("mildly", "slightly"),
    ],
)
def test_a_report_with_a_word_changed_or_added_is_the_same_report(copied):
    check = same_text([LONG_REPORT, copied], ["train", "test"])
    assert (check.status, check.count) == ("failed", 1)
    assert "0 word for word, 1 nearly" in check.says
    assert "train (case case0), test (case case1), nearly (0." in check.examples[0]
    assert same_text([LONG_REPORT, copied], ["dev", "dev"]).status == "ok"
    assert same_text([LONG_REPORT, copied], ["dev", "test"]).status == "failed"


def test_short_reports_that_are_nearly_one_are_to_be_looked_at_and_healthy_ones_are_not():
    short = "Portable AP view of the chest. The heart size is normal. There is no pneumothorax. Small left pleural "
    short += "effusion with atelectasis."
    check = same_text([short, short.replace("Portable", "Upright")], ["train", "test"])
    assert (check.status, check.numbers["to_look_at"]) == ("warning", 1)
    healthy = HEALTHY + " The bones are intact. The mediastinal contours are unremarkable and the trachea is midline."
    assert same_text([healthy, healthy.replace("today", "now")], ["train", "test"]).status == "ok"


def test_what_chance_writes_twice_grows_with_the_table_and_the_limit_with_it():
    """Twelve words are sure in a small table; among 30,000 texts they are to be looked at."""
    many = [f"Right effusion {i} " + " ".join(f"word{i}x{j}" for j in range(10)) for i in range(30_000)]
    crowd = [a_case(i, text={"note": text}) for i, text in enumerate(many)]
    twelve = " ".join(REPORT.split()[:14])
    pair = [a_case(30_000 + i, text={"note": twelve}) for i in range(2)]
    parts = {case.case_id: "train" for case in crowd} | {pair[0].case_id: "train", pair[1].case_id: "test"}
    assert check_same_text(a_table(pair), parts).status == "failed"
    assert check_same_text(a_table([*crowd, *pair]), parts).status == "warning"
