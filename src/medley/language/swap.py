"""A report and its truth mirrored: left becomes right, in words and in facts, for a volume that is flipped from left to
right. Doing it twice gives both back.

The words are swapped by `sides.swap_sides`: "left-sided", "LEFT", "leftward", "Lt", L and R where they are a side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medley.language.sides import swap_sides

OTHER = {"left": "right", "right": "left"}


def swap_report(sections: Mapping[str, str]) -> dict[str, str]:
    """Every section of a report with left and right exchanged."""
    return {name: swap_sides(text) for name, text in sections.items()}


def swap_side(side: str) -> str:
    """The other side; what is bilateral stays so."""
    return OTHER.get(side, side)


def swap_truth(truth: Mapping[str, Any]) -> dict[str, Any]:
    """What is true of a mirrored brain: `sides`, `side_lobe`, `shares`, and of each of the `lesions` its side and the x
    of its centre. What has no side, and the path of a mask, stays: the file on disk is not mirrored."""
    swapped = dict(truth)
    if isinstance(truth.get("sides"), str):
        swapped["sides"] = swap_side(truth["sides"])
    if "side_lobe" in truth:
        swapped["side_lobe"] = [[swap_side(side), lobe] for side, lobe in truth["side_lobe"]]
    if "shares" in truth:
        swapped["shares"] = [[swap_side(side), lobe, share] for side, lobe, share in truth["shares"]]
    if "lesions" in truth:
        swapped["lesions"] = [_swapped_lesion(lesion) for lesion in truth["lesions"]]
    return swapped


def _swapped_lesion(lesion: Mapping[str, Any]) -> dict[str, Any]:
    swapped = dict(lesion)
    if isinstance(lesion.get("side"), str):
        swapped["side"] = swap_side(lesion["side"])
    if "centre_mm" in lesion:
        x, *rest = lesion["centre_mm"]
        swapped["centre_mm"] = [-x, *rest]
    return swapped
