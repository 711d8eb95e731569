"""The first line of a scorecard of reports, in words: what it scored, and first of all what it does not beat.

Judged by the micro F1 of what the reports say: likeness of words is high for any normal report. Laterality and the
words are then named only where a floor is not beaten in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medley.core.counts import counted
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.numbers import interval, number
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

METRIC, FINDINGS_ALONE, SIDES = "clinical_f1_micro_14", "clinical_f1_micro_13", "laterality_accuracy"
LIKENESS = {"bleu_4": "BLEU-4", "rouge_l": "ROUGE-L", "meteor": "METEOR", "cider_d": "CIDEr-D"}
DELTA = "minus_"
FLOORS = {
    "constant_normal": FloorWords(
        "one normal report for everybody",
        "a report that nobody wrote for the patient does as well",
        "a report that nobody wrote for the patient does better",
    ),
    "most_frequent": FloorWords(
        "the most frequent training report for everybody",
        "a report that nobody wrote for the patient does as well",
        "a report that nobody wrote for the patient does better",
    ),
    "nearest_text": FloorWords(
        "the training report with the nearest indication",
        "the film adds nothing to the indication that these studies can show",
        "copying by the indication, without the film, does better",
    ),
    "no_note": FloorWords(
        "itself without the indication",
        "the indication adds nothing that these studies can show",
        "the indication makes it worse",
    ),
    "black_images": FloorWords(
        "itself on black films", "its score does not come from the film", "the film makes it worse"
    ),
    "shuffled_images": FloorWords(
        "itself on another patient's films",
        "its score does not come from the patient's own film",
        "another patient's film serves it better",
    ),
    "nearest_image": FloorWords(
        "the training report of the nearest film",
        "copying the report of a similar film does as well",
        "copying the report of a similar film does better",
    ),
    "nearest_findings": FloorWords(
        "the training report with the nearest predicted findings",
        "copying by the findings that it predicts does as well as writing",
        "copying by the findings that it predicts does better than writing",
    ),
}
TELLING = ("black_images", "shuffled_images", "constant_normal", "most_frequent")  # in this order
CEILINGS = {
    "nearest_reference": "the training report nearest to the true one",
    "nearest_true_findings": "the training report with the nearest true findings",
}


def report_headline(card: Scorecard) -> str:
    """Clinical F1 and laterality with their intervals, each floor that is not beaten, and those that are."""
    metric, sides = card.metrics[METRIC], card.metrics[SIDES]
    if metric.value is None:
        return f"Clinical F1 could not be computed: {metric.error}."
    over = f"micro over 14 labels of {counted(metric.n, 'report')}{_without_no_finding(card)}"
    laterality = f"{_share(sides)} of sided findings on their true side" if sides.value is not None else ""
    if metric.ci95 is None:
        why = (metric.error or "").removeprefix("no interval: ")
        nothing = f"It has no interval ({why}), so it cannot be held against any floor."
        return f"Clinical F1 {number(metric.value)}, {over}{f'; {laterality}' if laterality else ''}. {nothing}"
    first = f"Clinical F1 {number(metric.value)} (95 % interval {interval(metric.ci95)}), {over}"
    found = report_verdicts(card)
    return " ".join(
        [
            f"{first}{f'; {laterality}' if laterality else ''}.",
            *_not_beaten(found),
            *beaten_sentence(found),
            *_elsewhere(card, found),
            *other_sentences(found, (UNDEFINED,)),
            *([] if found else ["No floor was given to hold it against."]),
        ]
    )


def _without_no_finding(card: Scorecard) -> str:
    """Beside the F1 of 14 labels, which any normal report earns some of, that of the 13 that are findings."""
    findings = card.metrics.get(FINDINGS_ALONE)
    return "" if findings is None or findings.value is None else f" ({number(findings.value)} without No Finding)"


def report_verdicts(card: Scorecard, metric: str = METRIC) -> list[Verdict]:
    """How the system stands to every floor that was asked for this metric."""
    found = []
    for name in ordered_floors(card, metric):
        value, above = card.floors[name][metric], card.metrics.get(f"{DELTA}{name}/{metric}")
        found.append(judged(name, value, above, FLOORS.get(name, FloorWords(words_of(name)))))
    return found


def ordered_floors(card: Scorecard, metric: str = METRIC) -> list[str]:
    """The card's floors of this metric from the poorest kind to the richest; those unknown to this file come last."""
    given = [name for name, floor in card.floors.items() if metric in floor]
    return [*(name for name in FLOORS if name in given), *(name for name in given if name not in FLOORS)]


def words_of(name: str) -> str:
    """What a floor or a ceiling is, in words."""
    if name in FLOORS:
        return FLOORS[name].words
    return CEILINGS.get(name, name.replace("_", " "))


def _not_beaten(found: Sequence[Verdict]) -> list[str]:
    """The floors that are above the system, those that it is not above, and what follows: of the most telling one."""
    sentences = []
    for state, words in ((WORSE, "By more than its interval it is worse than"), (NOT_BEATEN, "It does not beat")):
        if named := [f"{of.words} ({number(of.value or 0)})" for of in found if of.state == state]:
            sentences.append(f"{words} {listed(named)}.")
    unbeaten = {of.floor: of for of in found if of.state in (WORSE, NOT_BEATEN) and of.meaning}
    if telling := next((unbeaten[floor] for floor in (*TELLING, *unbeaten) if floor in unbeaten), None):
        sentences.append(f"So {telling.meaning}.")
    return sentences


def _elsewhere(card: Scorecard, found: list[Verdict]) -> list[str]:
    """Where a floor that is beaten in what the reports say is not beaten in sides, or in likeness of words."""
    beaten = {verdict.floor for verdict in found if verdict.state == BEATEN}
    sentences = []
    if sides := _unbeaten(card, {SIDES: "sides"}, beaten):
        floors = listed([words_of(floor) for floor in sides])
        sentences.append(f"But it does not put findings on their true side more often than {floors}.")
    if words := _unbeaten(card, LIKENESS, beaten):
        floors = listed([f"{words_of(floor)} (in {listed(metrics)})" for floor, metrics in words.items()])
        sentences.append(f"But in likeness of words it does not beat {floors}.")
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
