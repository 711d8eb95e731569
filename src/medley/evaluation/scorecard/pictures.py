"""Pictures of a findings scorecard as PNG bytes: its curves here, and what `dots` draws of its numbers.

Drawn through matplotlib's object API (no global state), to be read on a phone, in colours that a colour-blind reader
can tell apart (Okabe and Ito 2008), with changing dashes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from medley.core.records import Prediction
from medley.evaluation.predictions.arrays import FUSED, Table, head_tables
from medley.evaluation.ranking import Ranking, curves, rank
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.scorecard.dots import COLUMNS, WIDTH_IN, floors_figure, labels_figure, reliability_figure, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D31")
DASHES = ("-", "--", "-.", ":")
TOGETHER = len(COLOURS)  # up to so many labels share one pair of axes; more get a small pair each
DPI = 150


def finding_pictures(predictions: Sequence[Prediction], card: Scorecard) -> dict[str, bytes]:
    """`floors`, `labels`, `roc`, `pr` and `reliability` of the system's answer, each as the bytes of a PNG.

    What the card holds no number for has no picture.
    """
    table = head_tables(predictions)[FUSED]
    drawn = {
        "floors": floors_figure(card),
        "labels": labels_figure(card),
        "roc": _curves(table, card.per_label[FUSED], "auroc"),
        "pr": _curves(table, card.per_label[FUSED], "ap"),
        "reliability": reliability_figure(card.per_label[FUSED]),
    }
    return {name: png(figure) for name, figure in drawn.items() if figure is not None}


def _draw_roc(axes: Axes, ranking: Ranking, **line: Any) -> None:
    false_alarms, recall, _, _ = curves(ranking)
    axes.plot(np.r_[0, false_alarms], np.r_[0, recall], **line)
    if len(axes.lines) == 1:  # once for all labels
        axes.plot((0, 1), (0, 1), color="0.7", linewidth=0.8, zorder=0)


def _draw_pr(axes: Axes, ranking: Ranking, **line: Any) -> None:
    _, recall, precision, _ = curves(ranking)
    axes.plot(np.r_[0, recall], np.r_[precision[:1], precision], drawstyle="steps-pre", **line)  # its area is the AP
    axes.axhline(ranking.positive_K.mean(), color=line["color"], linewidth=0.8, alpha=0.5, zorder=0)


_DRAWN = {  # metric: how its curve is drawn, and the words on its axes
    "auroc": (_draw_roc, {"xlabel": "false alarms (1 − specificity)", "ylabel": "found (recall)"}),
    "ap": (_draw_pr, {"xlabel": "found (recall)", "ylabel": "right when called (precision)"}),
}


def _curves(table: Table, scored: Mapping[str, LabelScores], metric: str) -> Figure:
    """One curve a label: together with a legend, or in small multiples where there are many."""
    from matplotlib.figure import Figure

    draw, axes_of = _DRAWN[metric]
    names = [name.replace("$", r"\$") for name in table.names]  # a label is no formula
    words: list[str] = []
    lines: list[dict[str, Any]] = []
    for i, name in enumerate(table.names):
        value, scores = scored[name].metrics[metric].value, scored[name]
        known = scores.positives + scores.negatives
        said = f"{metric.upper()} {'not defined' if value is None else f'{value:.2f}'}"
        words.append(f"{said} ({scores.positives} of {known})")
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        lines.append({"color": colour, "linestyle": dash, "linewidth": 1.8})
    rankings = [rank(table.labels_NL[:, i], table.scores_NL[:, i]) for i in range(len(table.names))]
    drawn = [scored[name].metrics["auroc"].value is not None for name in table.names]

    if len(names) <= TOGETHER:
        figure = Figure(figsize=(WIDTH_IN, 5.2 + 0.25 * len(names)), layout="constrained")
        axes = square(figure.add_subplot(), **axes_of)
        for i, name in enumerate(names):
            if drawn[i]:
                draw(axes, rankings[i], label=f"{name}: {words[i]}", **lines[i])
            else:
                axes.plot([], [], label=f"{name}: {words[i]}", **lines[i])
        figure.legend(loc="outside lower center", fontsize=9, frameon=False)
        return figure

    rows = math.ceil(len(names) / COLUMNS)
    figure = Figure(figsize=(WIDTH_IN, 2.3 * rows + 0.4), layout="constrained")
    for i, name in enumerate(names):
        axes = square(figure.add_subplot(rows, COLUMNS, i + 1))
        axes.set_title(f"{fill(name, 22)}\n{words[i]}", fontsize=8.5)
        if drawn[i]:
            draw(axes, rankings[i], color=COLOURS[0], linewidth=1.8)
        else:
            axes.text(0.5, 0.5, "one class only", ha="center", va="center", fontsize=9, color="0.4")
    figure.supxlabel(axes_of["xlabel"], fontsize=10)
    figure.supylabel(axes_of["ylabel"], fontsize=10)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG, the same for the same figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})  # the same card gives the same bytes
    return content.getvalue()
