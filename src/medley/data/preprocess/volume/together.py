"""Do the sequences of a study lie in one space? Nothing here registers them: what does not fit is told, or refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medley.core.errors import UnreadableImage
from medley.data.preprocess.volume.align import coarse
from medley.data.preprocess.volume.foreground import Foreground, head_mask
from medley.data.preprocess.volume.grid import resample
from medley.data.preprocess.volume.raw import RawVolume

_CUT_SHARE, _ELSEWHERE_SHARE = 0.01, 0.5  # of the brain outside a sequence's grid: from there a warning, an error
# Dice of the heads (or stripped brains) of two sequences: below a warning, an error. Real pairs of one session have
# 0.91 and more; moved by 1 cm they have 0.83 to 0.88, by 2 cm 0.75 to 0.79.
_SHIFTED_DICE, _APART_DICE = 0.90, 0.60


def check_together(raws: Sequence[RawVolume], brain: Foreground) -> list[str]:
    """Warnings where a sequence cuts the brain, which was found on the first, or lies beside it. Raises UnreadableImage
    where it cannot be of the same head in the same scanner's space."""
    reference, *others = raws
    if not others:
        return []
    warnings = []
    lying = brain.points()
    values, affine = coarse(reference.values, reference.affine)
    head = head_mask(values)
    for raw in others:
        index = (np.linalg.inv(raw.affine) @ np.c_[lying, np.ones(len(lying))].T)[:3]
        size = np.array(raw.values.shape)[:, None]
        missing = 1 - float(((index >= -0.5) & (index <= size - 0.5)).all(0).mean())
        other = head_mask(resample(raw.values, raw.affine, affine, values.shape))
        dice = float(2 * (head & other).sum() / max(1, head.sum() + other.sum()))
        pair = f"{raw.path.name} and {reference.path.name}"
        if missing > _ELSEWHERE_SHARE or dice < _APART_DICE:
            why = f"{missing:.0%} of the brain lie outside the first" if missing > _ELSEWHERE_SHARE else ""
            why = why or f"the heads in them overlap by {dice:.2f} only"
            raise UnreadableImage(f"{raw.path}: {pair} do not lie in one space: {why}; co-register them first")
        if missing > _CUT_SHARE:
            warnings.append(f"{raw.path.name} lacks {missing:.0%} of the brain, which are dark there")
        if dice < _SHIFTED_DICE:
            warnings.append(f"the heads in {pair} overlap by {dice:.2f} only: are they co-registered?")
    return warnings
