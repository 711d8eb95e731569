"""The first line of a scorecard, in words: what the system scored, and whether that beats each floor."""

from __future__ import annotations

from dataclasses import dataclass

from medley.core.labels import NO_FINDING
from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.statistics import Metric

METRIC = "auroc_macro"
BEATEN, NOT_BEATEN, WORSE, UNDEFINED = "beaten", "not beaten", "worse", "undefined"
SENTENCES = {
    BEATEN: "By more than its interval it beats {}.",
    NOT_BEATEN: "Within its interval it does not beat {}.",
    WORSE: "It is worse, by more than its interval, than {}.",
    UNDEFINED: "Nothing is known against {}.",
}
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


@dataclass(frozen=True)
class Verdict:
    """How the system stands to one floor: `state` is beaten, not beaten, worse, or undefined."""

    floor: str
    words: str
    value: float | None
    above: Metric | None  # what the system is above it, with its interval
    state: str

    @property
    def meaning(self) -> str:
        """What follows where the floor is not beaten; empty where it is."""
        return UNBEATEN.get(self.floor, "") if self.state in (NOT_BEATEN, WORSE) else ""


def verdicts(card: Scorecard) -> list[Verdict]:
    """How the system stands to every floor that has an AUROC.

    A floor that answered the same cases is judged by the paired difference; a constant by the interval's lower end.
    """
    ours, found = card.metrics[METRIC], []
    for name in ordered_floors(card):
        value = card.floors[name].get(METRIC)
        above = card.metrics.get(f"fused_minus_{name}/{METRIC}")
        if (above is None or above.ci95 is None) and value is not None and ours.value is not None:
            interval = ours.ci95 and (ours.ci95[0] - value, ours.ci95[1] - value)
            above = Metric(ours.value - value, interval, ours.n, ours.error)
        state = UNDEFINED
        if value is not None and above is not None and above.ci95 is not None:
            state = BEATEN if above.ci95[0] > 0 else WORSE if above.ci95[1] < 0 else NOT_BEATEN
        found.append(Verdict(name, words_of(name), value, above, state))
    return found


def headline(card: Scorecard) -> str:
    """Macro AUROC with its interval, the floors it beats by more than that interval, and those it does not."""
    metric = card.metrics[METRIC]
    if metric.value is None:
        return f"AUROC could not be computed: {metric.error}."
    labels = sum(
        name != NO_FINDING and min(scores.positives, scores.negatives) >= MIN_SUPPORT
        for name, scores in card.per_label[FUSED].items()
    )
    over = f"mean over {labels} label{'s' * (labels != 1)} of {metric.n} studies"
    if metric.ci95 is None:
        return f"AUROC {metric.value:.3f}, {over}, with {metric.error}: it cannot be held against any floor."
    sentences = [f"AUROC {metric.value:.3f} (95 % interval {metric.ci95[0]:.3f} to {metric.ci95[1]:.3f}), {over}."]
    of_state: dict[str, list[str]] = {}
    for verdict in verdicts(card):
        value = "" if verdict.value is None else f" ({verdict.value:.3f})"
        meaning = f", so {verdict.meaning}" if verdict.meaning else ""
        of_state.setdefault(verdict.state, []).append(f"{verdict.words}{value}{meaning}")
    for state, sentence in SENTENCES.items():
        if state in of_state:
            sentences.append(sentence.format(_listed(of_state[state])))
    if not of_state:
        sentences.append("No floor was given to hold it against.")
    return " ".join(sentences)


def ordered_floors(card: Scorecard) -> list[str]:
    """The card's floors of this metric from the poorest kind to the richest; those unknown to this file come last."""
    given = [name for name, floor in card.floors.items() if METRIC in floor]
    return [*(name for name in FLOORS if name in given), *(name for name in given if name not in FLOORS)]


def words_of(floor: str) -> str:
    """What a floor is, in words."""
    return FLOORS.get(floor, floor.replace("_", " "))


def _listed(words: list[str]) -> str:
    between = "; " if any(", " in word for word in words) else ", "
    return words[0] if len(words) == 1 else f"{between.join(words[:-1])} and {words[-1]}"
