"""A written report and what it was read from: each sentence with its shares and its place, and a table of its words.

The colour scale is that of `looks`: even shares, here of what a sentence read of the pooled tokens.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from medley.core.records import Film
from medley.explain.looks import BAR, GAP, MARGIN, WIDTH, draw_bar, draw_shares, height_of, place_at, write_at
from medley.explain.reading import SentenceRead, in_even_shares
from medley.explain.render import BLUE, GREY, ORANGE

_PARTS = (("whole film", ORANGE), ("pooled", BLUE), ("indication", GREY))
_LETTERS = 15.5  # of 8 points, an inch
_LINE = 0.145  # inches from line to line
_HEAD = 1.0


def report_page(films: Sequence[Film], sentences: Sequence[SentenceRead], title: str, likeness: float | None):
    """A figure with a row a sentence: its words, what it read of each kind of memory token, where on each film."""
    from matplotlib.figure import Figure

    panel = 1.45 if len(films) == 1 else 1.15
    beside = WIDTH - 2 * MARGIN - len(films) * (panel + GAP)
    below = 0.17 if len(films) > 1 else 0.0
    least = max(height_of(film, panel) for film in films) + below
    lines = [textwrap.wrap(one.text, int(beside * _LETTERS)) for one in sentences]
    tall = [max(least, 0.65 + _LINE * len(some)) + 0.12 for some in lines]
    figure = Figure(figsize=(WIDTH, _HEAD + sum(tall) + BAR))
    write_at(figure, MARGIN, 0.06, title, 9)
    write_at(figure, MARGIN, 0.28, _told(likeness), 6.8, "#444444")
    top = _HEAD
    for one, some, height in zip(sentences, lines, tall, strict=True):
        _sentence(figure, (MARGIN, top, beside), one, some)
        total = max(sum(float(map_hw.sum()) for map_hw in one.maps), 1e-12)
        left = MARGIN + beside + GAP
        for film, shares_hw, map_hw in zip(films, in_even_shares(one.maps), one.maps, strict=True):
            draw_shares(place_at(figure, left, top, panel, height_of(film, panel)), film, shares_hw)
            if len(films) > 1:
                share = f"{film.view} {float(map_hw.sum()) / total:.0%}"
                write_at(figure, left, top + height_of(film, panel) + 0.02, share, 6.5)
            left += panel + GAP
        top += height
    draw_bar(figure, top)
    return figure


def _told(likeness: float | None) -> str:
    told = (
        "Where each sentence was read: the attention of its words to the pooled tokens, of these to the queries, and "
        "of the queries to the film, multiplied. It shows ways that were open, and proves no cause; what was read of "
        "the whole film has no place."
    )
    if likeness is not None:
        told += f" The maps of the sentences are {likeness:.2f} alike (1: the same map for every sentence)."
    return "\n".join(textwrap.wrap(told, 84))


def _sentence(figure, corner: tuple[float, float, float], one: SentenceRead, lines: Sequence[str]) -> None:
    """The text, and a bar of what the steps that said it read, from the corner (left, top, width) on."""
    left, top, width = corner
    write_at(figure, left, top, f"{one.section}, confidence {one.confidence:.2f}", 6.8, "#555555")
    write_at(figure, left, top + 0.14, "\n".join(lines), 8)
    under = top + 0.19 + _LINE * len(lines)
    place = place_at(figure, left, under, width - 0.1, 0.09)
    place.set(xlim=(0, 1), ylim=(-0.5, 0.5))
    place.set_axis_off()
    start, said = 0.0, []
    for (what, colour), share in zip(_PARTS, (one.whole, one.pooled, one.note), strict=True):
        place.barh(0, share, left=start, height=1, color=colour)
        start += share
        if share > 0:
            said.append((f"{what} {share:.0%}", colour))
    for number, (text, colour) in enumerate(said):
        write_at(figure, left + number % 2 * 0.9, under + 0.12 + number // 2 * 0.12, text, 6.5, colour)


def words_page(sentences: Sequence[SentenceRead], title: str):
    """A figure with a row a written word and a column a memory token: what the step that said the word read of each.

    The scale is fixed, from 0 to 1, and its square root is drawn.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    words = [word for one in sentences for word in one.words]
    noted = any(word.note for word in words)
    table_WM = np.array([[word.whole, *word.pooled, *([word.note] if noted else [])] for word in words])
    names = ["whole film", *(f"pooled {k}" for k in range(1, len(words[0].pooled) + 1)), *(["indication"] * noted)]
    row, head, side = 0.16, 1.1, 1.15
    figure = Figure(figsize=(WIDTH, head + row * len(words) + BAR))
    write_at(figure, MARGIN, 0.06, title, 9)
    write_at(
        figure, MARGIN, 0.28, "Share that the step which said a word read of each token; mean of layers, heads", 6.8
    )
    place = place_at(figure, side, head, WIDTH - side - MARGIN, row * len(words))
    norm = PowerNorm(0.5, 0, 1)
    drawn = place.imshow(table_WM, cmap="Blues", norm=norm, aspect="auto", interpolation="nearest")
    place.set_xticks(range(len(names)), names, rotation=40, ha="left", fontsize=6.5)
    place.xaxis.tick_top()
    place.set_yticks(range(len(words)), [word.text.replace("$", r"\$") for word in words], fontsize=6.8)
    place.tick_params(length=0)
    ends = np.cumsum([len(one.words) for one in sentences])[:-1]
    place.hlines(ends - 0.5, -0.5, len(names) - 0.5, color="#777777", lw=0.7)
    under = place_at(figure, side, head + row * len(words) + 0.12, WIDTH - side - 2 * MARGIN, 0.1)
    bar = figure.colorbar(drawn, cax=under, orientation="horizontal")
    bar.set_ticks([0, 0.05, 0.2, 0.5, 1])
    bar.ax.minorticks_off()
    bar.ax.tick_params(labelsize=6.5)
    return figure
