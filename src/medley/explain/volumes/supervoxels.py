"""Supervoxels of a brain: connected pieces of tissue of about equal size, what is hidden or shown as one.

SLIC (Achanta et al. 2012) with seeds spread over the brain alone (maskSLIC, Irving 2016), by scikit-image. Distances
are millimetres, so that a grid with thick slices gives pieces that are round in the patient. The background belongs to
no piece: an explanation that could switch off air would spend its samples on it.

Shapes: S sequences, D H W voxels, F supervoxels.
"""

from __future__ import annotations

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Volume

NUMBER = 44  # of about 1,300 ml of brain: pieces of 30 ml, a sphere of 38 mm; up to 48 fill a Hadamard matrix
COMPACTNESS = 0.1  # how far a piece keeps round against following the grey values, which run from 0 to 1
SIGMA_MM = 2.0  # of the Gaussian before it: noise draws no borders
LEAST = 0.1  # of the mean size; a smaller piece joins a neighbour: slic's own half would swallow small lesions


def spacing_of(volume: Volume) -> tuple[float, float, float]:
    """Millimetres from voxel to voxel along D, H and W."""
    depth, height, width = np.linalg.norm(np.asarray(volume.affine, float)[:3, :3], axis=0)
    return float(depth), float(height), float(width)


def brain_of(voxels_SDHW: np.ndarray) -> np.ndarray:
    """bool [D, H, W]: where any sequence is not 0."""
    return np.any(voxels_SDHW, axis=0, keepdims=True)[0]


def supervoxels(
    voxels_SDHW: np.ndarray,
    spacing_mm: tuple[float, float, float],
    number: int = NUMBER,
    *,
    compactness: float = COMPACTNESS,
    sigma_mm: float = SIGMA_MM,
) -> np.ndarray:
    """int32 [D, H, W]: 0 outside the brain (where all sequences are 0), 1 to F within, every number in use.

    F is about `number`. The same voxels give the same pieces: nothing here is drawn. Raises MedleyError for an empty
    volume, and for more pieces than a brain of that many voxels can hold.
    """
    from skimage.segmentation import slic

    brain_DHW = brain_of(voxels_SDHW)
    if not brain_DHW.any():
        raise MedleyError("the volume is 0 everywhere: there is no brain to cut into supervoxels")
    if not 2 <= number <= brain_DHW.sum() // 8:
        most = brain_DHW.sum() // 8
        raise MedleyError(
            f"{number} supervoxels: ask for 2 to {most}, a brain of {brain_DHW.sum()} voxels holds no more"
        )
    spacing = np.asarray(spacing_mm, float)
    pieces_DHW = slic(
        smoothed(voxels_SDHW, brain_DHW, sigma_mm / spacing),
        n_segments=number,
        compactness=compactness,
        spacing=spacing / np.prod(spacing) ** (1 / 3),  # slic's own unit of length is a voxel
        convert2lab=False,  # three sequences are not red, green and blue
        min_size_factor=LEAST,
        mask=brain_DHW,
        channel_axis=0,
    )
    return _complete(pieces_DHW, brain_DHW, spacing)


def smoothed(voxels_SDHW: np.ndarray, brain_DHW: np.ndarray, sigma_voxels: np.ndarray) -> np.ndarray:
    """float32 [S, D, H, W]: Gaussian means over the brain alone, so that no air bleeds into its rim; 0 outside."""
    from scipy.ndimage import gaussian_filter

    share_DHW = gaussian_filter(brain_DHW.astype(np.float32), sigma_voxels, mode="constant")
    out = np.zeros(voxels_SDHW.shape, np.float32)
    for sequence, result in zip(voxels_SDHW, out, strict=True):
        blurred = gaussian_filter(np.where(brain_DHW, sequence, 0).astype(np.float32), sigma_voxels, mode="constant")
        result[brain_DHW] = blurred[brain_DHW] / np.maximum(share_DHW[brain_DHW], 1e-6)
    return out


def _complete(pieces_DHW: np.ndarray, brain_DHW: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Voxels of the brain that slic reached from no seed go to the nearest piece; numbers without gaps."""
    from scipy.ndimage import distance_transform_edt

    left_DHW = brain_DHW & (pieces_DHW == 0)
    if left_DHW.any():
        nearest = distance_transform_edt(pieces_DHW == 0, spacing_mm, return_distances=False, return_indices=True)
        pieces_DHW = np.where(left_DHW, pieces_DHW[tuple(nearest)], pieces_DHW)
    names, flat = np.unique(np.where(brain_DHW, pieces_DHW, 0), return_inverse=True)
    first = 0 if names[0] == 0 else 1  # a brain that fills its grid has no background
    return (flat.reshape(brain_DHW.shape) + first).astype(np.int32)


def painted(weights_F: np.ndarray, pieces_DHW: np.ndarray) -> np.ndarray:
    """float32 [D, H, W]: each supervoxel's value in all its voxels, 0 in the background."""
    return np.concatenate(([0], weights_F)).astype(np.float32)[pieces_DHW]
