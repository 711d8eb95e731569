"""Where every query of a model looked, on one page: the findings by falling probability, then the parts of the chest.

All panels, of all studies and runs, share one colour scale: how many even shares of the attention a place got, 1 being
what every patch of all films would get of an attention that prefers nothing. Below 1 nothing is drawn, so a query that
looked nowhere in particular looks like it. Pages are narrow, to be read on a phone; everything is placed in inches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medley.core.records import Film
from medley.explain.attention import upsample
from medley.explain.reading import Look, in_even_shares
from medley.explain.render import cropped, show_film

WIDTH, MARGIN, GAP = 4.6, 0.08, 0.07  # inches of every page: as wide as a phone, 7 points can be read
BAR = 0.85  # inches that the colour scale takes
_MOST = 32  # even shares at the end of the scale
_COLOURS = "inferno"
_OUTLINE = "#56b4e9"
_ACROSS = {1: 3, 2: 2}  # films of a study -> looks a row
_PANEL_PX = 320  # more are not seen
_HEADING, _TITLE, _BELOW = 0.28, 0.46, 0.18


def place_at(figure, left: float, top: float, width: float, height: float):
    """Axes in inches, from the upper left corner of the figure."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def write_at(figure, left: float, top: float, text: str, size: float, colour: str = "black") -> None:
    """Text whose upper left corner is there, in inches; no formula even where it holds a dollar sign."""
    across, down = figure.get_size_inches()
    plain = text.replace("$", r"\$")
    figure.text(left / across, 1 - top / down, plain, fontsize=size, color=colour, va="top", linespacing=1.25)


def height_of(film: Film, width: float) -> float:
    """The height at which the film keeps its shape."""
    rows, columns = cropped(film, film.pixels).shape
    return width * rows / columns


def draw_shares(place, film: Film, shares_hw: np.ndarray, mask_px: np.ndarray | None = None) -> None:
    """The film in the axes `place`, what places of it got in even shares, and the outline of a mask [px, px]."""
    step = max(1, film.placement.px // _PANEL_PX)
    show_film(place, film, step)
    shares = cropped(film, upsample(shares_hw, film.placement.px) * float(shares_hw.max()))[::step, ::step]
    strength = np.log(np.clip(shares, 1, _MOST)) / np.log(_MOST)
    place.imshow(shares, cmap=_COLOURS, norm=_scale(), alpha=0.85 * strength**0.6)
    if mask_px is not None:
        mask = cropped(film, mask_px.astype(float))[::step, ::step]
        place.contour(mask, levels=[0.5], colors=_OUTLINE, linewidths=0.9)


def _scale():
    from matplotlib.colors import LogNorm

    return LogNorm(1, _MOST, clip=True)


def draw_bar(figure, top: float, outlined: bool = False) -> None:
    """The colour scale across the page."""
    from matplotlib.cm import ScalarMappable

    place = place_at(figure, MARGIN, top, WIDTH - 2 * MARGIN, 0.1)
    bar = figure.colorbar(ScalarMappable(_scale(), _COLOURS), cax=place, orientation="horizontal")
    ticks = [2**n for n in range(_MOST.bit_length())]
    bar.set_ticks(ticks, labels=[f"{tick}×" for tick in ticks], fontsize=6.5)
    bar.ax.minorticks_off()
    bar.ax.get_xticklabels()[0].set_ha("left")
    bar.ax.get_xticklabels()[-1].set_ha("right")
    told = "attention in even shares; 1×: what each place gets where nothing is preferred;\nbelow it nothing is drawn"
    if outlined:
        told += "; outline: where it is known to lie;\nIoU: of the map cut at half of its range"
    write_at(figure, MARGIN, top + 0.3, told, 6.5)


def looks_page(films: Sequence[Film], looks: Sequence[Look], masks: Sequence[Mapping[str, np.ndarray]], title: str):
    """A figure of every look on every film. `masks` holds, for each film, name -> bool [px, px] on its square, outlined
    where a look of that name is drawn."""
    from matplotlib.figure import Figure

    groups = {
        "Findings, most probable first": [look for look in looks if look.probability is not None],
        "The other queries": [look for look in looks if look.probability is None],
    }
    across = _ACROSS.get(len(films), 1)
    columns = across * len(films)
    panel = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    tall = max(height_of(film, panel) for film in films) + (_BELOW if len(films) > 1 else 0.04)
    rows = {told: -(-len(some) // across) for told, some in groups.items()}
    down = _HEADING * (1 + len(groups)) + sum(rows.values()) * (_TITLE + tall) + BAR
    figure = Figure(figsize=(WIDTH, down))
    write_at(figure, MARGIN, 0.06, title, 9)
    top = _HEADING
    for told, some in groups.items():
        write_at(figure, MARGIN, top + 0.06, told, 8, "#444444")
        top += _HEADING
        for number, look in enumerate(some):
            row, cell = divmod(number, across)
            left = MARGIN + cell * len(films) * (panel + GAP)
            _look(figure, (left, top + row * (_TITLE + tall), panel), films, look, masks)
        top += rows[told] * (_TITLE + tall)
    draw_bar(figure, top + 0.05, outlined=any(masks))
    return figure


def _look(
    figure,
    corner: tuple[float, float, float],
    films: Sequence[Film],
    look: Look,
    masks: Sequence[Mapping[str, np.ndarray]],
) -> None:
    """One look on all films, in panels of the same width from the corner (left, top, width) on."""
    left, top, panel = corner
    write_at(figure, left, top + 0.03, _told(look), 6.8)
    shown = zip(films, in_even_shares(look.maps), look.of_films, masks, strict=True)
    for film, shares_hw, share, known in shown:
        place = place_at(figure, left, top + _TITLE, panel, height_of(film, panel))
        draw_shares(place, film, shares_hw, known.get(look.name))
        if len(films) > 1:
            write_at(figure, left, top + _TITLE + height_of(film, panel) + 0.02, f"{film.view} {share:.0%}", 6.5)
        left += panel + GAP


def _told(look: Look) -> str:
    """The name, and what is known of the look: three lines at most."""
    lines = [look.name, f"spread {look.spread:.0%}"]
    if look.probability is not None:
        called = look.threshold is not None and look.probability >= look.threshold
        lines[1] = f"p {look.probability:.2f}{' (called)' if called else ''}, {lines[1]}"
    if look.scores is not None:
        hit = "peak inside" if look.scores["pointing_game"] >= 0.5 else "peak outside"
        lines.append(f"IoU {look.scores['iou']:.2f}, {hit}")
    return "\n".join(lines)
