"""The picture of an answer about a brain: its slices, where a lesion is seen, bars of the findings, the report.

Shapes: S sequences, D H W voxels of the volume, d h w cells of a map over the same field of view.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np

from medley.core.records import Volume
from medley.explain.render import Bar, draw_bars
from medley.explain.volumes.render import cut, name_edges, peak_of, slices_at
from medley.explain.volumes.supervoxels import brain_of, spacing_of

_PANEL_IN, _LINE_IN, _LETTERS = 2.9, 0.2, 130
_SEEN = 0.5  # a map that reaches it nowhere is not laid over the slices
CONVENTION = "neurological"


def volume_overview(
    volume: Volume,
    bars: Sequence[Bar],
    seen_dhw: np.ndarray | None,
    title: str,
    truth: Mapping[str, float] | None = None,
    written: Sequence[str] = (),
):
    """A figure: the three planes of each sequence through the peak of `seen_dhw` (probabilities of a lesion), or the
    middle of the brain where nothing is seen; the bars; and what was `written`."""
    from matplotlib.figure import Figure

    brain_DHW, spacing = brain_of(volume.voxels), spacing_of(volume)
    shape = volume.voxels.shape[1:]
    heat_DHW = None if seen_dhw is None or seen_dhw.max() < _SEEN else _enlarged(seen_dhw, shape)
    about_DHW = brain_DHW.astype(float) if heat_DHW is None else heat_DHW
    planes = slices_at(peak_of(about_DHW, brain_DHW), shape, spacing, CONVENTION)
    rows = len(volume.sequences)
    lines = [line for text in written for line in textwrap.wrap(text, _LETTERS)]
    heights = [_PANEL_IN * rows] + [_LINE_IN * (len(lines) + 1)] * bool(lines)
    figure = Figure(figsize=(13, sum(heights) + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    top, *below = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    for place in below:
        place.text(0.012, 1.0, "\n".join(lines), fontsize=10, va="top", ha="left", linespacing=1.35)
    left, right = top.subfigures(1, 2, width_ratios=[3, 1.25])
    places = left.subplots(rows, 3, squeeze=False)
    for row, (name, voxels_DHW) in enumerate(zip(volume.sequences, volume.voxels, strict=True)):
        for place, plane in zip(places[row], planes, strict=True):
            _show(place, cut(voxels_DHW, plane), plane.size_mm)
            if heat_DHW is not None:
                over = cut(heat_DHW, plane)
                box = (0, plane.size_mm[0], 0, plane.size_mm[1])
                place.imshow(over, cmap="inferno", alpha=0.5 * over, vmin=0, vmax=1, origin="lower", extent=box)
            place.set_title(f"{name}, {plane.name}" if row == 0 else name, fontsize=9)
            name_edges(place, plane.edges)
    draw_bars(right.subplots(), bars, truth or {})
    return figure


def _show(place, picture: np.ndarray, size_mm: tuple[float, float]) -> None:
    place.imshow(picture, cmap="gray", vmin=0, vmax=255, origin="lower", extent=(0, size_mm[0], 0, size_mm[1]))
    place.set(xticks=[], yticks=[])
    for spine in place.spines.values():
        spine.set_visible(False)


def _enlarged(map_dhw: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The map on the volume's voxels, trilinear."""
    from scipy.ndimage import zoom

    factors = [to / of for to, of in zip(shape, map_dhw.shape, strict=True)]
    return zoom(map_dhw.astype(np.float32), factors, order=1, grid_mode=True, mode="nearest").clip(0, 1)
