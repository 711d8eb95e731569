"""What is true of a drawn study, from its final masks: sides, lobes, parts, volumes. Written into the case table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LABELS, BRAIN_LOBES
from medley.data.cohorts.brain.draw import ENHANCING, NECROSIS, OEDEMA, Drawn
from medley.data.cohorts.brain.plan import Pose
from medley.data.cohorts.brain.template import Array

LOBE_SHARE = 0.15  # of the whole lesion, from which a lobe counts as involved
SIDE_SHARE = 0.10  # of the whole lesion, from which the smaller side makes it bilateral
SHIFT_MM = 3.0  # from which a midline counts as shifted
_PARTS = {"edema": OEDEMA, "necrosis": NECROSIS, "enhancement": ENHANCING}


def truth_of(drawn: Drawn, pose: Pose) -> dict[str, Any]:
    """The truth of a study, without the place of its mask file; of a healthy one only that it is."""
    whole = drawn.labels > 0
    if not whole.any():
        return {"healthy": True}
    millilitres = float(np.prod(drawn.grid.size_mm)) / 1000
    pairs = _side_lobes(drawn, whole)
    volumes = _volumes(drawn.labels, millilitres)
    components = [name for name in _PARTS if volumes[name] > 0]
    if drawn.pushed:
        components.append("mass effect")
    if drawn.shift_mm >= SHIFT_MM:
        components.append("midline shift")
    lesions = [_lesion(drawn, drawn.lesion == number, pose, millilitres) for number in np.unique(drawn.lesion[whole])]
    return {
        "healthy": False,
        "sides": _sides(drawn.left[whole]),
        "lobes": [lobe for lobe in BRAIN_LOBES if any(lobe == pair[1] for pair in pairs)],
        "side_lobe": [list(pair) for pair in pairs],
        "components": [name for name in BRAIN_COMPONENTS if name in components],
        "lesions": sorted(lesions, key=lambda lesion: -lesion["volumes_ml"]["whole"]),
        "volumes_ml": volumes,
        "shift_mm": round(drawn.shift_mm, 1),
    }


def labels_of(truth: Mapping[str, Any]) -> dict[str, float]:
    """The label columns: what FLAIR shows."""
    present = {name.lower() for name in truth.get("components", ())} | (set() if truth["healthy"] else {"lesion"})
    return {label: float(label.lower() in present) for label in BRAIN_LABELS}


def _sides(left: Array) -> str:
    share = float(left.mean())
    return "bilateral" if min(share, 1 - share) >= SIDE_SHARE else "left" if share > 0.5 else "right"


def _side_lobes(drawn: Drawn, mask: Array) -> list[tuple[str, str]]:
    """(side, lobe) pairs that hold enough of the mask, the largest first; at least the largest."""
    code = drawn.lobe[mask].astype(int) + len(BRAIN_LOBES) * drawn.left[mask]
    shares = np.bincount(code, minlength=2 * len(BRAIN_LOBES)) / code.size
    order = [int(place) for place in np.argsort(-shares, kind="stable")]
    kept = [place for place in order if shares[place] >= LOBE_SHARE] or order[:1]
    return [("left" if place >= len(BRAIN_LOBES) else "right", BRAIN_LOBES[place % len(BRAIN_LOBES)]) for place in kept]


def _volumes(labels: Array, millilitres: float) -> dict[str, float]:
    volumes = {name: round(float((labels == value).sum() * millilitres), 2) for name, value in _PARTS.items()}
    return volumes | {"whole": round(float((labels > 0).sum() * millilitres), 2)}


def _lesion(drawn: Drawn, mask: Array, pose: Pose, millilitres: float) -> dict[str, Any]:
    d, h, w = (float(drawn.grid.axis_mm(axis)[index].mean()) for axis, index in enumerate(np.nonzero(mask)))
    centre = [round(value + shift, 1) for value, shift in zip((w, h, d), pose.origin_mm, strict=True)]
    return {
        "side": _sides(drawn.left[mask]),
        "lobe": _side_lobes(drawn, mask)[0][1],
        "centre_mm": centre,
        "volumes_ml": _volumes(np.where(mask, drawn.labels, 0), millilitres),
    }
