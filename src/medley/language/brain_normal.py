"""When a sentence of a brain report calls the whole brain healthy.

It says nothing that is there, is not of a part of the brain alone, leaves nothing out ("otherwise normal"), and either
denies every lesion or calls the brain, the examination or its signal normal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medley.language.brain_places import Placed
from medley.language.brain_words import BEHIND_NORMAL, BESIDE_NORMAL, LESION, SOME_ONLY
from medley.language.negation import ABSENT
from medley.language.phrases import Mark, Token

BOTH = ("left", "right")
_NEAR = 4  # words before and behind a statement of normality that may leave something out of it
_MANY_LOBES = 4  # a sentence on so many of them is one on the brain


def calls_normal(
    marks: Sequence[Mark],
    words: Sequence[Token],
    said: Mapping[int, str],
    states: Mapping[int, list[int]],
    placed: Sequence[Placed],
) -> bool:
    """`said` is the polarity of the sentence's findings, `states` the anatomy of its states, by their index in
    `marks`; `placed` are its places."""
    if any(polarity != ABSENT for polarity in said.values()):
        return False
    lobes, sides = {lobe for one in placed for lobe in one.lobes}, {one.side for one in placed}
    if 0 < len(lobes) < _MANY_LOBES or len(sides & {*BOTH}) == 1:
        return False
    spans = [(i, i) for i in said if LESION in marks[i].term.value]
    for state, subjects in states.items():
        of_brain = any(marks[subject].term.value == "brain" for subject in subjects)
        if of_brain and _is_of_all(marks, words, state, subjects):
            spans.append((min(state, *subjects), max(state, *subjects)))
    for first, last in spans:
        near = words[max(0, marks[first].first - _NEAR) : marks[last].last + _NEAR]
        if not SOME_ONLY & {word.word for word in near}:
            return True
    return False


def denies(state: Mark, words: Sequence[Token]) -> bool:
    """Whether "normal" is neither "not a normal" nor "otherwise normal"."""
    return not {"not", "otherwise"} & {word.word for word in words[max(0, state.first - 2) : state.first]}


def _is_of_all(marks: Sequence[Mark], words: Sequence[Token], state: int, subjects: Sequence[int]) -> bool:
    """Whether a state is said of the brain itself: not "compared to normal brain", not "shows a normal ribbon"."""
    mark = marks[state]
    if mark.term.value is not None or not denies(mark, words):
        return False
    if state < min(subjects):
        return not mark.first or words[mark.first - 1].word not in BESIDE_NORMAL
    marked = state + 1 < len(marks) and marks[state + 1].first == mark.last
    behind = "" if marked or mark.last == len(words) else words[mark.last].word
    return not behind.isalpha() or behind in BEHIND_NORMAL
