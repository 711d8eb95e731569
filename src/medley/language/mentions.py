"""Read the findings out of a text: what is said to be there, not there or perhaps there, on which side, and where.

    find_mentions("No effusion. Possible left lower lobe pneumonia.")
    -> Pleural Effusion absent; Pneumonia uncertain, left, lower

One walk over the words finds findings, anatomy, places and triggers together (`phrases`); `negation` says how far each
trigger reaches; anatomy that is called normal or enlarged becomes a mention too ("the lungs are clear").
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from medley.core.labels import NO_FINDING
from medley.language import beyond, chest, negation
from medley.language.negation import ABSENT, PERHAPS, PRESENT
from medley.language.phrases import Mark, Token, Vocabulary, lower, tokens
from medley.language.sentences import Sentence, split_sentences
from medley.language.states import STATES, other_end, states_of

# The kinds of words that a report says something with; the others (lists, "is", "may") are of any text.
_TELLING = STATES | {"finding", "anything", "other", "subject", "place", "standing"}
_TELLING |= {"deny_before", "deny_after", "no_trigger"}
_LINKS = frozenset({"in", "at", "on", "within", "of", "over", "involving", "along", "throughout", "from", "near"})
_OTHERS = frozenset({"finding", "turn", "anything", "deny_after", *STATES})  # words before these belong to them
_REACH_WORDS = 8  # a place farther behind a finding than this is not its own


@dataclass(frozen=True)
class Mention:
    """One finding named in a text. `text` is the source's own words `[start:end]`; what is not said is None."""

    label: str
    start: int
    end: int
    text: str
    polarity: str  # present | absent | uncertain
    side: str | None = None  # the patient's: left | right | bilateral
    zone: str | None = None  # upper | middle | lower
    severity: str | None = None  # mild | moderate | severe
    section: str | None = None  # findings, impression, indication, ...; None before the first header


@cache
def _vocabulary(wide: bool = False) -> Vocabulary:
    entries = [*chest.vocabulary(), *negation.triggers()]
    return Vocabulary(beyond.widen(entries) if wide else entries)


def find_mentions(text: str, wide: bool = False, skip: Collection[str] = ()) -> list[Mention]:
    """All findings that the text names or denies, in order. A phrase with two labels gives two mentions.

    `wide` also reads diseases that no label list has and plain words for findings (`beyond`): for holding a text to a
    prediction, never for labels. What stands in a section of `skip` is left out.
    """
    low = lower(text)
    sentences = (sentence for sentence in split_sentences(text) if sentence.section not in skip)
    return [mention for sentence in sentences for mention in _read(text, low, sentence, wide)]


def can_be_read(text: str, skip: Collection[str] = ()) -> bool:
    """Whether the lexicon knows a telling word of the text, outside the sections of `skip`: "stable exam" is no mention
    and can be read; another language, a row of dots or "x" cannot."""
    low = lower(text)
    told = (tokens(low, one.start, one.end) for one in split_sentences(text) if one.section not in skip)
    return any(mark.term.kind in _TELLING for words in told for mark in _vocabulary().marks(words))


def _read(text: str, low: str, sentence: Sentence, wide: bool = False) -> list[Mention]:
    words = tokens(low, sentence.start, sentence.end)
    marks = _vocabulary(wide).marks(words)
    states = states_of(marks, words)
    said = negation.polarities(marks, {subject for subjects in states.values() for subject in subjects})
    mentions: list[Mention] = []
    for i, mark in enumerate(marks):
        kind = mark.term.kind
        if kind == "finding":
            claims, first, last = [(label, said[i]) for label in mark.term.value], i, i
        elif kind == "anything":
            claims, first, last = _denied_trouble(mark.term.value, said[i]), i, i
        elif kind in STATES and i in states:
            claims = _verdict(marks, i, states[i], said, words)
            first, last = min(i, *states[i]), max(i, *states[i])
        else:
            continue
        if claims:
            start, end = words[marks[first].first].start, words[marks[last].last - 1].end
            side, zone, severity = _attributes(marks, first, last, words)
            for label, polarity in claims:
                where = (side, zone, severity, sentence.section)
                mentions.append(Mention(label, start, end, text[start:end], polarity, *where))
    return mentions


def _denied_trouble(group: str, polarity: str) -> list[tuple[str, str]]:
    """What "no acute cardiopulmonary disease" claims; trouble that is not denied has no label."""
    if polarity != ABSENT:
        return []
    if group == "all":
        return [(NO_FINDING, PRESENT)]
    return [(label, ABSENT) for label in chest.NORMAL_DENIES[group]]


def _verdict(
    marks: list[Mark], state: int, subjects: list[int], said: dict[int, str], words: list[Token]
) -> list[tuple[str, str]]:
    """The claims of "heart and lungs are normal", "the heart is not enlarged", "heart size is borderline"."""
    kind = marks[state].term.kind
    groups = dict.fromkeys(marks[subject].term.value for subject in subjects)
    if kind == "abnormal":
        labels = [marks[state].term.value[group] for group in groups if group in marks[state].term.value]
        polarity = PERHAPS if other_end(marks, state, words) is not None else said[state]
        return [(label, polarity) for label in labels]
    if kind == "borderline":
        return [("Cardiomegaly", PERHAPS)] if "heart" in groups else []
    before = words[marks[state].first - 1].word if marks[state].first else ""
    if before == "otherwise":
        return []  # "otherwise clear" denies nothing that was said
    if before == "not":
        return [(chest.NORMAL_DENIES[group][0], PRESENT) for group in groups]
    return [(label, ABSENT) for group in groups for label in chest.NORMAL_DENIES[group]]


def _attributes(
    marks: list[Mark], first: int, last: int, words: list[Token]
) -> tuple[str | None, str | None, str | None]:
    """Side, zone and severity: from the words before the finding up to the last one, else from a place behind it."""
    side = zone = severity = None
    for i in range(last, -1, -1):
        kind, value = marks[i].term.kind, marks[i].term.value
        if i < first and kind in _OTHERS:
            break
        if kind == "place" and i != last:
            side, zone = side or value[0], zone or value[1]
        elif kind == "severity":
            severity = severity or value
    linked = False
    previous = marks[last].last
    for i in range(last + 1, len(marks)):
        kind, value = marks[i].term.kind, marks[i].term.value
        between = words[previous : marks[i].first]
        if marks[i].first - marks[last].last > _REACH_WORDS:
            break
        linked = linked or any(word.word in _LINKS for word in between)
        if kind == "place":
            compared = value == ("bilateral", None)  # "effusions, left greater than right"
            if linked or compared:
                side, zone = (value[0] if compared else side or value[0]), zone or value[1]
        elif kind == "severity":
            severity = severity or (value if linked else None)
        elif kind == "colon":
            linked = True  # "Effusions: small bilateral"
        elif kind not in ("verb", "subject", "list") or (kind == "list" and linked):
            break
        previous = marks[i].last
    return side, zone, severity
