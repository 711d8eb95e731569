"""Examples for the scorecard's page: where the system looked on films whose lesions are known."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from medley.data.source import Source
from medley.evaluation.scorecard.body import Example
from medley.explain.attention import salience
from medley.serving.explaining.marked import Marked, maps_of, marked_studies
from medley.serving.predictor import Predictor

EXAMPLES = 6
_DRAWN = 24  # studies that they are taken from
_INCHES = 3.0


def marked_examples(
    predictor: Predictor, source: Source, part: str, method: str, labels: Sequence[str]
) -> tuple[Example, ...]:
    """At most six films of the part by a keyed draw, each of another label: the map in colour, the lesion outlined.

    Whether the map hits is not asked: what is shown was not picked for it.
    """
    marked = marked_studies(predictor, source, part, _DRAWN)
    if not len(marked.lesions):
        return ()
    maps = maps_of(predictor, marked, method)
    first = {marked.lesions.labels[p]: p for p in reversed(range(len(marked.lesions)))}
    chosen = [first[label] for label in labels if label in first][:EXAMPLES]
    return tuple((_picture(marked, p, maps[p]), _words(predictor, marked, p)) for p in chosen)


def _words(predictor: Predictor, marked: Marked, p: int) -> str:
    study, label = marked.studies[marked.study_of[p]], marked.lesions.labels[p]
    [prediction] = predictor.predictions([study], write=False)
    said = f"said {100 * prediction.scores[label]:.0f} %"
    return f"{label} ({said}), case {study.case.case_id}: in colour where it looked, outlined where the finding is."


def _picture(marked: Marked, p: int, map_hw: np.ndarray) -> bytes:
    """The film as the model reads it under its map, with the outline of the lesion."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    s = marked.study_of[p]
    film = marked.studies[s].films[marked.views[s]]
    px = len(film.pixels)
    side = int(np.sqrt(marked.lesions.masks_PX.shape[1]))
    mask = marked.lesions.masks_PX[p].reshape(side, side)
    figure = Figure(figsize=(_INCHES, _INCHES))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(film.pixels, cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
    heat = salience(map_hw, px)
    axes.imshow(heat, cmap="inferno", alpha=np.clip(heat, 0, 1) * 0.6, vmin=0, vmax=1)
    at = (np.arange(side) + 0.5) * px / side - 0.5
    axes.contour(at, at, mask.astype(float), levels=[0.5], colors=["#56B4E9"], linewidths=1.5)
    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    return content.getvalue()
