"""Planted falsehoods are taken out by name of their fault; true sentences stay, word for word."""

from __future__ import annotations

import time

import pytest

from medley.core.seeds import generator
from medley.language import beyond
from medley.language.chest import FINDINGS
from medley.language.labeler import label_text
from medley.language.phrases import expand
from medley.serving.reasoning import gather_evidence
from medley.serving.verifier import verify

# Effusion likely on the right; Cardiomegaly likely; Pneumonia and Consolidation possible on the left; others unlikely.
LABELS = (
    *("Cardiomegaly", "Enlarged Cardiomediastinum", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation"),
    *("Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices"),
)
SCORES = dict.fromkeys(LABELS, 0.03) | {
    **{"Pleural Effusion": 0.9, "Cardiomegaly": 0.85, "Enlarged Cardiomediastinum": 0.8},
    **{"Pneumonia": 0.55, "Consolidation": 0.52, "Lung Opacity": 0.8},
}
EVIDENCE = gather_evidence(
    SCORES,
    dict.fromkeys(LABELS, 0.5),
    dict.fromkeys(LABELS, 0.4),
    {"Pleural Effusion": "right lower zone", "Pneumonia": "left lower zone", "Consolidation": "left lower zone"},
    {"Pneumonia": ["fever", "fracture"]},
)

FALSE = {
    "claims": [
        "There is a pneumothorax.",
        "Small left apical pneumothorax.",
        "A rib fracture is present on the left.",
        "Findings are consistent with pulmonary edema.",
        "Possible pneumothorax cannot be excluded.",
        "Bibasilar atelectasis is noted.",
        "Suspicious 8 mm nodule in the right upper lobe.",
        "A mass is seen.",
        "Pacemaker leads project over the right ventricle.",
        "An endotracheal tube is in place.",
        "Pleural thickening at the left apex.",
        "There is congestive heart failure.",
        "The pulmonary vasculature is congested.",
        "No fracture, but there is a pneumothorax on the left.",
        "The effusion is accompanied by pulmonary oedema.",
        "PNEUMOTHORAX IS SEEN.",
        "Not only effusion but also pneumothorax.",
        "No change in the left pneumothorax.",
        "Healing rib fractures.",
        "1. Large pneumothorax.",
    ],
    "denies": [
        "No pleural effusion.",
        "There is no evidence of an effusion.",
        "The lungs are clear and there is no pleural fluid.",
        "Effusion: none.",
        "Pleural effusion is not seen.",
        "The pleural effusion has resolved.",
        "The heart is not enlarged.",
        "Heart size is normal.",
        "Normal heart size and mediastinal contours.",
        "The cardiomediastinal silhouette is within normal limits.",
        "No cardiomegaly.",
        "Negative for pneumothorax or effusion.",
        "Costophrenic angles are sharp.",
        "Effusion is unlikely.",
        "Without pneumonia.",
        "No focal consolidation, pneumothorax, or fracture.",
    ],
    "heat map lies on": [
        "Left pleural effusion.",
        "There is an effusion on the left.",
        "Left-sided effusion is likely.",
        "RLL pneumonia.",
        "Consolidation in the right lower lobe.",
        "Bilateral effusions.",
        "Bilateral effusions, right greater than left.",
        "Effusions on both sides.",
    ],
    "says nothing": [
        "Large hiatal hernia.",
        "Severe emphysema.",
        "No pulmonary fibrosis.",
        "Tuberculosis is likely.",
        "Findings consistent with ARDS.",
        "Pulmonary embolism.",
        "PE cannot be excluded.",
        "The opacity suggests COVID-19.",
        "Bilateral hilar lymphadenopathy, as in sarcoidosis.",
        "There is a pericardial effusion.",
        "Subcutaneous emphysema on the right.",
        "No pneumoperitoneum.",
    ],
    "calls unlikely": [
        "A rib is broken.",
        "Two broken ribs.",
        "The clavicle appears cracked.",
        "Air in the pleural space on the right.",
        "A punctured lung.",
        "A collapsed lung on the left.",
        "A pace maker is in place.",
    ],
    "of which the prediction says": [
        "Pleural Effusion 5 %.",
        "Pleural effusion: 90 %, pneumonia: 80 %.",
        "There is an 85 % chance of effusion.",
        "5 % effusion, 55 % pneumonia.",
        "55 % effusion, 90 % pneumonia.",
        "Effusion, 90 % against a threshold of 40 %.",
        "Without the note the effusion stood at 90 %.",
        "Pneumonia at over 60 percent.",
        "Cardiomegaly between 60 and 70 %.",
        "The probability of effusion is 0.05.",
        "The probability of effusion is 91,5 %.",
    ],
    "calls the film normal": ["No acute cardiopulmonary abnormality.", "Normal chest.", "No findings."],
}
TRUE = [
    "There is a right pleural effusion.",
    "Pleural effusion is likely.",
    "Small right-sided effusion with cardiomegaly.",
    "No left pleural effusion.",
    "No bilateral effusions.",
    "Chest infection is possible.",
    "Aspiration pneumonia is possible.",
    "Fluid in the lungs.",
    "Pleural Effusion: 90 %, threshold 50 %.",
    "90 % effusion, 55 % pneumonia.",
    "Effusion at about 87 %, pneumonia under 60 % and cardiomegaly 80 to 90 %.",
    "Without the note the effusion stood at 40 %.",
    "The effusion has a probability of 0.9.",
    "Pneumothorax is unlikely at 3 %.",
    "Pleural effusion at 90.0 %, written 90,0 % elsewhere.",
    "No large pneumothorax, and no fracture.",
    "No pneumothorax.",
    "Pneumothorax is unlikely.",
    "Possible left lower lobe pneumonia.",
    "The heart is enlarged.",
    "Pulmonary edema is not seen.",
    "No change in the pleural effusion.",
    "No septal oedema, no lung nodule.",
    "The trachea is midline.",
    "Clinical correlation is advised.",
    "Osseous structures are intact.",
    "Note: most weight on “fracture”.",
]
PLANTED = [(sentence, fault) for fault, sentences in FALSE.items() for sentence in sentences]


def test_enough_are_planted() -> None:
    assert len(PLANTED) >= 40


@pytest.mark.parametrize(("sentence", "fault"), PLANTED, ids=[sentence for sentence, _ in PLANTED])
def test_a_planted_falsehood_goes_and_its_neighbours_stay(sentence: str, fault: str) -> None:
    before, after = "There is a right pleural effusion.", "The heart is enlarged."
    checked = verify(f"{before} {sentence} {after}", EVIDENCE)
    assert [removed.sentence for removed in checked.removed] == [sentence]
    assert fault in checked.removed[0].reason
    assert checked.text == f"{before} {after}"
    assert checked.faithfulness == pytest.approx(2 / 3)


@pytest.mark.parametrize("sentence", TRUE)
def test_true_sentences_stay(sentence: str) -> None:
    checked = verify(sentence, EVIDENCE)
    assert checked.removed == ()
    assert checked.text == sentence


CLAIMS = (
    *("There is {}.", "Findings are consistent with {}.", "New {} on the left.", "Possible {}.", "No change in {}."),
    *("{} is present.", "{} cannot be excluded.", "{} persists.", "No rib is bent but {} is seen."),
    *("Comparison is made; {} has increased.", "In view of the cough, {} is the leading diagnosis."),
)
DENIALS = (
    *("No {}.", "There is no evidence of {}.", "Neither {} nor anything else.", "I see no {} here.", "Free of {}."),
    *("{} is not seen.", "{} has resolved.", "{}: none.", "{} was ruled out.", "{} is unlikely.", "{} is absent."),
)


def test_every_word_of_the_lexicon_is_caught_in_both_directions() -> None:
    healthy = gather_evidence(dict.fromkeys(LABELS, 0.02), dict.fromkeys(LABELS, 0.5))
    ill = gather_evidence(dict.fromkeys(LABELS, 0.97), dict.fromkeys(LABELS, 0.5))
    for labels, shorthands in FINDINGS.items():
        if labels[0] not in LABELS:
            continue
        words = sorted({phrase for shorthand in shorthands for phrase in expand(shorthand)})
        for at in generator("lexicon", labels[0]).permutation(len(words))[:6]:
            for template in CLAIMS:
                sentence = template.format(words[at])
                assert verify(sentence, healthy).removed, sentence
                assert not verify(sentence, ill).removed, sentence
            for template in DENIALS:
                sentence = template.format(words[at])
                assert verify(sentence, ill).removed, sentence
                assert not verify(sentence, healthy).removed, sentence


def test_layout_survives_and_all_can_go() -> None:
    text = "Summary\n\n1. Right effusion.\n2. Pneumothorax.\n3. Enlarged heart.\n"
    checked = verify(text, EVIDENCE)
    assert checked.text == "Summary\n\n1. Right effusion.\n\n3. Enlarged heart."
    gone = verify("No effusion. Fracture.", EVIDENCE)
    assert gone.text == ""
    assert gone.faithfulness == 0.0
    assert verify("Nothing is claimed here.", EVIDENCE).faithfulness is None
    assert verify("", EVIDENCE).text == ""


def test_only_words_of_the_note_may_hide_in_quotes() -> None:
    assert verify("The note says “fracture”.", EVIDENCE).removed == ()
    assert len(verify("The film shows “pneumothorax”.", EVIDENCE).removed) == 1


def test_the_patients_history_is_no_claim_and_the_same_words_in_the_findings_are() -> None:
    text = "HISTORY: tuberculosis, pneumothorax in 2019.\n\nFINDINGS: Right effusion. Tuberculosis."
    assert [removed.sentence for removed in verify(text, EVIDENCE).removed] == ["Tuberculosis."]


def test_plain_words_with_two_meanings_are_borne_out_by_either() -> None:
    def held(sentence: str, **scores: float) -> bool:
        table = {"Pleural Effusion": 0.02, "Edema": 0.02, "Pneumothorax": 0.02, "Atelectasis": 0.02} | scores
        return not verify(sentence, gather_evidence(table, dict.fromkeys(table, 0.5))).removed

    for sentence in ("Fluid on the lungs.", "There is water in her lungs."):
        assert not held(sentence)
        assert held(sentence, Edema=0.9)
        assert held(sentence, **{"Pleural Effusion": 0.9})
        assert not held(sentence, Pneumothorax=0.9)
    assert held("Collapsed lung.", Atelectasis=0.9)
    assert not held("Collapsed lung.", Edema=0.9)


def test_time_grows_with_length_not_with_its_square() -> None:
    for filler in ("1", "1 %, ", "9 to ", "probability ", "tuberculosis "):
        start = time.process_time()
        verify("Effusion " + filler * (40_000 // len(filler)), EVIDENCE)
        assert time.process_time() - start < 5, filler


def test_a_denied_side_leaves_the_other_and_nothing_where_both_are_affected() -> None:
    def held(sentence: str, zone: str) -> bool:
        scores = {"Pleural Effusion": 0.9}
        evidence = gather_evidence(scores, {"Pleural Effusion": 0.5}, zones={"Pleural Effusion": zone})
        return not verify(sentence, evidence).removed

    assert held("No left effusion.", "right lower zone")
    assert not held("No left effusion.", "both lower zones")
    assert held("No bilateral effusion.", "right lower zone")
    assert not held("No bilateral effusion.", "both lower zones")
    assert held("Bilateral effusions.", "both lower zones")
    assert not held("Bilateral effusions.", "left lower zone")


def test_every_disease_and_plain_word_is_caught() -> None:
    healthy = gather_evidence(dict.fromkeys(LABELS, 0.02), dict.fromkeys(LABELS, 0.5))
    ill = gather_evidence(dict.fromkeys(LABELS, 0.97), dict.fromkeys(LABELS, 0.5))
    for disease, shorthands in {**beyond.DISEASES, **beyond.LOOKALIKES}.items():
        for phrase in (phrase for shorthand in shorthands for phrase in expand(shorthand)):
            assert verify(f"There is {phrase}.", ill).removed, (disease, phrase)
            assert label_text(f"There is {phrase}.", (disease,))[disease] != 1, "labels stay those of a list"
    for shorthands in beyond.PLAIN_WORDS.values():
        for phrase in (phrase for shorthand in shorthands for phrase in expand(shorthand)):
            assert verify(f"I see {phrase}.", healthy).removed, phrase
            assert not verify(f"I see {phrase}.", ill).removed, phrase


def test_a_normal_prediction_may_be_called_normal() -> None:
    normal = gather_evidence(dict.fromkeys(LABELS, 0.02), dict.fromkeys(LABELS, 0.5))
    assert verify("No acute cardiopulmonary abnormality. Heart size is normal.", normal).faithfulness == 1.0
