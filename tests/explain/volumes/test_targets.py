"""Which tokens of a report count, and with which sign."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from medley.core.errors import MedleyError
from medley.explain.volumes.targets import every_target, score_of, target

REPORT = "There is a lesion in the left frontal lobe. Edema surrounds it. The left-sided ventricle is compressed."


def words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def with_spaces(text: str) -> list[tuple[int, int]]:
    """As byte-pair tokenizers do it: a token holds the space before it."""
    return [match.span() for match in re.finditer(r"\s?\w+|[^\w\s]", text)]


def counted(name: str, offsets=words) -> list[str]:
    (term,) = target(name, REPORT, offsets).terms
    spans = offsets(term.text)
    assert len(spans) == len(term.weights_T)
    assert sum(term.weights_T) == pytest.approx(1)
    assert len({weight for weight in term.weights_T if weight}) == 1
    return [term.text[start:end].strip() for (start, end), weight in zip(spans, term.weights_T, strict=True) if weight]


@pytest.mark.parametrize("offsets", [words, with_spaces])
def test_report_sentence_and_words(offsets):
    assert len(counted("report", offsets)) == len(offsets(REPORT))
    assert counted("sentence:2", offsets) == ["Edema", "surrounds", "it", "."]
    assert counted("words:left frontal", offsets) == ["left", "frontal"]
    assert counted("words:LEFT", offsets) == ["left", "left"]
    assert counted("words:left sided", offsets)[::2] == ["left", "sided"], "over a hyphen, too"


def test_the_report_is_the_mean_of_its_tokens():
    said = torch.arange(2.0)[:, None] - torch.arange(30.0)
    whole = target("report", REPORT, words)
    count = len(words(REPORT))
    assert count < 30
    torch.testing.assert_close(whole.value([said]), said[:, :count].mean(1))
    assert whole.unit(np.array([0.0, np.log(0.5)])) == pytest.approx([1.0, 0.5])


def test_the_sides_are_a_log_ratio_with_the_swapped_report():
    sides = target("sides", REPORT, words)
    own, other = sides.terms
    assert own.text == REPORT
    assert other.text == REPORT.replace("left", "right")
    said = [torch.full((2, 40), -0.5), torch.full((2, 40), -0.75)]
    torch.testing.assert_close(sides.value(said), torch.full((2,), 0.25 * len(words(REPORT))))
    torch.testing.assert_close(sides.value(said), -sides.value(said[::-1]))
    assert sides.unit(np.array([0.0, 100.0, -1000.0])) == pytest.approx([0.5, 1.0, 0.0])


def test_every_target_of_a_report():
    assert [one.name for one in every_target(REPORT, words)] == [
        "report",
        "sentence:1",
        "sentence:2",
        "sentence:3",
        "sides",
    ]
    assert [one.name for one in every_target("A normal brain.", words)] == ["report", "sentence:1"]
    assert every_target(REPORT, words)[2].told == "“Edema surrounds it.”"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("sentnce:1", "unknown target 'sentnce:1'; did you mean 'sentence'"),
        ("sentence:4", "the report has 3 sentences; give one as sentence:1"),
        ("sentence", "the report has 3 sentences"),
        ("words:occipital", "these words do not stand in the report"),
        ("words:", "these words do not stand in the report"),
        ("words:front", "these words do not stand in the report"),
    ],
)
def test_what_the_report_lacks_is_refused(name, why):
    with pytest.raises(MedleyError, match=why):
        target(name, REPORT, words)


def test_sides_of_a_report_without_any_and_tokens_that_are_none():
    with pytest.raises(MedleyError, match="the report names no side"):
        target("sides", "A normal brain.", words)
    with pytest.raises(MedleyError, match="none of the report's tokens lies in it"):
        target("sentence:1", "A normal brain.", lambda text: [(0, 0)])


def test_one_look_serves_all_targets_and_a_shared_text_is_said_once():
    looks, texts = [], []

    def see(volumes: torch.Tensor) -> torch.Tensor:
        looks.append(len(volumes))
        return volumes.sum((1, 2, 3, 4))

    def say(seen_B: torch.Tensor, text: str) -> torch.Tensor:
        texts.append(text)
        return -seen_B[:, None] * torch.arange(1.0, 31.0) * (2 if "right" in text else 1)

    targets = every_target(REPORT, words)
    volumes = torch.rand(4, 1, 2, 2, 2)
    answers = score_of(targets, see, say)(volumes)
    assert answers.shape == (4, len(targets))
    assert looks == [4]
    assert texts == [REPORT, REPORT.replace("left", "right")]
    (term,) = targets[1].terms
    logs = say(volumes.sum((1, 2, 3, 4)), REPORT)[:, : len(term.weights_T)]
    torch.testing.assert_close(answers[:, 1], logs @ torch.tensor(term.weights_T))
