"""Sections: what is input must never hold what was seen."""

from __future__ import annotations

import pytest

from medley.data.readers.sections import parse_report


def test_synonyms_reach_one_section_and_blanks_go():
    text = "REASON FOR EXAMINATION:  ___ year old with cough.\n\nHISTORY:  Smoker.\n\nCONCLUSION:\n Clear lungs. ___\n"
    assert parse_report(text) == {
        "indication": "year old with cough.",
        "history": "Smoker.",
        "impression": "Clear lungs.",
    }


@pytest.mark.parametrize(
    "text",
    [
        "INDICATION: Cough. FINDINGS: Large effusion. IMPRESSION: Effusion.",  # all on one line
        "INDICATION: Cough.\n\n CHEST, TWO VIEWS:  Large effusion.\n\n IMPRESSION: Effusion.",  # an unknown header
        "INDICATION: Cough.\n\n WET READ: Large effusion.\n\n IMPRESSION: Effusion.",
        "Indication: Cough.\nFindings: Large effusion.\nImpression: Effusion.",  # header in lower case
        "INDICATION: Cough.\nPA AND LATERAL CHEST RADIOGRAPHS: Large effusion.\nIMPRESSION: Effusion.",
        "INDICATION: Cough.\nFINDINGS AND IMPRESSION: Large effusion.",
        "INDICATION: Cough. CHEST, TWO VIEWS: Large effusion.",  # an unknown header inside the line
        "INDICATION:\n\n Cough.\n \n Frontal and lateral views show a large effusion.\n",  # no header at all
        "INDICATION: Cough. Findings: Large effusion. Impression: Effusion.",  # with a capital, in the line
        "INDICATION: Cough. Comparison: none. findings: Large effusion.",
        "INDICATION: Cough.Findings: Large effusion.",
        "INDICATION: Cough.\nFINDINGS\nLarge effusion.",  # alone in its line, no colon
        "INDICATION: Cough.\nAP chest compared to ___: Right effusion.",
        "INDICATION: Cough. Interpretation: Large effusion.",
        # no header at all
        "INDICATION: Cough.\n The lungs are clear. No effusion.",
        "INDICATION: Cough. No effusion.",
        "INDICATION: Cough. There is a large effusion.",
        "INDICATION: Cough.\nRight lower lobe pneumonia. No effusion.",  # the bare finding goes with what follows
        "INDICATION: Cough.\nTrachea is midline. Stable cardiomediastinal silhouette.",
        "INDICATION: Cough.\nThe ET tube terminates above the carina.",
    ],
)
def test_an_input_section_ends_where_the_film_begins(text):
    assert parse_report(text)["indication"] == "Cough."


@pytest.mark.parametrize("between", [" ", ", ", "; ", "? ", ") "])
def test_a_target_named_inside_the_line_becomes_the_target(between):
    parsed = parse_report(f"INDICATION: (Cough{between}Findings: edema.")
    assert parsed["findings"] == "edema."
    assert "edema" not in parsed["indication"]


@pytest.mark.parametrize(
    "asked",
    [
        "Evaluate for pneumothorax, rule out pneumonia.",
        "History of CHF. S/p chest tube placement. No fever.",
        "Pneumonia.",
        "Right pleural effusion, follow up.",
        "65 year old man with no known lung cancer, is there edema?",
        "Lungs are clear to auscultation.",
        "Outside CT showed a right upper lobe nodule.",
        "Please check whether the NG tube is in place.",
        "Cough. Impression of the nurse was worse since yesterday.",
    ],
)
def test_questions_and_histories_stay(asked):
    assert parse_report(f"INDICATION: {asked}\nIMPRESSION: Normal.") == {"indication": asked, "impression": "Normal."}


def test_a_section_that_only_describes_the_film_is_no_input():
    assert parse_report("INDICATION: Left lower lobe opacity. No effusion is seen.") == {}


def test_a_target_keeps_its_subheadings():
    text = "FINDINGS:\n AP VIEW OF THE CHEST: Lungs are clear.\n LINES AND TUBES: None.\nIMPRESSION: Normal.\n"
    assert parse_report(text)["findings"] == "AP VIEW OF THE CHEST: Lungs are clear. LINES AND TUBES: None."


def test_findings_and_impression_in_one_is_a_report():
    assert parse_report("FINDINGS/IMPRESSION: Clear.") == {"report": "Clear."}


def test_comparison_addendum_and_text_without_headers_are_dropped():
    assert parse_report("COMPARISON: Effusion in 2012.\nADDENDUM: Fracture seen.") == {}
    assert parse_report("The lungs are clear.") == {}
    assert parse_report("") == {}


def test_a_word_inside_a_sentence_is_no_header():
    text = "INDICATION: history: of smoking and the findings of last week\nIMPRESSION: The impression is: normal."
    assert parse_report(text)["impression"] == "The impression is: normal."
