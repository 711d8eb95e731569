"""Resamples from sums equal the texts read anew, systems are compared fairly, and what cannot be said is null."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mini_wordnet import write_mini_wordnet

from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.core.seeds import generator
from medley.evaluation.statistics import paired_differences, patient_weights, permutation_test
from medley.evaluation.text import METRICS, TextStatistics, pooled, text_statistics, texts_of
from medley.evaluation.text.wordnet import assemble_wordnet

NO_WORDNET = "no WordNet"
WORDS = (
    "the",
    "heart",
    "lungs",
    "are",
    "is",
    "clear",
    "large",
    "left",
    "effusion",
    "no",
    "pneumothorax",
    "doctor",
    ".",
)


def reports(n: int, *key: object) -> list[str]:
    rng = generator("text statistics", *key)
    return [" ".join(rng.choice(WORDS, rng.integers(4, 25))) for _ in range(n)]


@pytest.fixture(autouse=True)
def nltk_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [])


@pytest.fixture
def wordnet(tmp_path):
    assemble_wordnet(tmp_path / "wordnet", write_mini_wordnet(tmp_path / "debian"))
    return tmp_path / "wordnet"


def values(found: TextStatistics) -> dict[str, float]:
    n = len(found.parts[0].scored_N)
    return {name: float(value[0]) for name, value in found.weighted(np.ones((n, 1))).items()}


@pytest.mark.parametrize("tokens", ["coco", "13a"])
def test_a_resample_is_the_texts_read_anew(tokens: str, wordnet) -> None:
    hypotheses, references = reports(40, "ours"), reports(40, "theirs")
    hypotheses[3], references[5], references[6] = "", "", "..."
    found = text_statistics(hypotheses, references, tokens=tokens, wordnet=wordnet)
    weights = patient_weights([str(i // 2) for i in range(40)], range(6), seed=1)
    sampled = found.weighted(weights)
    assert set(sampled) == set(METRICS) - {"bertscore_f1"}
    for r in range(6):
        drawn = np.repeat(np.arange(40), weights[:, r].astype(int))
        anew = text_statistics(
            [hypotheses[i] for i in drawn], [references[i] for i in drawn], tokens=tokens, wordnet=wordnet
        )
        for name, value in values(anew).items():
            if not name.startswith("cider"):
                assert sampled[name][r] == pytest.approx(value, abs=1e-9), name
        for name in ("cider", "cider_d"):  # document frequencies stay those of all references
            fixed = np.nanmean(found.by_report()[name][drawn])
            assert sampled[name][r] == pytest.approx(fixed, abs=1e-9)
            assert sampled[name][r] != pytest.approx(values(anew)[name], abs=1e-6)


def test_silence_is_a_miss_and_an_empty_reference_is_left_out() -> None:
    references = reports(20, "theirs")
    hypotheses = reports(20, "ours")
    whole = values(text_statistics(hypotheses, references))
    silent = values(text_statistics(["", *hypotheses[1:]], references))
    assert all(silent[name] < whole[name] for name in ("rouge_1", "rouge_l", "rouge_l_coco"))
    found = text_statistics([*hypotheses, "the heart"], [*references, " \n"])
    assert values(found) == pytest.approx(whole, abs=1e-12)
    assert (found.empty_hypotheses, found.empty_references) == (0, 1)
    metrics = found.metrics([str(i) for i in range(21)], resamples=20, seed=0)
    assert {metrics[name].n for name in whole} == {20}


def test_null_with_the_reason_and_never_zero() -> None:
    metrics = text_statistics(["", ""], ["the heart", "the lungs are clear"]).metrics(["a", "b"], resamples=9, seed=0)
    assert list(metrics) == list(METRICS)
    assert metrics["bleu_4"].error == "every hypothesis is empty"
    assert metrics["meteor"].value is None
    assert NO_WORDNET in str(metrics["meteor"].error)
    assert metrics["bertscore_f1"].value is None
    assert "encoder" in str(metrics["bertscore_f1"].error)

    short = text_statistics(["the heart", "no"], ["the heart is large", "no"]).metrics(["a", "b"], resamples=9, seed=0)
    assert (short["bleu_4"].value, short["bleu_4"].error) == (None, "no hypothesis has 4 tokens")
    assert short["bleu_1"].value == pytest.approx(math.exp(1 - 5 / 3))

    alike = text_statistics(["the heart", "no"], ["all is well"] * 2).metrics(["a", "b"], resamples=0, seed=0)
    assert alike["cider_d"].value is None
    assert "tells one from another" in str(alike["cider_d"].error)
    assert "no resamples" in str(alike["rouge_1"].error)

    nothing = text_statistics(["the heart"], ["\x00 "]).metrics(["a"], resamples=9, seed=0)
    assert {metric.value for metric in nothing.values()} == {None}
    assert nothing["bleu_1"].error == "no reference has a word"
    assert text_statistics(["a b"], ["one"]).metrics(["a"], resamples=0, seed=0)["rouge_2"].value is None


def test_one_report_has_values_and_no_interval() -> None:
    one = text_statistics(["the heart is large"], ["the heart is large"]).metrics(["a"], resamples=50, seed=0)
    assert one["bleu_4"].value == pytest.approx(1)
    assert one["bleu_4"].ci95 is None
    assert "one patient only" in str(one["bleu_4"].error)
    assert one["cider"].value is None


def test_signs_and_endless_texts_are_read() -> None:
    strange = "heart \x07 size \ud83d normal \u202e 🙂🙂 effusion\x00"
    endless = " ".join(WORDS * 600)
    found = text_statistics([strange, endless, "🙂"], ["heart size normal effusion", "the heart", "🙂"])
    metrics = found.metrics(["a", "b", "c"], resamples=30, seed=0)
    assert metrics["rouge_1"].n == 2  # rouge reads letters and digits: nothing of the third
    assert found.by_report()["rouge_1"][0] == pytest.approx(1)
    assert metrics["chrf"].n == 3
    assert all(np.isfinite(metrics[name].value) for name in ("bleu_4", "rouge_l", "chrf", "cider_d"))


def test_two_systems_are_paired() -> None:
    references = reports(30, "theirs")
    better = [text if i % 3 else reports(1, i)[0] for i, text in enumerate(references)]
    worse = reports(30, "ours")
    first, second = text_statistics(better, references), text_statistics(worse, references)
    patients = [str(i) for i in range(30)]
    differences = paired_differences(first.weighted, second.weighted, patients, resamples=200, seed=0)
    tests = permutation_test(pooled(first, second), patients, permutations=199, seed=0)
    for name in ("bleu_4", "rouge_l", "chrf", "cider_d"):
        assert differences[name].value == pytest.approx(values(first)[name] - values(second)[name])
        assert differences[name].ci95[0] > 0
        assert tests[name].p == pytest.approx(1 / 200)
    same = permutation_test(pooled(second, second), patients, permutations=50, seed=0)
    assert {test.p for test in same.values()} == {1.0}
    with pytest.raises(MedleyError, match="unlike ways"):
        pooled(first, text_statistics(worse, references, tokens="13a"))
    with pytest.raises(MedleyError, match="unlike references"):
        pooled(first, text_statistics(worse, ["", *references[1:]]))


def test_bad_input_is_one_line() -> None:
    for hypotheses, references, tokens, rule in (
        (["a"], ["a", "b"], "coco", "1 hypotheses for 2 references"),
        ([], [], "coco", "no reports"),
        (["a"], ["a"], "cocoa", "did you mean 'coco'"),
    ):
        with pytest.raises(MedleyError, match=rule):
            text_statistics(hypotheses, references, tokens=tokens)
    with pytest.raises(MedleyError, match="2 patient ids for 1 reports"):
        text_statistics(["a"], ["a"]).metrics(["p", "q"], resamples=0, seed=0)


def test_sections_stand_apart_and_joined() -> None:
    def said(hypothesis: dict[str, str], reference: dict[str, str]) -> Prediction:
        return Prediction("c", "p", "chest_report", hypothesis=hypothesis, reference=reference)

    texts = texts_of(
        [
            said({"impression": "normal", "findings": "clear lungs "}, {"findings": "lungs", "impression": "fine"}),
            said({"impression": "old fracture"}, {"impression": "fracture", "findings": " "}),
            said({}, {"report": "all"}),
        ]
    )
    assert list(texts) == ["", "findings/", "impression/"]
    assert texts[""] == (["clear lungs\nnormal", "old fracture", ""], ["lungs\nfine", "fracture", "all"])
    assert texts["findings/"].references == ["lungs", " ", ""]
    assert list(texts_of([said({"report": "a"}, {"findings": "a"})])) == [""]
