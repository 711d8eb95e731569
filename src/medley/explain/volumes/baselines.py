"""What a supervoxel is replaced by when it is hidden. No replacement is neutral, so there is a choice, and it is told.

    mean     the mean of the supervoxels that border on it, by the area they share: plain tissue, no edge of its own
    blur     the brain, blurred over the brain alone until a lesion is a haze
    mirror   the same place of the other hemisphere, about the brain's own mid-plane: a normal anatomy where the lesion
             has one side; of a lesion that crosses the middle it takes nothing away
    zero     0, as the original did: to a model of FLAIR a black hole in the tissue may be necrosis or fluid

Shapes: S sequences, D H W voxels, F supervoxels (0 is the background).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medley.core.errors import choose
from medley.explain.volumes.midplane import find_midplane, mirrored
from medley.explain.volumes.supervoxels import painted, smoothed

BLUR_MM = 15.0  # standard deviation: 3 of them span the brain's half


def baseline(
    name: str, voxels_SDHW: np.ndarray, pieces_DHW: np.ndarray, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """The volume of which hidden supervoxels are shown: as `voxels_SDHW` in shape and dtype, 0 in the background.

    Where voxels are whole numbers a hidden one stays above 0, which would say that it lies outside the brain; `zero`
    alone says so. Raises MedleyError naming the nearest for an unknown name.
    """
    fill = choose(name, BASELINES, "baseline")(voxels_SDHW, pieces_DHW, spacing_mm)
    if np.issubdtype(voxels_SDHW.dtype, np.integer):
        fill = np.rint(fill)
        if name != "zero":
            fill = np.maximum(fill, 1)
    return np.where(pieces_DHW > 0, fill, 0).astype(voxels_SDHW.dtype)


def _mean(voxels_SDHW: np.ndarray, pieces_DHW: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    count = int(pieces_DHW.max())
    sizes_F = np.bincount(pieces_DHW.ravel(), minlength=count + 1)[1:]
    areas_FF = contacts(pieces_DHW, spacing_mm)
    alone_F = areas_FF.sum(1) == 0
    areas_FF[alone_F] = sizes_F  # what borders on nothing looks like the whole brain
    areas_FF /= areas_FF.sum(1, keepdims=True)
    filled = []
    for sequence in voxels_SDHW:
        sums_F = np.bincount(pieces_DHW.ravel(), sequence.ravel().astype(float), count + 1)[1:]
        filled.append(painted(areas_FF @ (sums_F / sizes_F), pieces_DHW))
    return np.stack(filled)


def contacts(pieces_DHW: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """float64 [F, F]: the area in mm² that two supervoxels share; 0 on the diagonal."""
    count = int(pieces_DHW.max()) + 1
    areas = np.zeros((count, count))
    for axis in range(3):
        one = np.moveaxis(pieces_DHW, axis, 0)[:-1].ravel().astype(np.int64)
        other = np.moveaxis(pieces_DHW, axis, 0)[1:].ravel()
        face = np.prod(spacing_mm) / spacing_mm[axis]
        areas += face * np.bincount(one * count + other, minlength=count**2).reshape(count, count)
    areas += areas.T.copy()
    np.fill_diagonal(areas, 0)
    return areas[1:, 1:]


def _blur(voxels_SDHW: np.ndarray, pieces_DHW: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    return smoothed(voxels_SDHW, pieces_DHW > 0, BLUR_MM / np.asarray(spacing_mm))


def _mirror(voxels_SDHW: np.ndarray, pieces_DHW: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    other = mirrored(voxels_SDHW, spacing_mm, find_midplane(voxels_SDHW, spacing_mm))
    outside_DHW = ~other.any(0) & (pieces_DHW > 0)  # the hemispheres are not of the same shape
    if outside_DHW.any():
        other = np.where(outside_DHW, _blur(voxels_SDHW, pieces_DHW, spacing_mm), other)
    return other


def _zero(voxels_SDHW: np.ndarray, pieces_DHW: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    return np.zeros_like(voxels_SDHW)


Fill = Callable[[np.ndarray, np.ndarray, tuple[float, float, float]], np.ndarray]
BASELINES: dict[str, Fill] = {"mean": _mean, "blur": _blur, "mirror": _mirror, "zero": _zero}
