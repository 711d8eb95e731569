"""One sequence as it lies in its file, and what every file must be to be read as a volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medley.core.errors import UnreadableImage
from medley.data.preprocess.volume.orient import extent_mm, voxel_mm

MIN_VOXELS = 8  # along each axis; 5 mm slices of a whole head are 25 and more
MAX_VOXELS = 600_000_000  # a decompression bomb; 0.3 mm of a whole head are 400 million
_VOXEL_MM = (0.05, 20.0)
_WHOLE_BRAIN_MM = 100  # a field of view below it along an axis cannot hold a brain


@dataclass(frozen=True)
class RawVolume:
    """Values float32 [X, Y, Z] in the order of the file; `affine` [4, 4] leads from an index to mm in RAS+ space."""

    path: Path
    values: np.ndarray
    affine: np.ndarray
    warnings: tuple[str, ...] = ()


def checked(raw: RawVolume, labels: bool = False) -> RawVolume:
    """The volume, with a warning where it cannot hold a whole brain. Raises UnreadableImage, one line by name.

    Of `labels` (a mask, a segmentation) all may be 0, and a part of the head is enough.
    """
    path, shape = raw.path, raw.values.shape
    said = " x ".join(str(side) for side in shape)
    if raw.values.ndim != 3:
        raise UnreadableImage(f"{path} has {raw.values.ndim} axes ({said}); a volume has 3")
    if min(shape) < MIN_VOXELS:
        what = "is a 2D image" if min(shape) == 1 else "is a stack of few slices"
        raise UnreadableImage(f"{path} {what} ({said} voxels); a volume needs at least {MIN_VOXELS} along each axis")
    if not np.isfinite(raw.affine).all() or abs(np.linalg.det(raw.affine[:3, :3])) < 1e-9:
        raise UnreadableImage(f"{path} has an affine that is singular or not finite: where its voxels lie is not said")
    sizes = voxel_mm(raw.affine)
    if sizes.min() < _VOXEL_MM[0] or sizes.max() > _VOXEL_MM[1]:
        sizes_said = " x ".join(f"{size:g}" for size in sizes)
        raise UnreadableImage(f"{path} has voxels of {sizes_said} mm, which no MRI of a head has; mend its header")
    odd = int(raw.values.size - np.count_nonzero(np.isfinite(raw.values)))
    if odd:
        cure = "set them to 0 or take the file before the step that made them"
        raise UnreadableImage(f"{path} has {odd} of {raw.values.size} voxels that are NaN or infinite; {cure}")
    if labels:
        return raw
    if raw.values.min() == raw.values.max():
        raise UnreadableImage(f"{path} is empty: every voxel is {raw.values.flat[0]:g}")
    extent = extent_mm(raw.affine, shape)
    if extent.min() >= _WHOLE_BRAIN_MM:
        return raw
    warning = f"covers only {extent.min():.0f} mm along one axis: a part of the brain is missing"
    return RawVolume(path, raw.values, raw.affine, (*raw.warnings, warning))
