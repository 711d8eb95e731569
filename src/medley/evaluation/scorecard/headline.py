"""The first line of a scorecard, in words: what the system scored, and whether that beats each floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medley.core.counts import counted
from medley.core.labels import NO_FINDING
from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.scorecard.numbers import interval, number, said
from medley.evaluation.statistics import Metric

METRIC = "auroc_macro"
BEATEN, NOT_BEATEN, WORSE, UNDEFINED = "beaten", "not beaten", "worse", "not known"
FLOORS = {
    "prevalence": "the constant answer",
    "all_negative": "calling nothing",
    "text_only": "the note alone",
    "no_note": "itself without the note",
    "black_images": "itself on black images",
    "shuffled_images": "itself on another patient's images",
    "thumbnail_probe": "a linear probe on 32×32 thumbnails",
    "nearest_neighbour": "the labels of the most similar training film",
    "label_shuffled": "the same training on shuffled labels",
}
UNBEATEN = {  # what it means where the system is not above the floor
    "prevalence": "it ranks no better than chance",
    "all_negative": "it ranks no better than chance",
    "text_only": "the image adds nothing that these studies can show",
    "no_note": "the note adds nothing that these studies can show",
    "black_images": "its score does not come from the image",
    "shuffled_images": "its score does not come from the patient's own image",
    "thumbnail_probe": "brightness and shape at large do as well",
    "nearest_neighbour": "looking up a similar film does as well",
    "label_shuffled": "its score does not come from what the labels taught it",
}
OUTDONE = {  # what it means where the floor is better than the system
    "prevalence": "it ranks worse than chance",
    "all_negative": "it ranks worse than chance",
    "text_only": "with the image it does worse than with the note alone",
    "no_note": "the note makes it worse",
    "black_images": "the image makes it worse",
    "shuffled_images": "another patient's image serves it better",
    "thumbnail_probe": "brightness and shape at large do better",
    "nearest_neighbour": "looking up a similar film does better",
    "label_shuffled": "what the labels taught it makes it worse",
}


@dataclass(frozen=True)
class Verdict:
    """How the system stands to one floor: `state` is beaten, not beaten, worse, or not known."""

    floor: str
    words: str
    value: float | None
    above: Metric | None  # what the system is above it, with its interval
    state: str

    @property
    def meaning(self) -> str:
        """What follows where the floor is not beaten; empty where it is."""
        return {NOT_BEATEN: UNBEATEN, WORSE: OUTDONE}.get(self.state, {}).get(self.floor, "")

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


def verdicts(card: Scorecard) -> list[Verdict]:
    """How the system stands to every floor that has an AUROC.

    A floor that answered the same cases is judged by the paired difference; a constant by the interval's lower end.
    """
    ours, found = card.metrics[METRIC], []
    for name in ordered_floors(card):
        value = card.floors[name].get(METRIC)
        above = card.metrics.get(f"fused_minus_{name}/{METRIC}")
        if above is None and value is not None and ours.value is not None:
            shifted = ours.ci95 and (ours.ci95[0] - value, ours.ci95[1] - value)
            above = Metric(ours.value - value, shifted, ours.n, ours.error)
        state = UNDEFINED
        if value is not None and above is not None and above.ci95 is not None:
            state = BEATEN if above.ci95[0] > 0 else WORSE if above.ci95[1] < 0 else NOT_BEATEN
        found.append(Verdict(name, words_of(name), value, above, state))
    return found


def headline(card: Scorecard) -> str:
    """Macro AUROC with its interval, the floors that it beats, and a sentence on each that it does not."""
    metric = card.metrics[METRIC]
    if metric.value is None:
        return f"AUROC could not be computed: {metric.error}."
    labels = counted(len(averaged_labels(card.per_label[FUSED])), "label")
    over = f"mean over {labels} of {counted(metric.n, 'study')}"
    if metric.ci95 is None:
        why = (metric.error or "").removeprefix("no interval: ")
        nothing = f"It has no interval ({why}), so it cannot be held against any floor."
        return f"AUROC {number(metric.value)}, {over}. {nothing}"
    sentences = [f"AUROC {number(metric.value)} (95 % interval {interval(metric.ci95)}), {over}."]
    found = verdicts(card)
    beaten = [f"{verdict.words} ({number(verdict.value or 0)})" for verdict in found if verdict.state == BEATEN]
    if beaten:
        sentences.append(f"By more than its interval it beats {_listed(beaten)}.")
    sentences += [
        verdict.sentence for state in (NOT_BEATEN, WORSE, UNDEFINED) for verdict in found if verdict.state == state
    ]
    if not found:
        sentences.append("No floor was given to hold it against.")
    return " ".join(sentences)


def averaged_labels(scored: Mapping[str, LabelScores]) -> list[str]:
    """The labels that stand in the averages: findings with enough cases of both kinds."""
    return [
        name
        for name, scores in scored.items()
        if name != NO_FINDING and min(scores.positives, scores.negatives) >= MIN_SUPPORT
    ]


def ordered_floors(card: Scorecard) -> list[str]:
    """The card's floors of this metric from the poorest kind to the richest; those unknown to this file come last."""
    given = [name for name, floor in card.floors.items() if METRIC in floor]
    return [*(name for name in FLOORS if name in given), *(name for name in given if name not in FLOORS)]


def words_of(floor: str) -> str:
    """What a floor is, in words."""
    return FLOORS.get(floor, floor.replace("_", " "))


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
