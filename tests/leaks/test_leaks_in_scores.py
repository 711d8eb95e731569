"""Leaks in what is scored: `medley score` of predictions made by hand says what they are worth, and what is null."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from leaks_data import Cohort, evidence, probabilities

from medley.core.records import Prediction
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.scorecard.findings_headline import METRIC

FITTED = ("f1_macro", "precision_macro", "recall_macro", "specificity_macro", "mcc_macro", "ece_calibrated")
RANKED = ("auroc_macro", "ap_macro")
Scored = tuple[int, dict, str]


@pytest.fixture
def score(medley, tmp_path) -> Callable[..., Scored]:
    """`medley score` of predictions, with those of a dev part: (exit code, scorecard, what was said on stderr)."""

    def run(test: Sequence[Prediction], dev: Sequence[Prediction], *options: object) -> Scored:
        for name, lines in (("test", test), ("dev", dev)):
            write_predictions(tmp_path / f"{name}.jsonl", lines)
        given = ("--dev", tmp_path / "dev.jsonl", "--bootstrap", 100, "--out", tmp_path / "card", *options)
        code, _, err = medley("score", tmp_path / "test.jsonl", *given)
        card = tmp_path / "card" / "scorecard.json"
        return code, json.loads(card.read_text()) if card.is_file() else {}, err

    return run


def answers(cohort: Cohort, part: str, film: float = 1.8, note: float = 1.0) -> list[Prediction]:
    """What a system says of a part that reads film and note with these skills."""
    lines = []
    for case in cohort.part(part):
        seen = evidence(f"film of {case.case_id}", case.labels, film)
        told = evidence(f"note of {case.case_id}", case.labels, note)
        heads = {"image_only": probabilities(seen), "text_only": probabilities(told)}
        labels = {label: int(value) for label, value in case.labels.items()}
        lines.append(
            Prediction(case.case_id, case.patient_id, "chest_findings", probabilities(seen, told), labels, heads)
        )
    return lines


def of_table(cohort: Cohort) -> tuple[object, ...]:
    stated = ("--state", "notes=sim", "--state", "aggregation=mean")
    return "--train", cohort.cases, "--splits", cohort.splits, *stated


def test_an_honest_system_raises_nothing_and_everything_is_computed(clean, score):
    code, card, said = score(answers(clean, "test"), answers(clean, "dev"), *of_table(clean))
    assert code == 0
    assert "By more than its interval it beats" in said
    assert "the note alone" in said
    assert not any(words in said for words in ("does not beat", "it is worse", "Nothing is known", "Whether it beats"))
    assert {name: card["metrics"][name]["error"] for name in (*FITTED, *RANKED)} == dict.fromkeys((*FITTED, *RANKED))
    assert [one for one in card["warnings"] if not one.startswith("subgroups by")] == [], "66 studies make small ones"


def as_they_are(lines: list[Prediction]) -> list[Prediction]:
    return lines


def renamed(lines: list[Prediction]) -> list[Prediction]:
    return [replace(line, case_id=f"dev-{line.case_id}") for line in lines]


def one_patient(lines: list[Prediction]) -> list[Prediction]:
    return lines[:1]


@pytest.mark.parametrize("slipped", [as_they_are, renamed, one_patient])
def test_a_threshold_tuned_on_test(clean, score, slipped):
    """All of the test part given as dev, the same under other case ids, or one patient of it among the others."""
    test = answers(clean, "test")
    dev = answers(clean, "dev") if slipped is one_patient else []
    code, card, _ = score(test, [*dev, *slipped(test)])
    seen = len({line.patient_id for line in slipped(test)})
    assert code == 0
    for name in FITTED:
        metric = card["metrics"][name]
        what = "calibration" if name == "ece_calibrated" else "thresholds"
        assert metric["value"] is None
        assert f"{what} fitted on {seen} of the {len({line.patient_id for line in test})} scored" in metric["error"]
    assert all(card["metrics"][name]["value"] > 0.8 for name in RANKED), "a rank needs no threshold"
    assert card["per_label"]["fused"]["Cardiomegaly"]["metrics"]["f1"]["value"] is None


def test_a_threshold_tuned_on_test_is_refused_where_the_split_is_known(clean, score):
    test = answers(clean, "test")
    code, card, said = score(test, test, *of_table(clean))
    assert (code, card) == (2, {})
    assert f"in test, not in dev: {len(test)} of the {len(test)} cases" in said
    assert len(said.strip().splitlines()) == 1


def test_a_text_only_model(clean, score, tmp_path):
    """It scores 0.9, and its film head is at chance: the note did it."""
    skills = {"film": 0.1, "note": 2.0}
    code, card, said = score(answers(clean, "test", **skills), answers(clean, "dev", **skills), *of_table(clean))
    assert code == 0
    assert card["metrics"][METRIC]["value"] > 0.85
    beyond = "It does not beat the note alone"
    assert beyond in said
    assert "so the image adds nothing that these studies can show" in said
    assert beyond in (tmp_path / "card" / "scorecard.html").read_text(encoding="utf-8")
    low, high = card["metrics"][f"fused_minus_text_only/{METRIC}"]["ci95"]
    assert low <= 0 <= high
