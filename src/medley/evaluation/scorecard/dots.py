"""Pictures of a scorecard's numbers: the system among its floors, label by label, and how reliable it is.

Values with their intervals as dots on a line each, which a reader compares faster than a table (Cleveland 1985).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING

from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.scorecard.findings_headline import METRIC, averaged_labels, ordered_floors, verdicts, words_of
from medley.evaluation.statistics import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SYSTEM, HOLLOW = "#0072B2", "#555555"
MARKERS = {"text_only": "s", "black_images": "D", "thumbnail_probe": "^"}  # the floors that are drawn at each label
COLUMNS = 3
WIDTH_IN = 6.0


def floors_figure(card: Scorecard) -> Figure | None:
    """AUROC of the system and of each floor; None where there is no AUROC or no floor."""
    ours, given = card.metrics[METRIC], [verdict for verdict in verdicts(card) if verdict.value is not None]
    if ours.value is None or not given:
        return None
    rows = [("the system", ours, SYSTEM)]
    for verdict in sorted(given, key=lambda verdict: -(verdict.value or 0)):
        metric = card.metrics.get(f"{verdict.floor}/{METRIC}") or Metric(verdict.value)
        rows.append((verdict.words, metric, HOLLOW))
    axes = _auroc_axes([fill(words, 24) for words, _, _ in rows])
    for y, (_, metric, colour) in enumerate(rows):
        dot(axes, y, metric, colour, filled=colour == SYSTEM)
    return _whole(axes)


def labels_figure(card: Scorecard) -> Figure | None:
    """AUROC of each label, the best first, those without enough cases below a line; None where no label has one."""
    scored = {name: s for name, s in card.per_label[FUSED].items() if s.metrics["auroc"].value is not None}
    if not scored:
        return None

    averaged = set(averaged_labels(scored))
    names = sorted(scored, key=lambda name: (name not in averaged, -(scored[name].metrics["auroc"].value or 0)))
    counts = {name: f"{scored[name].positives} of {scored[name].positives + scored[name].negatives}" for name in names}
    axes = _auroc_axes([f"{fill(plain(name), 24)}\n({counts[name]})" for name in names])
    floors = [name for name in ordered_floors(card) if name in MARKERS]
    for y, name in enumerate(names):
        dot(axes, y, scored[name].metrics["auroc"], SYSTEM, filled=True)
        for floor in floors:
            value = card.floors[floor].get(f"auroc/{name}")
            value = _head_value(card, floor, name) if value is None else value
            if value is not None:
                axes.plot([value], [y], MARKERS[floor], mfc="none", mec=HOLLOW, markersize=6)
    if 0 < len(averaged) < len(names):
        axes.axhline(len(averaged) - 0.5, color="0.6", linewidth=0.8)
    axes.plot([], [], "o", color=SYSTEM, label="the system")
    for floor in floors:
        axes.plot([], [], MARKERS[floor], mfc="none", mec=HOLLOW, label=words_of(floor))
    axes.get_figure().legend(loc="outside lower center", fontsize=9, frameon=False, ncols=2)  # type: ignore[union-attr]
    return _whole(axes)


def reliability_figure(scored: Mapping[str, LabelScores]) -> Figure | None:
    """Said against happened for each label, raw and calibrated; None where no label has bins."""
    from matplotlib.figure import Figure

    names = [name for name, scores in scored.items() if scores.reliability]
    if not names:
        return None
    rows = math.ceil(len(names) / COLUMNS)
    figure = Figure(figsize=(WIDTH_IN, 2.1 * rows + 0.4), layout="constrained")
    for i, name in enumerate(names):
        axes = square(figure.add_subplot(rows, COLUMNS, i + 1))
        axes.set_title(fill(plain(name), 22), fontsize=8.5)
        axes.plot((0, 1), (0, 1), color="0.7", linewidth=0.8, zorder=0)
        styles = {"raw": ("o-", HOLLOW, "none"), "calibrated": ("o-", SYSTEM, SYSTEM)}
        for kind, (style, colour, face) in styles.items():
            if bins := scored[name].reliability.get(kind):
                axes.plot(bins.said, bins.happened, style, color=colour, mfc=face, markersize=3.5, linewidth=1.2)
    figure.supxlabel("said (mean probability)", fontsize=10)
    figure.supylabel("happened (share of positives)", fontsize=10)
    return figure


def square(axes: Axes, **labels: str) -> Axes:
    """Axes of two shares, each from 0 to 1."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), **labels)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    return axes


def _head_value(card: Scorecard, head: str, label: str) -> float | None:
    """A floor that is a head has its labels among the heads."""
    scores = card.per_label.get(head, {}).get(label)
    return scores.metrics["auroc"].value if scores else None


def dot_axes(names: list[str], *xlabels: str) -> list[Axes]:
    """One line a name from the top down, on axes side by side for each of the values along it."""
    from matplotlib.figure import Figure

    lines = sum(1 + name.count("\n") for name in names)
    figure = Figure(figsize=(WIDTH_IN, 1.2 + 0.17 * lines + 0.2 * len(names)), layout="constrained")
    made: list[Axes] = []
    for place, xlabel in enumerate(xlabels):
        axes = figure.add_subplot(1, len(xlabels), place + 1, xlabel=xlabel, ylim=(len(names) - 0.4, -0.6))
        axes.set_yticks(range(len(names)), names if not place else [""] * len(names), fontsize=9)
        axes.grid(axis="x", color="0.92")
        axes.grid(axis="y", color="0.95")
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.tick_params(axis="y", length=0)
        made.append(axes)
    return made


def dot(axes: Axes, y: float, metric: Metric, colour: str, *, filled: bool, marker: str = "o") -> None:
    """A value with its interval; nothing where it is null."""
    if metric.value is None:
        return
    if metric.ci95:
        axes.plot(metric.ci95, (y, y), color=colour, linewidth=2, solid_capstyle="butt")
    axes.plot([metric.value], [y], marker, color=colour, mfc=colour if filled else "white", markersize=7)


def _auroc_axes(names: list[str]) -> Axes:
    [axes] = dot_axes(names, "AUROC")
    axes.axvline(0.5, color="0.5", linewidth=0.8, linestyle="--", zorder=0)
    return axes


def _whole(axes: Axes) -> Figure:
    """The figure of the axes, from guessing (or what is worse than it) to perfect."""
    low, _ = axes.get_xlim()
    axes.set_xlim(min(0.45, low), 1.02)  # half a marker beyond 1, where many stand
    return axes.get_figure()  # type: ignore[return-value]


def plain(name: str) -> str:
    """The name as it is, for matplotlib."""
    return name.replace("$", r"\$")  # a label is no formula
