"""Is it a brain, and the right way up? By how well the MNI152 template, laid on it, fits.

`outline` (how well the template's brain and the shell around it explain the mask) is what a brain has and a knee has
not. `tissue` (how well the template's grades explain the volume's) and `symmetry` (how alike the sides are) are what a
brain has and noise in its form has not. Tissue is low in FLAIR, symmetry about a large tumour, so either alone only
warns. docs/brain_mri.md has the real volumes that the thresholds come from. A mirrored brain cannot be told from a
brain: nothing here vouches for left and right.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medley.core.errors import UnreadableImage
from medley.data.preprocess.volume.align import Fit
from medley.data.preprocess.volume.orient import axis_codes

UNLIKE_OUTLINE, FAR_OUTLINE = 0.45, 0.25  # below: a warning; an error
UNLIKE_TISSUE, UNLIKE_SYMMETRY = 0.03, 0.15  # below: a warning
FAR_TISSUE = 0.015  # below, and the outline or the symmetry unlike: an error
TURNED_GAIN = 0.2  # by which another way up must fit better


@dataclass(frozen=True)
class Likeness:
    """How like the template a volume is; `looks` are the axis codes that fit its brain best, "" where its own do."""

    outline: float
    tissue: float
    symmetry: float
    looks: str
    warnings: tuple[str, ...]


def judge(path: Path, affine: np.ndarray, fit: Fit) -> Likeness:
    """The verdict on one volume. Raises UnreadableImage where it is far from any brain, whichever way up."""
    measured = fit.outline, fit.tissue, fit.symmetry
    numbers = f"outline {fit.outline:.2f}, tissue {fit.tissue:.3f}, symmetry {fit.symmetry:.2f}"
    said = f"likeness to the MNI152 template: {numbers}"
    if fit.gain > TURNED_GAIN and fit.turned_outline >= UNLIKE_OUTLINE:
        looks = axis_codes(fit.turned.T @ affine)
        what = f"the header says its axes go {axis_codes(affine)}, the brain looks like {looks}"
        warning = f"{what} (a mirror image cannot be told): mend the header from the original"
        return Likeness(*measured, looks, (warning,))
    unlike = fit.outline < UNLIKE_OUTLINE or fit.symmetry < UNLIKE_SYMMETRY
    if fit.outline < FAR_OUTLINE or (unlike and fit.tissue < FAR_TISSUE):
        raise UnreadableImage(f"{path} is no brain that can be recognised ({said})")
    doubtful = unlike or fit.tissue < UNLIKE_TISSUE
    return Likeness(*measured, "", (f"does not look much like a brain ({said})",) if doubtful else ())
