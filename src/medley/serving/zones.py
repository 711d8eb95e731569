"""Say where a heat map lies, in the words of a report: "right upper zone", "both lower zones", "mediastinum".

The atlas is five lines of arithmetic on fractions of a frontal film that is framed as usual (lungs from 10 % to 88 %
of its height, heart in the middle, the patient's right on the image's left). It is an assumption about framing, not
a segmentation: a rotated, cropped or lateral film is named wrongly, and that is why the words stay coarse.
"""

from __future__ import annotations

import numpy as np

from medley.core.errors import MedleyError

OUTSIDE = "outside the lungs"
_TOP, _BOTTOM = 0.10, 0.88  # of the lung fields, as fractions of the film's height
_OUTER, _INNER = 0.08, 0.44  # of the lung on the image's left, as fractions of the width; mirrored for the other
_CORNER_X, _CORNER_Y = 0.24, 0.74  # the costophrenic angle lies outside and below
_HOT = 0.5  # what counts: at least half of the peak's height above the map's lowest value
_BOTH = 0.6  # the other side has at least this much of the winner's heat


def zone_of(heat_HW: np.ndarray) -> str | None:
    """The zone that holds most of the heat of a map [H, W] over a frontal film; sides are the patient's.

    None for a map without a peak. Raises MedleyError for a map that is not two-dimensional or not finite.
    """
    heat = np.asarray(heat_HW, dtype=np.float64)
    if heat.ndim != 2 or heat.size == 0:
        raise MedleyError(f"a heat map has two dimensions, height and width; this one has the shape {heat.shape}")
    if not np.isfinite(heat).all():
        raise MedleyError("the heat map holds nan or infinity; it cannot be placed")
    heat = heat - heat.min()
    if heat.max() <= 1e-12:
        return None
    heat = np.where(heat >= _HOT * heat.max(), heat, 0.0)
    share = {zone: float(heat[mask].sum() / heat.sum()) for zone, mask in _atlas(*heat.shape).items()}
    winner = max(share, key=share.__getitem__)
    side, _, rest = winner.partition(" ")
    if side in ("left", "right"):
        other = f"{'left' if side == 'right' else 'right'} {rest}"
        if share[other] >= _BOTH * share[winner]:
            return f"both {rest}s"
    return winner


def _atlas(height: int, width: int) -> dict[str, np.ndarray]:
    """Zone -> mask [H, W]. The masks cover the film and do not overlap."""
    y = ((np.arange(height) + 0.5) / height)[:, None]
    x = ((np.arange(width) + 0.5) / width)[None, :]
    third = (_BOTTOM - _TOP) / 3
    levels = {
        "upper zone": (y >= _TOP) & (y < _TOP + third),
        "middle zone": (y >= _TOP + third) & (y < _TOP + 2 * third),
        "lower zone": (y >= _TOP + 2 * third) & (y < _BOTTOM),
    }
    masks: dict[str, np.ndarray] = {}
    for side, across in (("right", x), ("left", 1.0 - x)):  # the patient's right is on the image's left
        lung = (across >= _OUTER) & (across < _INNER)
        corner = (across < _CORNER_X) & (y >= _CORNER_Y)
        masks[f"{side} costophrenic angle"] = corner & (across >= _OUTER / 2) & (y < _BOTTOM + 0.05)
        for name, level in levels.items():
            masks[f"{side} {name}"] = lung & level & ~corner
    masks["mediastinum"] = (np.abs(x - 0.5) <= 0.5 - _INNER) & (y >= _TOP) & (y < _BOTTOM + 0.05)
    masks[OUTSIDE] = ~np.logical_or.reduce([np.broadcast_to(mask, (height, width)) for mask in masks.values()])
    return masks
