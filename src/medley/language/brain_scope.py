"""What a place in a sentence is the place of: which finding, and so whether anything is said to be there.

A place right before a finding is its own ("left frontal lesion"); else it is that of the finding before it ("lesion in
the left frontal lobe"); else that of one behind it ("in the left frontal lobe there is a lesion"). What is denied is
nowhere, nor is anything where a place is called normal or spared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from medley.language.negation import ABSENT
from medley.language.phrases import Mark, Token

_LINKS = frozenset({"in", "of", "on", "at", "within", "from", "to", "into", "near", "around", "involving"})
_BREAKS = frozenset({"but", "however", "although", "though", "whereas", "while", "except", "aside", "apart", ";"})
_SAME_GROUP = frozenset({"place", "severity", "list", "or", "both", "letter", "standing"})
_NOUNS = frozenset({"lobe", "lobes", "region", "regions", "hemisphere"})
_GAP_WORDS = 3
_REACH_MARKS = 16


class Scope:
    """The findings of one sentence around its places; `said` is their polarity by their index in `marks`."""

    def __init__(self, marks: Sequence[Mark], words: Sequence[Token], said: Mapping[int, str]):
        self.marks, self.words, self.said = marks, words, said
        self.before = list(_last(i if i in said else None for i in range(len(marks))))
        self.after = list(_last(i if i in said else None for i in reversed(range(len(marks)))))[::-1]
        self.there = list(_last(i if said.get(i, ABSENT) != ABSENT else None for i in range(len(marks))))
        self.breaks = self._counted(lambda i: words[marks[i].first].word in _BREAKS and marks[i].term.kind == "turn")
        self.commas = self._counted(self._is_comma)
        self.turns = self._counted(lambda i: marks[i].term.kind in ("turn", "new_claim"))
        self.denials = self._counted(lambda i: marks[i].term.kind == "deny_before")
        self.places = self._counted(lambda i: marks[i].term.kind == "place")

    def said_of(self, i: int) -> str | None:
        """The polarity of what is at the place `i`; None where the sentence names nothing."""
        if self._called_normal(i) or self._spared(i):
            return ABSENT
        item = self.governing(i)
        if item is None:
            alone = not self.said and self._between(self.denials, -1, i)  # "no extension to the parietal lobe"
            return ABSENT if alone and not self._between(self.breaks, -1, i) else None
        if item == self.before[i] and self._between(self.denials, item, i):
            return ABSENT  # "lesion without extension to the parietal lobe"
        return self.said[item]

    def governing(self, i: int) -> int | None:
        """The finding that the place `i` is a place of."""
        behind, ahead = self.before[i], self.after[i]
        if ahead is not None and self._modifies(i, ahead):
            return ahead
        reached = ahead is not None and not self._between(self.breaks, i, ahead)
        if behind is None or self._between(self.breaks, behind, i):
            return ahead if reached else None
        if reached and ahead is not None and any(self._between(of, behind, i) for of in (self.commas, self.turns)):
            denied = self.said[behind] == ABSENT and not self._between(self.commas, i, ahead)
            if denied or self._is_said_of(i, ahead):
                return ahead
        return self._main(behind)

    def _is_said_of(self, i: int, item: int) -> bool:
        """Whether the finding is said of the place by a verb: "the left frontal lobe shows no abnormality"."""
        j = self._skipped(i, _SAME_GROUP | {"subject"})
        if item - i > _REACH_MARKS or self.marks[j].term.kind != "verb":
            return False
        return not any(mark.term.kind in ("list", "or", "turn") for mark in self.marks[j:item])

    def _main(self, item: int) -> int:
        """What a denied finding before a place is said of, if that has no place yet: in "a mass without edema in the
        left frontal lobe" the mass is there."""
        main = self.there[item]
        if self.said[item] != ABSENT or main is None:
            return item
        apart = any(self._between(of, main, item) for of in (self.commas, self.breaks, self.places))
        return item if apart else main

    def _modifies(self, i: int, item: int) -> bool:
        """Whether the place stands right before the finding, in one group of words with it."""
        if item - i > _REACH_MARKS:
            return False
        previous = i
        for j in range(i + 1, item + 1):
            between = [word.word for word in self.words[self.marks[previous].last : self.marks[j].first]]
            if len(between) > _GAP_WORDS or _LINKS & set(between):
                return False
            if j < item and self.marks[j].term.kind not in _SAME_GROUP:
                return False
            previous = j
        return True

    def _called_normal(self, i: int) -> bool:
        """ "The frontal lobes are normal", "frontal lobes normal", "normal frontal lobes"."""
        if i + 1 < len(self.marks) and self.marks[i + 1].term.kind == "normal":
            between = {word.word for word in self.words[self.marks[i].last : self.marks[i + 1].first]}
            if between <= _NOUNS:
                return True
        j = self._skipped(i, _SAME_GROUP | {"subject"})
        verb = False
        while j < len(self.marks) and self.marks[j].term.kind == "verb":
            verb, j = True, j + 1
        if verb and j < len(self.marks) and self.marks[j].term.kind == "normal":
            return True
        before = i - 1
        while before >= 0 and self.marks[before].term.kind in ("place", "both", "severity"):
            before -= 1
        return before >= 0 and not self.said and self.marks[before].term.kind == "normal"

    def _spared(self, i: int) -> bool:
        """ "The temporal lobe is spared"."""
        j = self._skipped(i, frozenset({"place", "severity", "both", "verb", "subject"}))
        return j < len(self.marks) and self.marks[j].term.kind == "deny_after"

    def _skipped(self, i: int, kinds: frozenset[str]) -> int:
        """The first mark behind `i` that is of none of these kinds."""
        j = i + 1
        while j < min(len(self.marks), i + _REACH_MARKS) and self.marks[j].term.kind in kinds:
            j += 1
        return j

    def _is_comma(self, i: int) -> bool:
        """A comma that is not one between places."""
        if self.marks[i].term != ("list", ","):
            return False
        beside = [self.marks[j].term.kind for j in (i - 1, i + 1) if 0 <= j < len(self.marks)]
        return not (len(beside) == 2 and set(beside) <= _SAME_GROUP)

    def _counted(self, counts: Callable[[int], bool]) -> list[int]:
        return [0, *accumulate(int(counts(i)) for i in range(len(self.marks)))]

    def _between(self, counted: Sequence[int], first: int, last: int) -> int:
        """How many lie behind `first` and before `last`."""
        return counted[last] - counted[first + 1] if last > first else 0


def _last(indices: Iterable[int | None]) -> Iterable[int | None]:
    """For each of the indices the last one before it, itself not counted, that is not None."""
    last: int | None = None
    for index in indices:
        yield last
        last = last if index is None else index
