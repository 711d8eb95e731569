"""A segmentation in BraTS labels -> the regions of a Volume: 1 necrotic core, 2 oedema, 3 or 4 enhancing.

A file of 0 and 1 alone is a lesion mask that does not tell its parts (multiple sclerosis, a hand-drawn outline): then
only `lesion` is known.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medley.core.errors import UnreadableImage
from medley.data.preprocess.volume.grid import resample
from medley.data.preprocess.volume.nifti import read_nifti
from medley.data.preprocess.volume.raw import RawVolume

LESION = "lesion"
PARTS = {"necrosis": (1,), "edema": (2,), "enhancement": (3, 4)}
REGIONS = (LESION, *PARTS)


def read_segmentation(path: Path | str) -> RawVolume:
    """A file of labels 0 to 4. Raises UnreadableImage for whatever is none."""
    raw = read_nifti(path, labels=True)
    found = np.unique(raw.values)
    if not np.isin(found, np.arange(5)).all():
        odd = next(value for value in found if value not in (0, 1, 2, 3, 4))
        rule = "a segmentation has 0, 1 necrotic core, 2 oedema, 3 or 4 enhancing"
        raise UnreadableImage(f"{path} holds the label {odd:g}; {rule}")
    return raw


def parts_of(labels: np.ndarray) -> dict[str, np.ndarray]:
    """name -> bool of the same shape: `lesion` always, its parts where the labels tell them."""
    out = {LESION: labels > 0}
    if (labels > 1).any() or not (labels > 0).any():
        out |= {name: np.isin(labels, values) for name, values in PARTS.items()}
    return out


def regions_of(
    path: Path | str, reference: RawVolume, at: np.ndarray, shape: tuple[int, int, int]
) -> dict[str, np.ndarray]:
    """name -> uint8 [D, H, W], the share of each voxel in 255ths. Raises UnreadableImage where it lies elsewhere."""
    raw = read_segmentation(path)
    labels, affine = raw.values, raw.affine
    if labels.shape == reference.values.shape and not np.allclose(affine, reference.affine, atol=1e-2):
        what = f"has the size of {reference.path.name} and another affine"
        raise UnreadableImage(f"{path} {what}: they would not lie on one another; write it with the image's affine")
    parts = parts_of(labels)
    regions = {name: resample(part.astype(np.float32), affine, at, shape) for name, part in parts.items()}
    if parts[LESION].any() and not regions[LESION].any():
        raise UnreadableImage(
            f"{path} lies elsewhere in space than {reference.path.name}: no voxel of it is on the grid"
        )
    return {name: np.rint(share * 255).astype(np.uint8) for name, share in regions.items()}
