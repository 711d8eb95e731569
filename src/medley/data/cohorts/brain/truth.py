"""What is true of a drawn study, from its final masks: sides, lobes, parts, volumes. Written into the case table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LABELS, BRAIN_LOBES, LOBE_SHARE, SIDE_SHARE
from medley.data.cohorts.brain.draw import ENHANCING, NECROSIS, OEDEMA, Drawn
from medley.data.cohorts.brain.plan import Pose
from medley.data.cohorts.brain.template import Array

_FAINT = 0.005  # a smaller share is not written down
SHIFT_MM = 3.0  # from which a midline counts as shifted
_PARTS = {"edema": OEDEMA, "necrosis": NECROSIS, "enhancement": ENHANCING}


def truth_of(drawn: Drawn, pose: Pose) -> dict[str, Any]:
    """The truth of a study, without the place of its mask file; of a healthy one only that it is."""
    whole = drawn.labels > 0
    if not whole.any():
        return {"healthy": True}
    millilitres = float(np.prod(drawn.grid.size_mm)) / 1000
    shares = _shares(drawn, whole)
    pairs = _side_lobes(shares)
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
        "shares": [[*pair, round(share, 3)] for pair, share in shares.items() if share >= _FAINT],
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


def _shares(drawn: Drawn, mask: Array) -> dict[tuple[str, str], float]:
    """How much of the mask each (side, lobe) pair holds, the largest first."""
    code = drawn.lobe[mask].astype(int) + len(BRAIN_LOBES) * drawn.left[mask]
    shares = np.bincount(code, minlength=2 * len(BRAIN_LOBES)) / code.size
    pairs = [(side, lobe) for side in ("right", "left") for lobe in BRAIN_LOBES]
    return {pairs[place]: float(shares[place]) for place in np.argsort(-shares, kind="stable")}


def _side_lobes(shares: Mapping[tuple[str, str], float]) -> list[tuple[str, str]]:
    """The pairs that hold enough, the largest first; at least the largest."""
    return [pair for pair, share in shares.items() if share >= LOBE_SHARE] or list(shares)[:1]


def _volumes(labels: Array, millilitres: float) -> dict[str, float]:
    volumes = {name: round(float((labels == value).sum() * millilitres), 2) for name, value in _PARTS.items()}
    return volumes | {"whole": round(float((labels > 0).sum() * millilitres), 2)}


def _lesion(drawn: Drawn, mask: Array, pose: Pose, millilitres: float) -> dict[str, Any]:
    d, h, w = (float(drawn.grid.axis_mm(axis)[index].mean()) for axis, index in enumerate(np.nonzero(mask)))
    centre = [round(value + shift, 1) for value, shift in zip((w, h, d), pose.origin_mm, strict=True)]
    return {
        "side": _sides(drawn.left[mask]),
        "lobe": next(iter(_shares(drawn, mask)))[1],
        "centre_mm": centre,
        "volumes_ml": _volumes(np.where(mask, drawn.labels, 0), millilitres),
    }
