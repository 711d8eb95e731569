"""Pictures of a report scorecard as PNG bytes: the system among its floors, and finding by finding."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from medley.core.records import Prediction
from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.scorecard.dots import HOLLOW, SYSTEM, dot, dot_axes, plain
from medley.evaluation.scorecard.pictures import png
from medley.evaluation.scorecard.report_headline import words_of
from medley.evaluation.scorecard.report_kinds import kind_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CEILING = "#D55E00"


def report_pictures(predictions: Sequence[Prediction], card: Scorecard) -> dict[str, bytes]:
    """`floors` and `labels`, each as the bytes of a PNG; what the card holds no number for has no picture."""
    del predictions  # a picture of reports is made of the card's numbers alone
    drawn = {"floors": floors_figure(card), "labels": labels_figure(card)}
    return {name: png(figure) for name, figure in drawn.items() if figure is not None}


def floors_figure(card: Scorecard) -> Figure | None:
    """The system, its floors and its ceilings in two metrics; None where it has not the first of them, or no floor."""
    kind = kind_of(card.task)
    metric = kind.metric
    others = {name: of[metric] for name, of in {**card.floors, **card.ceilings}.items() if of.get(metric) is not None}
    if card.metrics[metric].value is None or not others:
        return None
    names = sorted(others, key=lambda name: -(others[name] or 0))
    rows = ["the system", *(fill(words_of(name, card.task), 26) for name in names)]
    panels = dot_axes(rows, *kind.panels.values())
    for axes, metric in zip(panels, kind.panels, strict=True):
        dot(axes, 0, card.metrics[metric], SYSTEM, filled=True)
        for y, name in enumerate(names, 1):
            ceiling = name in card.ceilings
            if of := card.metrics.get(f"{name}/{metric}"):
                dot(axes, y, of, CEILING if ceiling else HOLLOW, filled=False, marker="s" if ceiling else "o")
        axes.set(xlim=(-0.03, 1.03), xticks=(0, 0.5, 1))  # of two panels side by side the ends would touch
    return panels[0].get_figure()  # type: ignore[return-value]


def labels_figure(card: Scorecard) -> Figure | None:
    """F1, precision and recall of each finding, the best first; None where no finding has an F1."""
    heads = [card.per_label.get(head, {}) for head in kind_of(card.task).heads]
    scored = {n: of for labels in heads for n, of in labels.items() if of.metrics["f1"].value is not None}
    if not scored:
        return None
    names = sorted(scored, key=lambda name: (not _averaged(scored[name]), -(scored[name].metrics["f1"].value or 0)))
    known = {name: scored[name].positives + scored[name].negatives for name in names}
    [axes] = dot_axes([f"{plain(name)} ({scored[name].positives} of {known[name]})" for name in names], "F1")
    for y, name in enumerate(names):
        for metric, marker in (("precision", "^"), ("recall", "v")):
            if (value := scored[name].metrics[metric].value) is not None:
                axes.plot([value], [y], marker, mfc="none", mec=HOLLOW, markersize=6)
        dot(axes, y, scored[name].metrics["f1"], SYSTEM, filled=True)
    averaged = sum(map(_averaged, scored.values()))
    if 0 < averaged < len(names):
        axes.axhline(averaged - 0.5, color="0.6", linewidth=0.8)
    axes.set_xlim(-0.03, 1.03)
    return axes.get_figure()  # type: ignore[return-value]


def _averaged(of: LabelScores) -> bool:
    return min(of.positives, of.negatives) >= MIN_SUPPORT
