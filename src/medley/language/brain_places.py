"""Where a sentence of a brain report puts what it names: each lobe with the side it belongs to, and whether anything is
said to be there.

A side belongs to the lobes that follow it ("left frontal and parietal lobes"), to those before it that it is said of
("frontal and parietal regions of the left hemisphere"), and, where these have none of their own, to lobes later in the
sentence ("in the left hemisphere, particularly the frontal lobe"). The side of a ventricle, of a shift or of a
compression is none of the lesion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from medley.language.brain_scope import Scope
from medley.language.brain_words import OF_OTHER_SIDES, Place
from medley.language.phrases import Mark, Token

_LINKS = frozenset({"in", "on", "at", "within", "from", "to", "into", "near", "around", "involving", "throughout"})
_BELONGS = frozenset({"of", "on", "in", "at", "within"})
_ONE_PLACE = frozenset({"lobe", "region", "area", "gyrus", "cortex", "hemisphere", "part", "side"})  # ends a list
_GAP_WORDS = 3  # between a side and what it is of
_BEHIND_WORDS = 5  # between lobes and a side behind them
_NO_PLACE = Place()


@dataclass(frozen=True)
class Placed:
    """Lobes, or none where only a side or a hemisphere is named; `said` is the polarity of what is there, None where
    the sentence names nothing."""

    lobes: tuple[str, ...]
    side: str | None
    said: str | None


def places_in(marks: Sequence[Mark], words: Sequence[Token], said: Mapping[int, str], text: str) -> list[Placed]:
    """Every lobe and every side of the sentence; `said` is the polarity of its findings, by their index in `marks`."""
    scope = Scope(marks, words, said)
    found: list[Placed] = []
    run: list[int] = []  # of `found`, since the last side: those that a side behind them may belong to
    carried: set[int] = set()  # of these, the ones whose side is that of an earlier place
    side_now: str | None = None
    for i, mark in enumerate(marks):
        place = _place(mark)
        if place.lobes:
            if place.side is None and not _in_list_of_side(marks, words, i):
                carried.add(len(found))
            run.append(len(found))
            found.append(Placed(place.lobes, place.side or side_now, scope.said_of(i)))
            continue
        side = _side_of(marks, words, i, text)
        if side is None:
            continue
        behind = _is_behind(marks, words, i, lobes=True)
        head = _head(marks, words, i, in_list=not behind)
        if head is not None and _is_other_anatomy(marks[head]):
            continue  # a ventricle's
        if head is None or not _place(marks[head]).lobes:  # of no lobe behind it
            if behind:
                for at in run:
                    if found[at].side is None or at in carried:
                        found[at] = replace(found[at], side=side)
            elif head is None and _is_behind(marks, words, i, lobes=False):
                continue
            else:
                governing = scope.governing(i) if head is None else None
                if governing is not None and OF_OTHER_SIDES.issuperset(marks[governing].term.value):
                    continue
                found.append(Placed((), side, scope.said_of(i)))
        side_now, run, carried = side, [], set()
    return found


def _place(mark: Mark) -> Place:
    return mark.term.value if mark.term.kind == "place" else _NO_PLACE


def _is_other_anatomy(mark: Mark) -> bool:
    """Whether it is of anatomy that has sides of its own: ventricles, sulci, the midline."""
    return mark.term.kind == "subject" and mark.term.value != "brain"


def _side_of(marks: Sequence[Mark], words: Sequence[Token], i: int, text: str) -> str | None:
    """The side that a mark names by itself: "both" and the letters L and R only right before a place."""
    kind = marks[i].term.kind
    if kind == "place":
        return _place(marks[i]).side
    if kind not in ("both", "letter") or i + 1 == len(marks):
        return None
    follows, of_place = marks[i + 1], bool(_place(marks[i + 1]).lobes or _place(marks[i + 1]).half)
    if kind == "both":
        return "bilateral" if of_place or _is_other_anatomy(follows) else None
    written = text[words[marks[i].first].start]
    return marks[i].term.value if of_place and follows.first == marks[i].last and written.isupper() else None


def _head(marks: Sequence[Mark], words: Sequence[Token], i: int, *, in_list: bool) -> int | None:
    """The lobe, hemisphere or other anatomy right behind a side that the side is of: "left lateral ventricle", "left
    side of the brain", and, where it may be one of a list of sides, "left or right frontal lobe"."""
    previous = i
    for j in range(i + 1, min(len(marks), i + 8)):
        between = [word.word for word in words[marks[previous].last : marks[j].first]]
        if len(between) > _GAP_WORDS or _LINKS & set(between):
            return None
        kind, place = marks[j].term.kind, _place(marks[j])
        if kind == "subject" or place.lobes or place.half:
            return j
        joins = in_list and kind in ("list", "or") and j + 1 < len(marks) and _place(marks[j + 1]).side is not None
        if not (joins or place.side or kind in ("severity", "both")):
            return None
        previous = j
    return None


def _in_list_of_side(marks: Sequence[Mark], words: Sequence[Token], i: int) -> bool:
    """Whether a side stands before this lobe, or before the list that it is in: "left frontal and parietal lobes"."""
    for j in range(i - 1, max(-1, i - 16), -1):
        if _ONE_PLACE & {word.word for word in words[marks[j].last : marks[j + 1].first]}:
            return False
        place = _place(marks[j])
        if place.side is not None:
            return True
        if not (place.lobes or marks[j].term.kind in ("list", "or", "severity")):
            return False
    return False


def _is_behind(marks: Sequence[Mark], words: Sequence[Token], i: int, *, lobes: bool) -> bool:
    """Whether the side is said of the lobes before it, or else of other anatomy there: "lobes on the left"."""
    j = i - 1
    if j >= 0 and marks[j].term.kind == "turn" and words[marks[j].first].word == "(":
        j -= 1
        linked = True
    else:
        linked = False
    if lobes and j >= 0 and marks[j].term.kind == "subject" and marks[j].term.value == "brain":
        j -= 1  # "lobes of the brain on the left"
    if j < 0 or not (_place(marks[j]).lobes if lobes else _is_other_anatomy(marks[j])):
        return False
    between = [word.word for word in words[marks[j].last : marks[i].first]]
    return linked or (len(between) <= _BEHIND_WORDS and bool(_BELONGS & set(between)))
