"""Read a report of brain MRI: what it says is there, on which side and in which lobe, and whether it calls the brain
healthy.

    read_brain("Lesion in the left frontal and parietal lobes with edema. No midline shift.")
    -> side left; lobes frontal, parietal; (left, frontal), (left, parietal); edema present, midline shift absent

One walk over the words finds findings, places and triggers together (`phrases`), the one negation says what is denied
(`negation`), `states` what is called normal, and `brain_places` which side a lobe has. What stands under INDICATION,
HISTORY, COMPARISON, TECHNIQUE or RECOMMENDATION is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from medley.core.labels import BRAIN_LOBES
from medley.language import brain_words, negation
from medley.language.brain_normal import BOTH, calls_normal, denies
from medley.language.brain_places import Placed, places_in
from medley.language.brain_words import IMPLIES, LESION, NORMAL_DENIES
from medley.language.negation import ABSENT, PERHAPS, PRESENT
from medley.language.phrases import Mark, Term, Token, Vocabulary, expand, lower, tokens
from medley.language.sentences import NOT_REPORTED, split_sentences
from medley.language.states import states_of

_STRENGTH = {PRESENT: 3, PERHAPS: 2, ABSENT: 1}
_END = re.compile(r"[.!?…][\"'”’)\]]*\s*\Z")
_DEFINITE = frozenset({"the", "this", "these", "its"})
_OF = frozenset({"of", "around", "in", "within", "inside", "from", "by", "near", "surrounding", "along"})
_AROUND = 32  # marks: anatomy that a change may be one of


@dataclass(frozen=True)
class BrainReading:
    """What a report says. Places are those of something that is there, or perhaps there.

    `findings` holds the polarity (present, uncertain, absent; the strongest claim wins) of what is named at all: the
    lesion itself, `core.labels.BRAIN_COMPONENTS`, and what reports name beside these (`brain_words.BEYOND`).
    """

    side: str | None  # left | right | bilateral
    lobes: tuple[str, ...]  # in the order of `core.labels.BRAIN_LOBES`
    side_lobe: tuple[tuple[str, str], ...]  # a lobe on both sides is there twice; one whose side is not said is not
    findings: Mapping[str, str]
    says_normal: bool  # of the whole brain: "no focal abnormality", "unremarkable brain parenchyma"
    ended: bool  # the text comes to a full stop

    @property
    def asserted(self) -> tuple[str, ...]:
        """All that is said to be there, perhaps only."""
        return tuple(name for name, polarity in self.findings.items() if polarity != ABSENT)

    @property
    def says_lesion(self) -> bool:
        """Whether a lesion, or something that a lesion is made of or does, is said to be there."""
        return any(name == LESION or name not in brain_words.BEYOND for name in self.asserted)

    @property
    def says_healthy(self) -> bool:
        """Whether the brain is called normal, nothing is said to be there, and the text is finished: what is cut off,
        or says nothing that can be read, is no healthy report."""
        return self.says_normal and not self.asserted and not self.lobes and self.ended

    @property
    def says_anything(self) -> bool:
        """Whether anything could be read."""
        return bool(self.findings or self.lobes or self.side or self.says_normal)

    def as_json(self) -> dict[str, Any]:
        """What an answer tells beside its text: healthy, lesion, side, lobes, pairs of side and lobe, and the polarity
        of every finding that is named."""
        told = {"healthy": self.says_healthy, "lesion": self.says_lesion, "side": self.side}
        pairs = [list(pair) for pair in self.side_lobe]
        return {**told, "lobes": list(self.lobes), "side_lobe": pairs, "findings": dict(self.findings)}


def in_short(said: Mapping[str, Any]) -> str:
    """A reading's JSON in a line: what is there and where, what perhaps, what is denied."""
    of = {polarity: [name for name, is_so in said["findings"].items() if is_so == polarity] for polarity in _STRENGTH}
    sided = {lobe for _, lobe in said["side_lobe"]}
    where = [" ".join(pair) for pair in said["side_lobe"]] + [lobe for lobe in said["lobes"] if lobe not in sided]
    parts = ["a healthy brain"] if said["healthy"] else []
    parts += [", ".join(where)] if where else [said["side"]] if said["side"] else []
    parts += [", ".join(of[PRESENT])] if of[PRESENT] else []
    parts += [f"perhaps {', '.join(of[PERHAPS])}"] if of[PERHAPS] else []
    parts += [f"no {', '.join(of[ABSENT])}"] if of[ABSENT] else []
    return "; ".join(parts) or "nothing that could be read"


def read_brain(text: str) -> BrainReading:
    """Read a report; a text of no words, or in another language, says nothing."""
    low = lower(text)
    claims: dict[str, str] = {}
    placed: list[Placed] = []
    normal = False
    for sentence in split_sentences(text):
        if sentence.section in NOT_REPORTED:
            continue
        words = tokens(low, sentence.start, sentence.end)
        marks = _resolved(_vocabulary().marks(words))
        states = states_of(marks, words)
        said = negation.polarities(marks, {subject for subjects in states.values() for subject in subjects})
        said |= {i: ABSENT for i, mark in enumerate(marks) if mark.term.kind == "denied"}
        said |= dict.fromkeys(_presupposed(marks, words, said), PRESENT)
        for name, polarity in _claims(marks, words, said, states):
            claims[name] = max(claims.get(name, polarity), polarity, key=lambda one: _STRENGTH[one])
        here = places_in(marks, words, said, text)
        placed += here
        normal = normal or calls_normal(marks, words, said, states, here)
    there = _there(placed, claims)
    side, pairs = _sided(there)
    return BrainReading(
        side=side,
        lobes=tuple(lobe for lobe in BRAIN_LOBES if any(lobe in one.lobes for one in there)),
        side_lobe=tuple(pair for pair in ((s, lobe) for lobe in BRAIN_LOBES for s in BOTH) if pair in pairs),
        findings=claims,
        says_normal=normal,
        ended=_END.search(text) is not None,
    )


@cache
def _vocabulary() -> Vocabulary:
    """Our words and the negation's; a denial that holds a finding of ours ("no abnormality of") is left to it."""
    ours = brain_words.vocabulary()
    findings = Vocabulary(entry for entry in ours if entry[1].kind == "finding")
    triggers = [
        (phrase, term)
        for shorthand, term in negation.triggers()
        for phrase in expand(shorthand)
        if term.kind != "deny_before" or not findings.marks(tokens(phrase))
    ]
    return Vocabulary([*triggers, *ours])


def _resolved(marks: list[Mark]) -> list[Mark]:
    """A change is a finding where the sentence speaks of anatomy that it is one of; else it is none."""
    found = []
    for i, mark in enumerate(marks):
        if mark.term.kind == "change":
            around = marks[max(0, i - _AROUND) : i + _AROUND]
            fitting = [of for of in around if of.term.kind == "subject" and of.term.value in mark.term.value]
            nearest = min(fitting, key=lambda of: abs(of.first - mark.first), default=None)
            term = Term("other") if nearest is None else Term("finding", (mark.term.value[nearest.term.value],))
            mark = mark._replace(term=term)
        found.append(mark)
    return found


def _presupposed(marks: Sequence[Mark], words: Sequence[Token], said: Mapping[int, str]) -> list[int]:
    """Lesions that a denial of something else reaches, and that are there: "no edema around the lesion"."""
    denied = sorted(i for i, polarity in said.items() if polarity == ABSENT)
    found = []
    for before, i in pairwise(denied):
        between = {word.word for word in words[marks[before].last : marks[i].first]}
        if LESION in marks[i].term.value and between & _DEFINITE and between & _OF:
            found.append(i)
    return found


def _claims(
    marks: Sequence[Mark], words: Sequence[Token], said: Mapping[int, str], states: Mapping[int, list[int]]
) -> Iterable[tuple[str, str]]:
    """(finding, polarity) of everything that the sentence names or calls normal."""
    for i, polarity in said.items():
        for name in marks[i].term.value:
            yield name, polarity
            if polarity != ABSENT:
                yield from ((implied, polarity) for implied in IMPLIES.get(name, ()))
    for state, subjects in states.items():
        if denies(marks[state], words):
            for group in dict.fromkeys(marks[subject].term.value for subject in subjects):
                if marks[state].term.value in (None, group):
                    yield from ((name, ABSENT) for name in NORMAL_DENIES.get(group, ()))


def _there(placed: Sequence[Placed], claims: Mapping[str, str]) -> list[Placed]:
    """The places of something that is there; a sentence that names nothing goes on with what the report is about."""
    about = not claims or any(polarity != ABSENT for polarity in claims.values())
    return [one for one in placed if (about if one.said is None else one.said != ABSENT)]


def _sided(there: Sequence[Placed]) -> tuple[str | None, set[tuple[str, str]]]:
    """The side of the report, and its pairs of side and lobe. A lobe without a side has the report's, if it has one."""
    told = {one.side for one in there if one.side is not None}
    known = {side for side in told if side in BOTH}
    if len(known) == 1:
        [own] = known
        turned = {"ipsilateral": own, "contralateral": BOTH[own == "left"]}
    else:
        turned = {}
    sides = {turned.get(side, side) for side in told}
    side = None
    if "bilateral" in sides or sides >= {*BOTH}:
        side = "bilateral"
    elif known:
        [side] = known
    default = side if side != "bilateral" or ("bilateral" in sides and not known) else None
    pairs = set()
    for one in there:
        of = turned.get(one.side, one.side) if one.side is not None else default
        for lobe in one.lobes:
            pairs |= {(each, lobe) for each in (BOTH if of == "bilateral" else (of,)) if each in BOTH}
    return side, pairs
