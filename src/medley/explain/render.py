"""Pictures of an answer: the film, the note, bars against their thresholds, and heat maps over the film.

Drawn with matplotlib's object API: no global state, no window.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.records import Film
from medley.explain.attention import salience

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#9a9a9a"  # told apart by colour-blind readers too

_PICTURES_IN, _LINE_IN, _LETTERS_A_COLUMN = 7.6, 0.2, 40


@dataclass(frozen=True)
class Bar:
    """One finding: probability, threshold (None: not fitted), probability from the film alone (None: no note)."""

    label: str
    probability: float
    threshold: float | None
    image_only: float | None


def overview(
    films: Sequence[Film],
    bars: Sequence[Bar],
    heatmaps: Mapping[str, Sequence[np.ndarray]],
    note: str | None,
    title: str,
    truth: Mapping[str, float] | None = None,
    written: Sequence[str] = (),
):
    """A figure: films and note, bars of every finding, one heat map over the first film for each label given, and
    below them what was `written`, a paragraph each.

    `truth` puts a mark beside the bars of findings that are known to be there.
    """
    from matplotlib.figure import Figure

    columns = max(3, len(heatmaps))
    lines = [line for text in written for line in textwrap.wrap(text, _LETTERS_A_COLUMN * columns)]
    text_in = _LINE_IN * (len(lines) + 1) if lines else 0.0
    figure = Figure(figsize=(3.1 * columns, _PICTURES_IN + text_in), layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    heights = [_PICTURES_IN * share for share in (0.535, 0.465)] + [text_in] * bool(lines)
    top, bottom, *below = figure.subfigures(len(heights), 1, height_ratios=heights)  # type: ignore[misc]
    for place in below:
        place.text(0.012, 1.0, "\n".join(lines), fontsize=10, va="top", ha="left", linespacing=1.35)
    places = top.subplots(1, len(films) + 1, width_ratios=[1] * len(films) + [1.5], squeeze=False)[0]
    for place, film in zip(places, films, strict=False):
        show_film(place, film)
        place.set_title(film.view, fontsize=9)
    draw_bars(places[-1], bars, truth or {})
    places[0].set_xlabel(_wrapped(note), fontsize=8, loc="left")
    for place, (label, maps) in zip(bottom.subplots(1, columns, squeeze=False)[0], heatmaps.items(), strict=False):
        show_film(place, films[0])
        heat = cropped(films[0], salience(maps[0], films[0].placement.px))
        place.imshow(heat, cmap="inferno", alpha=0.65 * heat, vmin=0, vmax=1, interpolation="bilinear")
        place.set_title(f"{label}: where it was read", fontsize=9)
    for place in bottom.axes[len(heatmaps) :]:
        place.set_axis_off()
    return figure


def show_film(place, film: Film, step: int = 1) -> None:
    """Draw a film, or every `step`-th of its pixels, into the axes `place`, without ticks or frame."""
    place.imshow(cropped(film, film.pixels)[::step, ::step], cmap="gray", vmin=0, vmax=255)
    place.set(xticks=[], yticks=[])
    for spine in place.spines.values():
        spine.set_visible(False)


def cropped(film: Film, square: np.ndarray) -> np.ndarray:
    """The film without the padding that made it square."""
    placement = film.placement
    height, width = round(placement.height * placement.scale), round(placement.width * placement.scale)
    return square[placement.top : placement.top + height, placement.left : placement.left + width]


def draw_bars(place, bars: Sequence[Bar], truth: Mapping[str, float]) -> None:
    """Bars of all findings into the axes `place`, the most probable on top."""
    ordered = sorted(bars, key=lambda bar: bar.probability)
    for row, bar in enumerate(ordered):
        over = bar.threshold is not None and bar.probability >= bar.threshold
        place.barh(row, bar.probability, color=ORANGE if over else BLUE, height=0.62)
        if bar.image_only is not None:
            place.plot(bar.image_only, row, marker="o", ms=4, mfc="white", mec="black", ls="")
        if bar.threshold is not None:
            place.plot([bar.threshold] * 2, [row - 0.42, row + 0.42], color="black", lw=1.2)
    names = [f"{'✓ ' if truth.get(bar.label) == 1 else ''}{bar.label}" for bar in ordered]
    place.set_yticks(range(len(ordered)), names, fontsize=8)
    place.set(xlim=(0, 1))
    place.tick_params(axis="x", labelsize=8)
    told = ["line: threshold", "orange: at or over it"]
    told += ["ring: the film alone"] if any(bar.image_only is not None for bar in bars) else []
    place.set_xlabel("; ".join(told + (["✓: known to be there"] if truth else [])), fontsize=7.5)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


def _wrapped(note: str | None) -> str:
    if note is None:
        return "no note"
    lines = textwrap.wrap(note, 62)
    return "\n".join(lines[:6] + (["…"] if len(lines) > 6 else []))
