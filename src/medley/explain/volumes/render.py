"""A map of a brain, to be looked at: the slices through its peak, the brain alone above and the map over it below.

Colours are signed: red speaks for the target, blue against it, on a scale that is the same either way. Which side is
which is written on every slice, and the convention below: `neurological` shows the patient's left on the left,
`radiological` on the right.

Shapes: D H W voxels (inferior to superior, posterior to anterior, the patient's left to right).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medley.core.errors import choose

CONVENTIONS = {"neurological": False, "radiological": True}  # -> whether the patient's left is on the right
CLIP = 0.99  # of the voxels of the brain lie within the colour scale
OUTLINES = ("#009e73", "#000000", "#cc79a7")  # told apart by colour-blind readers, and from red and blue
MARGIN_MM = 12.0
_PANEL_IN = 2.5


@dataclass(frozen=True)
class Slice:
    """One panel: which plane, where it cuts, what stands at its edges (left, right, bottom, top), and its picture."""

    name: str
    place: int
    edges: tuple[str, str, str, str]
    size_mm: tuple[float, float]  # across, up


def peak_of(map_DHW: np.ndarray, brain_DHW: np.ndarray) -> tuple[int, int, int]:
    """The voxel of the map's maximum in the brain; of many that tie, the one nearest to their middle."""
    values = np.where(brain_DHW, map_DHW, -np.inf)
    ties_P3 = np.argwhere(values == values.max())
    depth, height, width = ties_P3[np.square(ties_P3 - ties_P3.mean(0)).sum(1).argmin()]
    return int(depth), int(height), int(width)


def slices_at(
    peak: tuple[int, int, int], shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], convention: str
) -> tuple[Slice, Slice, Slice]:
    """The axial, coronal and sagittal plane through a voxel. Raises MedleyError for an unknown convention."""
    sides = ("R", "L") if choose(convention, CONVENTIONS, "convention") else ("L", "R")
    deep, high, wide = (side * mm for side, mm in zip(shape, spacing_mm, strict=True))
    return (
        Slice("axial", peak[0], (*sides, "P", "A"), (wide, high)),
        Slice("coronal", peak[1], (*sides, "I", "S"), (wide, deep)),
        Slice("sagittal", peak[2], ("P", "A", "I", "S"), (high, deep)),
    )


def cut(volume_DHW: np.ndarray, one: Slice) -> np.ndarray:
    """The picture of a plane, its first row at the bottom and its first column at the left of the panel."""
    if one.name == "sagittal":
        return volume_DHW[:, :, one.place]
    plane = volume_DHW[one.place] if one.name == "axial" else volume_DHW[:, one.place]
    return plane[:, ::-1] if one.edges[0] == "R" else plane


def map_page(
    image_DHW: np.ndarray,
    map_DHW: np.ndarray,
    spacing_mm: tuple[float, float, float],
    title: str,
    *,
    text: str = "",
    unit: str = "change of the answer",
    outlines: Mapping[str, np.ndarray] | None = None,
    convention: str = "neurological",
):
    """A figure of one sequence [D, H, W] (0 outside the brain) and a map of any method over it.

    `text` is what was explained, and `unit` what a value of the map is. `outlines` are masks by name: the lesion, the
    best supervoxel; three at most.
    """
    from matplotlib.figure import Figure

    shown = _about(image_DHW > 0, spacing_mm)
    first = tuple(part.start for part in shown)
    image_DHW, map_DHW = image_DHW[shown], map_DHW[shown]
    outlined = {name: mask_DHW[shown] for name, mask_DHW in (outlines or {}).items()}
    brain_DHW = image_DHW > 0
    limit = float(np.quantile(np.abs(map_DHW[brain_DHW]), CLIP)) if brain_DHW.any() else 0.0
    limit = limit or float(np.abs(map_DHW).max())
    peak = peak_of(map_DHW, brain_DHW)
    planes = slices_at(peak, image_DHW.shape, spacing_mm, convention)
    lines = textwrap.wrap(text, 105)[:8]
    tallest = max(one.size_mm[1] for one in planes)
    across = sum(one.size_mm[0] for one in planes)
    tall = _PANEL_IN * 3 * tallest / across  # inches of a row
    figure = Figure(figsize=(3 * _PANEL_IN + 0.6, 2 * tall + 1.1 + 0.17 * len(lines)), layout="constrained")
    figure.suptitle("\n".join((title, *lines)).replace("$", r"\$"), fontsize=9, x=0.01, ha="left")
    ratios = {"width_ratios": [one.size_mm[0] for one in planes]}
    rows = figure.subplots(2, 3, gridspec_kw=ratios)
    drawn = None
    for column, (one, start) in enumerate(zip(planes, first, strict=True)):
        box = {"origin": "lower", "extent": (0, one.size_mm[0], 0, one.size_mm[1])}
        for row in rows:
            row[column].imshow(cut(image_DHW, one), cmap="gray", vmin=0, vmax=255, **box)
            row[column].set(xticks=[], yticks=[])
            name_edges(row[column], one.edges)
        rows[0][column].set_title(f"{one.name}, slice {start + one.place}", fontsize=8)
        if limit > 0:
            drawn = _heat(rows[1][column], cut(np.where(brain_DHW, map_DHW, 0), one), limit, box)
        for (_, mask_DHW), colour in zip(outlined.items(), OUTLINES, strict=False):
            _outline(rows[1][column], cut(mask_DHW, one), one, colour)
    told = f"{convention} convention: the patient's left is on the {'right' if CONVENTIONS[convention] else 'left'}"
    for name, colour in zip(outlined, ("green", "black", "pink"), strict=False):
        told += f"; {colour} line: {name}"
    figure.supxlabel(told if drawn else f"{told}; nothing here speaks either way", fontsize=7.5, x=0.01, ha="left")
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=rows[1], fraction=0.03, pad=0.01, extend="both")
        bar.set_alpha(1)
        bar.set_label(f"{unit}\nred speaks for it, blue against", fontsize=7)
        bar.ax.tick_params(labelsize=6.5)
    return figure


def _about(brain_DHW: np.ndarray, spacing_mm: tuple[float, float, float]) -> tuple[slice, slice, slice]:
    """The part of the grid that holds the brain, with a margin in which the edges can be named; all of it where there
    is no brain."""
    found = []
    for axis, mm in enumerate(spacing_mm):
        places = np.flatnonzero(brain_DHW.any(tuple({0, 1, 2} - {axis})))
        margin, last = round(MARGIN_MM / mm), brain_DHW.shape[axis]
        whole = not len(places)
        found.append(slice(0 if whole else max(0, places[0] - margin), last if whole else places[-1] + 1 + margin))
    return tuple(found)  # type: ignore[return-value]


def _heat(place, plane: np.ndarray, limit: float, box: dict):
    from matplotlib.colors import Normalize

    strength = np.clip(np.abs(plane) / limit, 0, 1)
    norm = Normalize(-limit, limit, clip=True)
    return place.imshow(plane, cmap="RdBu_r", norm=norm, alpha=0.75 * strength**0.5, interpolation="nearest", **box)


def _outline(place, plane: np.ndarray, one: Slice, colour: str) -> None:
    if plane.any() and not plane.all():
        up, across = plane.shape
        columns = (np.arange(across) + 0.5) * one.size_mm[0] / across
        rows = (np.arange(up) + 0.5) * one.size_mm[1] / up
        place.contour(columns, rows, plane.astype(float), levels=[0.5], colors=colour, linewidths=1.1)


def name_edges(place, edges: tuple[str, str, str, str]) -> None:
    sides = ((0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center"))
    ends = ((0.5, 0.02, "center", "bottom"), (0.5, 0.98, "center", "top"))
    for letter, (x, y, across, up) in zip(edges, (*sides, *ends), strict=True):
        place.text(x, y, letter, transform=place.transAxes, color="white", fontsize=8, ha=across, va=up)
