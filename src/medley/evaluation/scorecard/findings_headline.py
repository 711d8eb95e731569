"""The first line of a scorecard of findings, in words: what the system scored, and whether that beats each floor."""

from __future__ import annotations

from collections.abc import Mapping

from medley.core.counts import counted
from medley.core.labels import NO_FINDING
from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.scorecard.numbers import interval, number
from medley.evaluation.scorecard.verdicts import FloorWords, Verdict, beaten_sentence, judged, other_sentences
from medley.evaluation.statistics import Metric

METRIC = "auroc_macro"
FLOORS = {
    "prevalence": FloorWords("the constant answer", "it ranks no better than chance", "it ranks worse than chance"),
    "all_negative": FloorWords("calling nothing", "it ranks no better than chance", "it ranks worse than chance"),
    "text_only": FloorWords(
        "the note alone",
        "the image adds nothing that these studies can show",
        "with the image it does worse than with the note alone",
    ),
    "no_note": FloorWords(
        "itself without the note", "the note adds nothing that these studies can show", "the note makes it worse"
    ),
    "black_images": FloorWords(
        "itself on black images", "its score does not come from the image", "the image makes it worse"
    ),
    "shuffled_images": FloorWords(
        "itself on another patient's images",
        "its score does not come from the patient's own image",
        "another patient's image serves it better",
    ),
    "thumbnail_probe": FloorWords(
        "a linear probe on 32×32 thumbnails",
        "brightness and shape at large do as well",
        "brightness and shape at large do better",
    ),
    "nearest_neighbour": FloorWords(
        "the labels of the most similar training film",
        "looking up a similar film does as well",
        "looking up a similar film does better",
    ),
    "label_shuffled": FloorWords(
        "the same training on shuffled labels",
        "its score does not come from what the labels taught it",
        "what the labels taught it makes it worse",
    ),
}


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
        found.append(judged(name, value, above, FLOORS.get(name, FloorWords(words_of(name)))))
    return found


def findings_headline(card: Scorecard) -> str:
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
    sentences += [*beaten_sentence(found), *other_sentences(found)]
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
    return FLOORS[floor].words if floor in FLOORS else floor.replace("_", " ")
