"""Words that name a label, and whether they give it away: shared by the checks of texts, file names and headers.

One bit a study and label, "named or not", is the simplest model of all. Where its AUROC on the labels is high, the
answer stands in the input; where labels are named now and then ("cough, ? pneumonia") it is worth a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from medley.core.counts import counted
from medley.core.labels import ALIASES, canonical
from medley.core.records import Case
from medley.data.checks.result import FAILED, WARNING, Check, verdict
from medley.data.checks.volumes.reading import are_of_brains, labels_read
from medley.language.chest import IMPLIES
from medley.language.mentions import ABSENT, find_mentions

GIVES_AWAY_AUROC = 0.6
_CHANCE = 0.01  # of one label being named this well by luck, over all labels together


@dataclass(frozen=True)
class Naming:
    """One label: how often it is named where it is 1 and where it is 0. `auroc` is that of the bit "named"."""

    label: str
    positives: int
    negatives: int
    named_positives: int
    named_negatives: int

    @property
    def auroc(self) -> float:
        hit = self.named_positives / self.positives if self.positives else 0.0
        false = self.named_negatives / self.negatives if self.negatives else 0.0
        return (1 + hit - false) / 2

    def chance(self) -> float:
        """Of naming at least so many positives by luck: one-sided, Fisher's exact test."""
        from scipy.stats import hypergeom

        total = self.positives + self.negatives
        named = self.named_positives + self.named_negatives
        return float(hypergeom.sf(self.named_positives - 1, total, self.positives, named))


def named_in(text: str, labels: Sequence[str]) -> frozenset[str]:
    """The labels that a text names, by the lexicon or by their own name, unless it denies them."""
    return _named_in(text, tuple(labels))


@lru_cache(maxsize=65536)
def _named_in(text: str, labels: tuple[str, ...]) -> frozenset[str]:
    if are_of_brains(labels):
        read = labels_read(text, labels)
        said, denied = ({label for label, value in read.items() if (value == 0) is no} for no in (False, True))
    else:
        said, denied = _chest_names(text)
    own = {label for label, pattern in _own_names(labels) if label not in denied and pattern.search(text)}
    return frozenset((said | own) & set(labels))


def _chest_names(text: str) -> tuple[set[str], set[str]]:
    """Findings of the chest that a text speaks of, with what they imply; and those that it denies."""
    mentions = find_mentions(text)
    said = {mention.label for mention in mentions if mention.polarity != ABSENT}
    said |= {coarse for label in said for coarse in IMPLIES.get(label, ())}
    return said, {mention.label for mention in mentions} - said


@lru_cache(maxsize=8)
def _own_names(labels: tuple[str, ...]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """A pattern a label: its name and aliases as words; names of three letters and less in their own letter case."""
    out = []
    for label in labels:
        names = {label, *(alias for alias, name in ALIASES.items() if name == canonical(label))} - {"Normal"}
        words = ["[ _-]?".join(map(re.escape, re.split(r"[ _-]+", name))) for name in sorted(names)]
        flags = re.IGNORECASE if min(len(name) for name in names) > 3 else 0
        out.append((label, re.compile(rf"(?<![A-Za-z])(?:{'|'.join(words)})(?![A-Za-z])", flags)))
    return tuple(out)


def count_naming(cases: Iterable[Case], named: Mapping[str, Set[str]], labels: Sequence[str]) -> list[Naming]:
    """Over the cases that have an entry in `named` (case_id -> labels named); unknown and uncertain labels left out."""
    counts = {label: [0, 0, 0, 0] for label in labels}
    for case in cases:
        if case.case_id not in named:
            continue
        for label in labels:
            value = case.labels.get(label)
            if value in (0.0, 1.0):
                row = counts[label]
                row[0 if value else 1] += 1
                row[2 if value else 3] += label in named[case.case_id]
    return [Naming(label, *row) for label, row in counts.items()]


def judge_naming(name: str, what: str, namings: Sequence[Naming], examples: Sequence[str], todo: str) -> Check:
    """`failed` where naming predicts a label, `warning` where a positive label is named at all."""
    worst = [one for one in namings if one.auroc >= GIVES_AWAY_AUROC and one.chance() < _CHANCE / max(1, len(namings))]
    worst.sort(key=lambda one: -one.auroc)
    total = sum(one.named_positives for one in namings)
    told = ", ".join(f"{one.label} (named in {one.named_positives} of {one.positives})" for one in worst[:3])
    wrong = (
        f"{what} gives {counted(len(worst), 'label')} away: {told}"
        if worst
        else f"{what} names a label that is 1, {counted(total, 'time')}"
    )
    numbers = {
        one.label: {**vars(one), "auroc": round(one.auroc, 4)} for one in namings if one.named_positives or one in worst
    }
    check = verdict(name, list(examples), f"{what} names no label that is 1", wrong, todo, FAILED if worst else WARNING)
    return Check(check.name, check.status, total, check.says, check.todo, check.examples, numbers)
