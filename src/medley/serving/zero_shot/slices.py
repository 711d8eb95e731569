"""The axial slices of a volume as the pictures that a general model sees.

They are cut from the one preprocessing of every volume, on a grid whose pixels are square, so that no brain is
squeezed: 64 slices of 2.75 mm, 128 x 128 pixels of 1.6 mm.

Shapes: D slices (inferior to superior), H rows (posterior to anterior), W columns (the patient's left to right).
"""

from __future__ import annotations

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Volume, VolumeGrid

PX, MOST = 128, 64
GRID = VolumeGrid((MOST, PX, PX), (176.0, 208.0, 208.0))


def slice_places(slices: int) -> list[int]:
    """The middle of each of `slices` equal parts of the field of view, from the base up. All of them where it is 64.

    They are the same for each brain: the field of view is centred on it. Raises MedleyError for more than there are.
    """
    if not 1 <= slices <= MOST:
        raise MedleyError(f"{slices} slices: a volume is cut into {MOST}, so 1 to {MOST} can be shown")
    return [int((place + 0.5) * MOST / slices) for place in range(slices)]


def slice_pictures(volume: Volume, slices: int, convention: str) -> list[np.ndarray]:
    """uint8 [128, 128] each, the front of the head at the top, from the base up; 0 outside the brain.

    `neurological` has the patient's left on the left, `radiological` on the right.
    """
    shown_DHW = volume.voxels[0, :, ::-1]
    if convention == "radiological":
        shown_DHW = shown_DHW[:, :, ::-1]
    return [np.ascontiguousarray(shown_DHW[place]) for place in slice_places(slices)]
