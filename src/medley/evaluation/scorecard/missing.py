"""What a scorecard could not compute, reason by reason: whatever is null in it, and whatever has no interval.

A floor holds plain values, so that the reason for one that is null is found here: in the metric beside it, or in what
the floor is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.statistics import Metric


def missing(card: Scorecard) -> list[str]:
    """One line a reason: the reason, and what is missing because of it, by its name in scorecard.json."""
    reasons: dict[str, dict[str, None]] = {}
    for name, reason in (*_of_metrics(card), *_of_thresholds(card), *_of_floors(card), *_of_gaps(card)):
        reasons.setdefault(reason, {})[name] = None
    return [f"{reason}: {_shortly(list(names))}" for reason, names in reasons.items()]


def _of_metrics(card: Scorecard) -> Iterator[tuple[str, str]]:
    named: list[tuple[str, Metric]] = list(card.metrics.items())
    for head, labels in card.per_label.items():
        for label, scores in labels.items():
            named += [(f"{head}/{label}/{name}", metric) for name, metric in scores.metrics.items()]
    for axis, of in card.subgroups.items():
        for group, scored in of.groups.items():
            named += [(f"{axis} {group}/{name}", metric) for name, metric in scored.metrics.items()]
    for name, metric in named:
        if (metric.value is None or metric.error) and not _follows(card, name, metric):
            yield name, metric.error or "not defined"


def _follows(card: Scorecard, name: str, metric: Metric) -> bool:
    """Whether a report's floor lacks what the system lacks for the same reason, which is then said of the system."""
    other, _, of = name.partition("/")
    system = card.metrics.get(of) if other.removeprefix("minus_") in (*card.floors, *card.ceilings) else None
    return system is not None and system.error == metric.error


def _of_thresholds(card: Scorecard) -> Iterator[tuple[str, str]]:
    """Of the heads whose calls are counted; why there is none is what the calls at it say."""
    for head, labels in card.per_label.items():
        for label, scores in labels.items():
            called = scores.metrics.get("f1") if scores.said is None else None  # what is said has no threshold
            if scores.threshold is None and called is not None:
                yield f"{head}/{label}/threshold", called.error or "not defined"


def _of_gaps(card: Scorecard) -> Iterator[tuple[str, str]]:
    for axis, of in card.subgroups.items():
        if len(of.groups) > 1:  # else there is nothing to compare, and no table
            for name, gap in of.largest_gap.items():
                if gap.difference.error:
                    yield f"{axis}, largest gap/{name}", gap.difference.error


def _of_floors(card: Scorecard) -> Iterator[tuple[str, str]]:
    for floor, values in card.floors.items():
        for name, value in values.items():
            if value is None and f"{floor}/{name}" not in card.metrics:  # which stand there with their own reason
                metric, slash, label = name.partition("/")
                place = f"floor {floor}/{label}" if slash else f"floor {floor}"
                yield f"{place}/{metric}", why_no_floor(card, floor, name)


def why_no_floor(card: Scorecard, floor: str, name: str) -> str:
    """Why a floor has no such value, as far as the card tells."""
    own = card.metrics.get(f"{floor}/{name}")
    if own is not None and own.error:
        return own.error
    if floor == "all_negative" and name == "precision_macro" and card.floors[floor].get("f1_macro") is not None:
        return "calling nothing makes no call that could be right"
    metric, slash, label = name.partition("/")
    ours = [card.metrics.get(name)]
    if slash:
        scored = [card.per_label.get(head, {}).get(label) for head in (f"fused_minus_{floor}", FUSED)]
        ours = [_metric(scores, metric) for scores in scored]
    reasons = (of.error for of in ours if of is not None and of.value is None and of.error)
    return next(reasons, "the floor has no answer to it" if slash else "one of its parts is not defined for the floor")


def _metric(scores: LabelScores | None, name: str) -> Metric | None:
    return None if scores is None else scores.metrics.get(name)


def _shortly(names: Sequence[str]) -> str:
    """`a/f1, a/mcc, b/f1, b/mcc` as `f1, mcc of a, b`: what is missing of the same places is said once."""
    of_place: dict[str, list[str]] = {}
    for name in names:
        place, _, metric = name.rpartition("/")
        of_place.setdefault(place, []).append(metric)
    places: dict[str, list[str]] = {}
    for place, metrics in of_place.items():
        places.setdefault(", ".join(metrics), []).append(place)
    return "; ".join(_placed(metrics, of) for metrics, of in places.items())


def _placed(metrics: str, places: Sequence[str]) -> str:
    named = ", ".join(place for place in places if place)
    if "" not in places:
        return f"{metrics} of {named}"
    return f"{metrics} (also of {named})" if named else metrics
