"""What of a report is to be explained: all of it, a sentence, some words, or its side against the other side.

A whole report is mostly template: its likelihood says little of the finding. A target says which tokens of which text
count, and with which sign; the model part turns texts into log-probabilities of tokens and knows nothing else of it.

    report              the mean log-probability of its tokens
    sentence:2          of the tokens of the second sentence
    words:left frontal  of the tokens of these words, wherever they stand in it
    sides               log p(report) - log p(the report with left and right exchanged): what speaks for its side. All
                        tokens count: after the first swapped word the two differ in what they make likely next

Shapes: B volumes, T tokens of a text, K targets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medley.core.counts import counted
from medley.core.errors import MedleyError, nearest
from medley.explain.volumes.hiding import Score
from medley.language.sentences import split_sentences
from medley.language.sides import swap_sides

Offsets = Callable[[str], Sequence[tuple[int, int]]]  # a text -> the first and last + 1 character of each of its tokens
See = Callable[[torch.Tensor], torch.Tensor]  # volumes -> what the language model reads of them
Say = Callable[[torch.Tensor, str], torch.Tensor]  # that, and a text -> log-probabilities of its tokens [B, T]
KINDS = ("report", "sentence", "words", "sides")


@dataclass(frozen=True)
class Term:
    """A text that the model scores after the volume, and what each of its tokens counts, with its sign."""

    text: str
    weights_T: tuple[float, ...]


@dataclass(frozen=True)
class Target:
    """`name` as it was asked for, `told` for a picture's title, and what is summed."""

    name: str
    told: str
    terms: tuple[Term, ...]

    def value(self, log_probabilities: Sequence[torch.Tensor]) -> torch.Tensor:
        """[B] of the terms' log-probabilities of tokens [B, T], in the order of the terms; what follows T (an end of
        text) is left out."""
        total = torch.zeros(())
        for term, said_BT in zip(self.terms, log_probabilities, strict=True):
            weights_T = torch.tensor(term.weights_T, dtype=said_BT.dtype, device=said_BT.device)
            total = total.to(said_BT) + said_BT[:, : len(weights_T)] @ weights_T
        return total

    def unit(self, values: np.ndarray) -> np.ndarray:
        """Values brought to [0, 1]: a contrast to the probability of its own side, a mean log-probability to the
        geometric mean of the tokens' probabilities."""
        if len(self.terms) > 1:
            return 1 / (1 + np.exp(-np.clip(values, -50, 50)))
        return np.exp(np.minimum(values, 0))


def target(name: str, report: str, offsets: Offsets) -> Target:
    """The target of this name for a report. `offsets` is the tokenizer's, without tokens added before or after.

    Raises MedleyError for an unknown kind, a sentence or words that the report lacks, and `sides` where it names none.
    """
    kind, _, which = name.partition(":")
    if kind not in KINDS:
        raise MedleyError(f"unknown target '{name}'{nearest(kind, KINDS)}")
    if kind == "sides":
        return _sides(name, report, offsets)
    if kind == "report":
        spans, told = [(0, len(report))], "the whole report"
    elif kind == "sentence":
        spans, told = _sentence(name, which, report)
    else:
        spans, told = _words(name, which, report)
    return Target(name, told, (Term(report, _even(offsets(report), spans, name)),))


def every_target(report: str, offsets: Offsets) -> list[Target]:
    """The report, each of its sentences, and its sides where it names any: what one pass can explain at once, but for
    the sides."""
    names = ["report", *(f"sentence:{number}" for number in range(1, len(split_sentences(report)) + 1))]
    names += ["sides"] if swap_sides(report) != report else []
    return [target(name, report, offsets) for name in names]


def score_of(targets: Sequence[Target], see: See, say: Say) -> Score:
    """The score that explains all the targets at once: volumes [B, S, D, H, W] -> [B, K].

    A volume is seen once, and a text that several targets share is said once.
    """
    texts = list(dict.fromkeys(term.text for one in targets for term in one.terms))

    def score(volumes: torch.Tensor) -> torch.Tensor:
        seen = see(volumes)
        said = {text: say(seen, text) for text in texts}
        return torch.stack([one.value([said[term.text] for term in one.terms]) for one in targets], dim=1)

    return score


def _sentence(name: str, which: str, report: str) -> tuple[list[tuple[int, int]], str]:
    sentences = split_sentences(report)
    if not which.isdigit() or not 1 <= int(which) <= len(sentences):
        raise MedleyError(
            f"target '{name}': the report has {counted(len(sentences), 'sentence')}; give one as sentence:1"
        )
    start, end, _ = sentences[int(which) - 1]
    return [(start, end)], f"“{report[start:end]}”"


def _words(name: str, which: str, report: str) -> tuple[list[tuple[int, int]], str]:
    words = which.split()
    pattern = r"(?<!\w)" + r"[\s-]+".join(map(re.escape, words)) + r"(?!\w)"
    spans = [match.span() for match in re.finditer(pattern, report, re.IGNORECASE)] if words else []
    if not spans:
        raise MedleyError(f"target '{name}': these words do not stand in the report; give some as words:left frontal")
    return spans, f"the words “{' '.join(words)}”"


def _sides(name: str, report: str, offsets: Offsets) -> Target:
    other = swap_sides(report)
    if other == report:
        raise MedleyError(f"target '{name}': the report names no side, so there is no other side to set against it")
    terms = (Term(report, (1.0,) * len(offsets(report))), Term(other, (-1.0,) * len(offsets(other))))
    return Target(name, "its side against the other side", terms)


def _even(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]], name: str) -> tuple[float, ...]:
    """The same weight, together 1, for each token that shares a character with one of the spans."""
    counts = [any(start < last and first < end for first, last in spans) for start, end in offsets]
    if not any(counts):
        raise MedleyError(f"target '{name}': none of the report's tokens lies in it")
    return tuple(float(one) / sum(counts) for one in counts)
