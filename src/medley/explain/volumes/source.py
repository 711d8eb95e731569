"""A map back on the grid of the file that the volume was read from, to lie over it in any viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Volume
from medley.data.preprocess.volume.grid import to_source
from medley.data.preprocess.volume.nifti import write_nifti


def write_map(path: Path | str, map_DHW: np.ndarray, volume: Volume, *, smooth: bool = False) -> None:
    """A map or the supervoxels [D, H, W] of a volume as NIfTI in its source's space; whole numbers stay whole.

    `smooth` interpolates between voxels, for a map that has no edges of its own (gradients, occlusion); the values of
    supervoxels keep theirs. 0 where the source lies outside the volume's field of view.
    """
    if map_DHW.shape != volume.voxels.shape[1:]:
        raise MedleyError(
            f"{path}: a map of {map_DHW.shape} voxels does not lie on a volume of {volume.voxels.shape[1:]}"
        )
    values = to_source(map_DHW, volume, order=1 if smooth else 0)
    whole = np.issubdtype(map_DHW.dtype, np.integer) and not smooth
    write_nifti(path, np.rint(values).astype(np.int16) if whole else values, volume.source_affine)
