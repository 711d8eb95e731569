"""Sentences: what ends one and what does not, and the section it stands in."""

from __future__ import annotations

from itertools import pairwise

import pytest

from medley.core.seeds import generator
from medley.language.sentences import split_sentences


def cut(text: str) -> list[str]:
    return [text[s.start : s.end] for s in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No effusion. Heart normal.", ["No effusion.", "Heart normal."]),
        ("Seen by Dr. Smith. No mass.", ["Seen by Dr. Smith.", "No mass."]),
        ("Atelectasis vs. pneumonia. Clear.", ["Atelectasis vs. pneumonia.", "Clear."]),
        ("A 1.5 cm nodule is seen. Clear.", ["A 1.5 cm nodule is seen.", "Clear."]),
        ("Nodule of 5 mm. No mass.", ["Nodule of 5 mm.", "No mass."]),
        ("Nodule of 5 mm. in the apex.", ["Nodule of 5 mm. in the apex."]),
        ("1. Cardiomegaly. 2. No effusion.", ["1. Cardiomegaly.", "2. No effusion."]),
        ("Fracture of rib 7. Clear lungs.", ["Fracture of rib 7.", "Clear lungs."]),
        ("Effusion: no. Mass: no.", ["Effusion: no.", "Mass: no."]),
        ("Pneumonia? Consider CT.", ["Pneumonia?", "Consider CT."]),
        ("? pneumonia in the left base.", ["? pneumonia in the left base."]),
        ("- heart normal\n- lungs clear", ["- heart normal", "- lungs clear"]),
        ("heart normal\nlungs clear", ["heart normal", "lungs clear"]),
        ("the lungs are clear . no effusion .", ["the lungs are clear .", "no effusion ."]),
        ("", []),
        (" \n\n . ", ["."]),
    ],
)
def test_sentence_ends(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_hard_wrapped_lines_stay_one_sentence() -> None:
    text = "There is no evidence of a pneumothorax, of a pleural effusion or of\nconsolidation. Heart size is normal."
    assert len(cut(text)) == 2
    assert cut(text)[0].endswith("consolidation.")


def test_sections_and_their_headers() -> None:
    text = "INDICATION: Fever, evaluate for pneumonia.\nFINDINGS: Clear.\n\nIMPRESSION:\n1. No pneumonia.\n2. Normal."
    got = [(text[s.start : s.end], s.section) for s in split_sentences(text)]
    assert got == [
        ("Fever, evaluate for pneumonia.", "indication"),
        ("Clear.", "findings"),
        ("1. No pneumonia.", "impression"),
        ("2. Normal.", "impression"),
    ]


def test_spans_are_ordered_apart_and_lose_no_word() -> None:
    alphabet = [*"ab 1.?!\n:;-(,)", "FINDINGS:", "Dr.", "No", "  ", "\n\n", "é", "İ"]
    for seed in range(300):
        random = generator("sentences", seed)
        text = "".join(alphabet[i] for i in random.integers(len(alphabet), size=40))
        spans = split_sentences(text)
        assert all(a.end <= b.start for a, b in pairwise(spans))
        assert all(0 <= s.start < s.end <= len(text) for s in spans)
        covered = set().union(*(range(s.start, s.end) for s in spans))
        lost = "".join(c for i, c in enumerate(text) if i not in covered)
        assert not lost.replace("FINDINGS:", "").strip()
