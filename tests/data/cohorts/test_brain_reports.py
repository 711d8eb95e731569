"""Reports say what was drawn and where, deny only what is absent, and are read back as the truth they were told of."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product

import pytest

from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LOBES
from medley.core.seeds import generator
from medley.data.cohorts.brain import write_report
from medley.language.brain import read_brain
from medley.language.negation import ABSENT


def truths():
    """Truths as the cohort has them, and rarer ones."""
    parts = [name for name in BRAIN_COMPONENTS if name != "midline shift"]
    rng = generator("truths")
    for number in range(420):
        components = [name for name in parts if rng.random() < 0.5]
        if "mass effect" in components and rng.random() < 0.6:
            components.append("midline shift")
        places = list(product(("left", "right"), BRAIN_LOBES))
        side = ("left", "right")[number % 2]
        if number % 6 < 4:
            places = [place for place in places if place[0] == side]
        chosen = rng.permutation(len(places))[: int(rng.integers(1, 4))]
        pairs = [places[place] for place in chosen]
        both = len({pair[0] for pair in pairs}) == 2 or rng.random() < 0.1
        edema = float(rng.uniform(2, 80)) if "edema" in components else 0.0
        yield {
            "healthy": False,
            "sides": "bilateral" if both else pairs[0][0],
            "lobes": [lobe for lobe in BRAIN_LOBES if lobe in {pair[1] for pair in pairs}],
            "side_lobe": [list(pair) for pair in pairs],
            "components": components,
            "lesions": [{}] * int(rng.choice([1, 1, 1, 2, 3])),
            "volumes_ml": {"edema": edema, "whole": edema + float(rng.uniform(2, 60))},
            "shift_mm": float(rng.uniform(3, 14)) if "midline shift" in components else float(rng.uniform(0, 2)),
        }


@pytest.fixture(scope="module")
def told():
    return [(truth, write_report(truth, generator("report", place))) for place, truth in enumerate(truths())]


@pytest.fixture(scope="module")
def healthy():
    return [write_report({"healthy": True}, generator("healthy", place)) for place in range(300)]


def misread(truth, report):
    reading = read_brain(report)
    wanted = set(truth["components"]) - {"enhancement"} | {"lesion"}
    said = {name for name, polarity in reading.findings.items() if polarity != ABSENT}
    return (
        reading.side != truth["sides"]
        or set(reading.side_lobe) != {tuple(pair) for pair in truth["side_lobe"]}
        or said != wanted
        or reading.says_healthy
    )


def test_a_report_is_read_back_as_its_truth(told):
    wrong = [report for truth, report in told if misread(truth, report)]
    assert len(wrong) <= 0.01 * len(told), wrong[:5]


def test_a_healthy_report_is_read_as_healthy(healthy):
    wrong = [report for report in healthy if not read_brain(report).says_healthy]
    assert wrong == []


def test_enhancement_is_never_named(told):
    assert not any(re.search("enhanc|contrast", report, re.I) for _, report in told)


def test_what_is_absent_is_denied_sometimes_and_what_is_present_never(told):
    denied = Counter()
    for truth, report in told:
        for name, polarity in read_brain(report).findings.items():
            if polarity == ABSENT:
                assert name not in truth["components"], report
                denied[name] += 1
    absent = Counter(name for truth, _ in told for name in BRAIN_COMPONENTS if name not in truth["components"])
    for name in ("edema", "necrosis", "mass effect", "midline shift"):
        assert 0.2 < denied[name] / absent[name] < 0.9, name


def test_the_same_truth_is_told_in_many_ways(told, healthy):
    assert len(set(healthy)) >= 40
    truth = told[0][0]
    assert len({write_report(truth, generator("again", place)) for place in range(60)}) > 50
    assert write_report(truth, generator("again", 1)) == write_report(truth, generator("again", 1))
    openings = Counter(report.split()[0] for _, report in told)
    assert max(openings.values()) < 0.5 * len(told)


def test_the_vocabulary_is_small(told, healthy):
    words = {
        word for report in (*healthy, *(text for _, text in told)) for word in re.findall("[a-z]+", report.lower())
    }
    assert len(words) < 260


def test_sentences_are_whole(told, healthy):
    for report in (*healthy, *(text for _, text in told)):
        assert not re.search(r"[{}]|\s{2}|\.\.|\ba [aeiou]|\ban [^aeiou]|\s[.,]", report), report
        for sentence in re.split(r"(?<=\.)\s", report):
            assert sentence[0].isupper()
            assert sentence.endswith(".")


def test_a_shift_in_millimetres_is_the_true_one(told):
    numbers = 0
    for truth, report in told:
        for value in re.findall(r"(\d+) mm", report):
            assert int(value) == round(truth["shift_mm"])
            numbers += 1
    assert numbers > 20
