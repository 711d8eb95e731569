"""The first line of a scorecard, in words: what the system scored, and whether that beats each floor."""

from __future__ import annotations

from medley.core.labels import NO_FINDING
from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.scorecard import Scorecard
from medley.evaluation.tables import FUSED

METRIC = "auroc_macro"
FLOORS = {
    "prevalence": "the constant answer",
    "text_only": "the note alone",
    "thumbnail_probe": "a linear probe on 32×32 thumbnails",
}


def headline(card: Scorecard) -> str:
    """Macro AUROC with its interval, the floors it beats by more than that interval, and those it does not.

    A floor that is a head of the same cases is judged by the paired difference; any other by the interval's lower end.
    """
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
    first = f"AUROC {metric.value:.3f} (95 % interval {metric.ci95[0]:.3f} to {metric.ci95[1]:.3f}), {over}."
    beaten: list[str] = []
    not_beaten: list[str] = []
    above: list[str] = []
    undefined: list[str] = []
    for name, floor in card.floors.items():
        value, words = floor.get(METRIC), FLOORS.get(name, name.replace("_", " "))
        if value is None:
            undefined.append(words)
            continue
        low, high = metric.ci95[0] - value, metric.ci95[1] - value
        if (paired := card.metrics.get(f"fused_minus_{name}/{METRIC}")) and paired.ci95:
            low, high = paired.ci95
        (beaten if low > 0 else above if high < 0 else not_beaten).append(f"{words} ({value:.3f})")
    sentences = [first]
    if beaten:
        sentences.append(f"By more than its interval it beats {_listed(beaten)}.")
    if not_beaten:
        sentences.append(f"It does not beat {_listed(not_beaten)} by more than its interval.")
    if above:
        sentences.append(f"It is worse, by more than its interval, than {_listed(above)}.")
    if undefined:
        sentences.append(f"Nothing is known against {_listed(undefined)}.")
    if not card.floors:
        sentences.append("No floor was given to hold it against.")
    return " ".join(sentences)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
