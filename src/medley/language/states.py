"""Which anatomy a word of state belongs to: "heart and lungs are normal", "normal ventricles", "the heart is enlarged".

A state belongs to the anatomy before it, as far back as nothing else comes between; else to the one right behind it.
Kinds of marks that are looked at: subject (anatomy), normal, abnormal and borderline (states), and what ends a reach.
"""

from __future__ import annotations

from medley.language.phrases import Mark, Token

STATES = frozenset({"normal", "abnormal", "borderline"})
_GLUE = frozenset({"the", "a", "an", "its", "their", "this", "that", "both", "of"})
_STATE_WORDS = 4  # a state farther behind its anatomy than this needs a verb between
_RANGE = frozenset({"to", "or"})  # "upper limits of normal to mildly enlarged"


def states_of(marks: list[Mark], words: list[Token]) -> dict[int, list[int]]:
    """Index of each state ("normal", "enlarged") -> the anatomy it is said of: before it, else right behind it."""
    owned: dict[int, list[int]] = {}
    taken: set[int] = set()
    for i, mark in enumerate(marks):
        if mark.term.kind not in STATES:
            continue
        subjects: list[int] = []
        verb = False
        for j in range(i - 1, -1, -1):
            kind = marks[j].term.kind
            if kind == "subject" and j not in taken:
                if not subjects and not verb and marks[i].first - marks[j].last > _STATE_WORDS:
                    break
                subjects.append(j)
            elif kind in ("turn", "new_claim", "finding", "anything") or j in taken or kind in STATES:
                break
            verb = verb or kind == "verb"
        if not subjects:
            end = mark.last
            for j in range(i + 1, len(marks)):
                kind = marks[j].term.kind
                if kind == "subject" and all(word.word in _GLUE for word in words[end : marks[j].first]):
                    subjects.append(j)
                elif kind not in ("list", "or", "place", "severity"):
                    break
                end = marks[j].last
        if subjects:
            owned[i] = sorted(subjects)
            taken.update(subjects)
        elif (other := other_end(marks, i, words)) in owned:
            owned[i] = owned.pop(other)
    return owned


def other_end(marks: list[Mark], state: int, words: list[Token]) -> int | None:
    """The normal state from which a sick one is a range away: "normal to mildly enlarged", "normal or enlarged"."""
    before = state - 1
    while before >= 0 and marks[before].term.kind in ("severity", "or"):
        before -= 1
    if before < 0 or marks[before].term.kind != "normal" or marks[state].term.kind != "abnormal":
        return None
    return before if _RANGE & {word.word for word in words[marks[before].last : marks[state].first]} else None
