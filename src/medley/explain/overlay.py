"""A map over the original film, to be looked at: the film as it is, beside it the film with the heat, and the scale."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medley.explain.attention import upsample

_OF_ATTENTION = ("queries", "rollout")  # maps that add up: an even share is nothing to look at
_PLAIN = 2.0  # even shares above the even share: what a plain preference has at least
SCALES = {
    "queries": "attention above an even share; 1: the study's peak",
    "rollout": "attention above an even share; 1: the study's peak",
    "gradcam": "Grad-CAM; 1: the study's highest value",
    "hirescam": "HiResCAM; 1: the study's highest value",
    "occlusion": "fall of the log-odds when hidden; 1: the study's highest",
}


def heats_of(maps: Sequence[np.ndarray], method: str, px: int) -> list[np.ndarray]:
    """float32 [px, px] in [0, 1] of each film of a study: 0 where nothing speaks for the label, 1 at the study's peak.

    One scale for all films, so that a film that was hardly looked at looks like it. Attention counts from an even
    share over all of them, and its 1 is at least three even shares: a map that prefers nothing looks like nothing.
    """
    strength = [np.asarray(one, np.float32) for one in maps]
    least = 1e-12
    if method in _OF_ATTENTION:
        even = max(sum(float(one.sum()) for one in strength) / sum(one.size for one in strength), least)
        strength = [np.clip(one / even - 1, 0, None) for one in strength]
        least = _PLAIN
    peak = max(least, *(float(one.max()) for one in strength))
    return [upsample(one, px) * float(one.max()) / peak for one in strength]


@dataclass(frozen=True)
class Shown:
    """One film: its original pixels and the heat over them, both float32 [H, W] in [0, 1]."""

    view: str
    pixels_HW: np.ndarray
    heat_HW: np.ndarray
    highest: float  # of the raw map


def overlay(films: Sequence[Shown], title: str, method: str, words: Mapping[str, float] | None):
    """A figure: each film as it is and with its heat, and the words of the note that move the answer most."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 4.1 * len(films) + (0.5 if words else 0)), layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    for row, film in zip(figure.subplots(len(films), 2, squeeze=False), films, strict=True):
        for place in row:
            place.imshow(film.pixels_HW, cmap="gray", vmin=0, vmax=1)
            place.set(xticks=[], yticks=[])
        row[0].set_title(film.view, fontsize=9)
        heat = row[1].imshow(film.heat_HW, cmap="inferno", alpha=0.6 * film.heat_HW, vmin=0, vmax=1)
        nothing = ": nothing here speaks for it" if film.heat_HW.max() <= 0 else f" (highest {film.highest:.3g})"
        row[1].set_title(f"{method}{nothing}", fontsize=9)
        bar = figure.colorbar(heat, ax=row[1], fraction=0.045, pad=0.02)
        bar.set_alpha(1)  # else it has the film's transparency
        bar.set_label(SCALES[method], fontsize=7.5)
        bar.ax.tick_params(labelsize=7)
    if words:
        figure.supxlabel(_said(words), fontsize=8.5, x=0.01, ha="left", va="bottom")
    return figure


def _said(words: Mapping[str, float]) -> str:
    """Words in the order given, with what each adds to the log-odds; no formula even where one holds a dollar sign."""
    text = "note, added to the log-odds: " + "   ".join(f"{word} {value:+.2f}" for word, value in words.items())
    return "\n".join(textwrap.wrap(text, 125)).replace("$", r"\$")
