"""The first line of a scorecard of reports, in words: what it scored, and first of all what it does not beat.

Judged by what the reports say: likeness of words is high for any normal report. What else they are judged by, and the
words, are then named only where a floor is not beaten in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medley.core.counts import counted
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.numbers import interval, number
from medley.evaluation.scorecard.report_kinds import CHEST, ReportKind, kind_of
from medley.evaluation.scorecard.verdicts import (
    BEATEN,
    NOT_BEATEN,
    UNDEFINED,
    WORSE,
    FloorWords,
    Verdict,
    beaten_sentence,
    judged,
    listed,
    other_sentences,
)
from medley.evaluation.statistics import Metric

DELTA = "minus_"
CEILINGS = CHEST.ceilings  # of every kind the same


def report_headline(card: Scorecard) -> str:
    """The metric that the reports are judged by and their proportions with intervals, each floor that is not beaten,
    and those that are."""
    kind = kind_of(card.task)
    metric = card.metrics[kind.metric]
    if metric.value is None:
        return f"{kind.name} could not be computed: {metric.error}."
    over = f"{kind.over.format(reports=counted(metric.n, 'report'))}{_bracketed(card, kind)}"
    shares = [f"{_share(card.metrics[name])} {of}" for name, of in kind.shares.items() if _known(card, name)]
    also = f"; {', '.join(shares)}" if shares else ""
    if metric.ci95 is None:
        why = (metric.error or "").removeprefix("no interval: ")
        nothing = f"It has no interval ({why}), so it cannot be held against any floor."
        return f"{kind.name} {number(metric.value)}, {over}{also}. {nothing}"
    first = f"{kind.name} {number(metric.value)} (95 % interval {interval(metric.ci95)}), {over}"
    found = report_verdicts(card)
    return " ".join(
        [
            f"{first}{also}.",
            *_not_beaten(found, kind.telling),
            *beaten_sentence(found),
            *_elsewhere(card, kind, found),
            *other_sentences(found, (UNDEFINED,)),
            *([] if found else ["No floor was given to hold it against."]),
        ]
    )


def _bracketed(card: Scorecard, kind: ReportKind) -> str:
    """Another average in brackets behind it: of chest reports that of the 13 labels that are findings, since any normal
    report earns some of the 14."""
    if kind.bracketed is None or not _known(card, kind.bracketed[0]):
        return ""
    return f" ({number(card.metrics[kind.bracketed[0]].value or 0)} {kind.bracketed[1]})"


def _known(card: Scorecard, name: str) -> bool:
    return name in card.metrics and card.metrics[name].value is not None


def report_verdicts(card: Scorecard, metric: str | None = None) -> list[Verdict]:
    """How the system stands to every floor that was asked for this metric; None: the one that it is judged by."""
    kind = kind_of(card.task)
    metric = metric or kind.metric
    found = []
    for name in ordered_floors(card, metric):
        value, above = card.floors[name][metric], card.metrics.get(f"{DELTA}{name}/{metric}")
        found.append(judged(name, value, above, kind.floors.get(name, FloorWords(words_of(name, card.task)))))
    return found


def ordered_floors(card: Scorecard, metric: str | None = None) -> list[str]:
    """The card's floors of this metric from the poorest kind to the richest; those unknown to this file come last."""
    kind = kind_of(card.task)
    given = [name for name, floor in card.floors.items() if (metric or kind.metric) in floor]
    return [*(name for name in kind.floors if name in given), *(name for name in given if name not in kind.floors)]


def words_of(name: str, task: str) -> str:
    """What a floor or a ceiling is, in words."""
    kind = kind_of(task)
    if name in kind.floors:
        return kind.floors[name].words
    return kind.ceilings.get(name, name.replace("_", " "))


def _not_beaten(found: Sequence[Verdict], telling_first: Sequence[str]) -> list[str]:
    """The floors that are above the system, those that it is not above, and what follows: of the most telling one."""
    sentences = []
    for state, words in ((WORSE, "By more than its interval it is worse than"), (NOT_BEATEN, "It does not beat")):
        if named := [f"{of.words} ({number(of.value or 0)})" for of in found if of.state == state]:
            sentences.append(f"{words} {listed(named)}.")
    unbeaten = {of.floor: of for of in found if of.state in (WORSE, NOT_BEATEN) and of.meaning}
    if telling := next((unbeaten[floor] for floor in (*telling_first, *unbeaten) if floor in unbeaten), None):
        sentences.append(f"So {telling.meaning}.")
    return sentences


def _elsewhere(card: Scorecard, kind: ReportKind, found: list[Verdict]) -> list[str]:
    """Where a floor that is beaten in the first metric is not beaten in another, or in likeness of words."""
    beaten = {verdict.floor for verdict in found if verdict.state == BEATEN}
    sentences = []
    for of in kind.elsewhere:
        if unbeaten := _unbeaten(card, of.metrics, beaten):
            words = {floor: words_of(floor, card.task) for floor in unbeaten}
            named = [
                f"{words[floor]} (in {listed(metrics)})" if of.named else words[floor]
                for floor, metrics in unbeaten.items()
            ]
            sentences.append(of.sentence.format(floors=listed(named)))
    return sentences


def _unbeaten(card: Scorecard, metrics: Mapping[str, str], floors: set[str]) -> dict[str, list[str]]:
    """Floor -> the metrics in which it is not beaten."""
    found: dict[str, list[str]] = {}
    for metric, words in metrics.items():
        for verdict in report_verdicts(card, metric):
            if verdict.floor in floors and verdict.state in (NOT_BEATEN, WORSE):
                found.setdefault(verdict.floor, []).append(words)
    return found


def _share(metric: Metric) -> str:
    percent = f"{100 * (metric.value or 0):.0f}\N{NO-BREAK SPACE}%"
    return percent if metric.ci95 is None else f"{percent} [{100 * metric.ci95[0]:.0f}, {100 * metric.ci95[1]:.0f}]"
