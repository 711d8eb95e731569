"""Reports say what was drawn, on its side, and deny only what is absent; no wording is everybody's."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from medley.core.labels import NO_FINDING
from medley.core.seeds import generator
from medley.data.cohorts.chest.reports import write_report
from medley.data.cohorts.chest.sampling import plan_study

WORDS = {  # how a sentence names a finding
    "Cardiomegaly": r"cardiomegaly|(heart|cardiac silhouette) is \w+ly enlarged|enlargement of the card|enlarged heart",
    "Enlarged Cardiomediastinum": r"mediastinum is widened|mediastinal widening|widened mediastinum|widening of",
    "Edema": r"edema",
    "Consolidation": r"consolidation",
    "Pneumonia": r"pneumonia",
    "Atelectasis": r"atelectasis",
    "Lung Lesion": r"lesion|nod(ul|ule)|mass\b",
    "Pneumothorax": r"pneumothorax",
    "Pleural Effusion": r"effusion",
    "Pleural Other": r"pleural (thickening|plaques|cap)|apical pleural cap",
    "Fracture": r"fracture",
    "Support Devices": r"pacemaker|catheter|central line|tube|wires|leads",
}
DENIED = re.compile(r"\b(no|without|neither|intact|clear|unremarkable|normal|within normal limits)\b", re.I)


@pytest.fixture(scope="module")
def reports():
    plans = [plan_study(6, index, "default") for index in range(400)]
    return [(plan, write_report(plan, generator("report", plan.index))) for plan in plans]


def sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=\.)\s+", text) if part.strip(" .0123456789")]


def stated(text: str) -> list[str]:
    return [s for s in sentences(text) if not DENIED.search(s) or s.lower().startswith("sternotomy wires are intact")]


def test_what_is_present_is_said_and_what_is_absent_is_not_claimed(reports):
    for plan, report in reports:
        said = " ".join(stated(report["findings"]))
        drawn = {finding.label for finding in plan.findings}
        for label, pattern in WORDS.items():
            named = re.search(pattern, said, re.I) is not None
            implied = label == "Consolidation" and "Pneumonia" in drawn  # a report may leave it to the reader
            assert named == (label in drawn) or implied, (label, report["findings"])
            if plan.labels[label] == 0:
                assert not re.search(pattern, " ".join(stated(report["impression"])), re.I), (
                    label,
                    report["impression"],
                )


def test_only_absent_findings_are_denied(reports):
    for plan, report in reports:
        for sentence in sentences(report["findings"] + " " + report["impression"]):
            if not re.match(r"(No|There is no|There is neither)\b", sentence):
                continue
            for label, pattern in WORDS.items():
                if re.search(pattern, sentence, re.I):
                    assert plan.labels[label] == 0, sentence


def test_sides_in_words_are_sides_in_truth(reports):
    for plan, report in reports:
        for text in report.values():
            for sentence in stated(text):
                for side in ("right", "left"):
                    if re.search(rf"\b{side}\b", sentence, re.I):
                        named = [label for label, pattern in WORDS.items() if re.search(pattern, sentence, re.I)]
                        named = named or ["Lung Opacity"]
                        assert any(f.side == side for f in plan.findings if f.label in named), sentence
        for finding in plan.findings:
            if finding.side in ("right", "left"):
                assert re.search(rf"\b{finding.side}\b", report["findings"], re.I)


def test_a_healthy_study_is_called_normal_and_an_ill_one_is_not(reports):
    for plan, report in reports:
        if plan.labels[NO_FINDING] == 1:
            assert re.search(r"no (acute|evidence)|normal|unremarkable", report["impression"], re.I)
        elif any(f.label != "Support Devices" for f in plan.findings):
            assert not re.search(r"no acute|normal chest|unremarkable", report["impression"], re.I)


def test_the_wording_varies(reports):
    texts = Counter(report["findings"] for _, report in reports)
    assert max(texts.values()) <= 3
    opening = Counter(sentences(report["findings"])[0] for _, report in reports)
    assert max(opening.values()) < 0.15 * len(reports)


def test_sentences_are_whole(reports):
    for _, report in reports:
        for text in report.values():
            assert text
            assert text.endswith(".")
            assert not re.search(r"[{}]|\s{2}|\.\.|\ba \w*\s?bilateral|the bilateral", text), text
            assert all(s[0].isupper() or s[0].isdigit() for s in sentences(text)), text
