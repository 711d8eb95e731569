"""How a system stands to a floor, in words: beaten by more than chance, not beaten, worse, or not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from medley.evaluation.scorecard.numbers import number, said
from medley.evaluation.statistics import Metric

BEATEN, NOT_BEATEN, WORSE, UNDEFINED = "beaten", "not beaten", "worse", "not known"


class FloorWords(NamedTuple):
    """What a floor is, and what follows where the system is not above it, and where it is below it."""

    words: str
    unbeaten: str = ""
    outdone: str = ""


@dataclass(frozen=True)
class Verdict:
    """How the system stands to one floor: `state` is beaten, not beaten, worse, or not known."""

    floor: str
    words: str
    value: float | None
    above: Metric | None  # what the system is above it, with its interval
    state: str
    meaning: str  # what follows where the floor is not beaten; empty where it is

    @property
    def sentence(self) -> str:
        """How the system stands to a floor that it does not beat, or of which nothing is known."""
        if self.value is None or self.above is None or self.above.value is None:
            why = self.above.error if self.above else None
            return f"Nothing is known against {self.words}{f': {why}' if why else ''}."
        scores = f"{number(self.value)}; difference {said(self.above, '+')}"
        follows = f", so {self.meaning}" if self.meaning else ""
        if self.state == WORSE:
            return f"By more than its interval it is worse than {self.words} ({scores}){follows}."
        if self.state == NOT_BEATEN and round(self.above.value, 3) < 0:
            return f"It does not beat {self.words}, which scores higher ({scores}, may be chance){follows}."
        if self.state == NOT_BEATEN:
            return f"It does not beat {self.words} ({scores}, may be chance){follows}."
        return f"Whether it beats {self.words} ({scores}) is not known: {self.above.error}."


def judged(floor: str, value: float | None, above: Metric | None, of: FloorWords) -> Verdict:
    """The verdict on a floor that scores `value`, which the system is `above` by so much."""
    state = UNDEFINED
    if value is not None and above is not None and above.ci95 is not None:
        state = BEATEN if above.ci95[0] > 0 else WORSE if above.ci95[1] < 0 else NOT_BEATEN
    meaning = {NOT_BEATEN: of.unbeaten, WORSE: of.outdone}.get(state, "")
    return Verdict(floor, of.words, value, above, state, meaning)


def beaten_sentence(found: Sequence[Verdict]) -> list[str]:
    """One sentence on all floors that are beaten; none where there is none."""
    beaten = [f"{verdict.words} ({number(verdict.value or 0)})" for verdict in found if verdict.state == BEATEN]
    return [f"By more than its interval it beats {listed(beaten)}."] if beaten else []


def other_sentences(found: Sequence[Verdict], states: Sequence[str] = (NOT_BEATEN, WORSE, UNDEFINED)) -> list[str]:
    """A sentence on each floor of these states, in their order; one on those of which the same follows."""
    sentences = []
    for state in states:
        alike: dict[str, list[Verdict]] = {}
        for verdict in found:
            if verdict.state == state:
                alike.setdefault(verdict.meaning or verdict.floor, []).append(verdict)
        sentences += [_of_all(group) if len(group) > 1 else group[0].sentence for group in alike.values()]
    return sentences


def _of_all(group: Sequence[Verdict]) -> str:
    """Floors of one state of which the same follows; each has a value and a difference."""
    words = [f"{of.words} ({number(of.value or 0)}; difference {said(of.above, '+')})" for of in group]
    how = "By more than its interval it is worse than" if group[0].state == WORSE else "It does not beat"
    chance = "" if group[0].state == WORSE else ", which may be chance"
    return f"{how} {listed(words)}{chance}, so {group[0].meaning}."


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
