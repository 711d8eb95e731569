"""The plane between the hemispheres of one brain, and the brain mirrored about it.

Heads lie a little turned and off the middle of the grid, so the plane is found from the brain itself: of all planes
near its middle the one about which image and mirror image differ least, by the mean absolute difference, which a lesion
on one side can hardly pull. It may tilt by yaw and roll.

Shapes: S sequences, D H W voxels, P sampled voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medley.explain.volumes.supervoxels import brain_of, smoothed

REACH_MM = 12.0  # the plane passes this near the middle of the brain
_SMOOTH_MM = 2.0
_SAMPLES = 20_000
_SLACK = 1.005  # a plane that lies on the grid is taken when it is this little worse: it needs no interpolation
_RADIANS = 0.01  # what weighs as much as a millimetre while searching


@dataclass(frozen=True)
class Midplane:
    """All points x (mm from voxel 0 along D, H, W) with normal · x = offset. The normal points to the right."""

    normal: tuple[float, float, float]
    offset_mm: float
    difference: float  # mean absolute difference of the brain and its mirror image, as a share of the brain's mean

    @property
    def tilt_degrees(self) -> float:
        """The angle to the planes of the grid."""
        return float(np.degrees(np.arccos(min(1.0, self.normal[2]))))

    def mirror(self, points_P3: np.ndarray) -> np.ndarray:
        """The mirror images of points in mm."""
        normal = np.asarray(self.normal)
        return points_P3 - 2 * (points_P3 @ normal - self.offset_mm)[:, None] * normal


def find_midplane(voxels_SDHW: np.ndarray, spacing_mm: tuple[float, float, float]) -> Midplane:
    """The plane of a brain; the same voxels give the same plane."""
    from scipy.ndimage import map_coordinates
    from scipy.optimize import minimize

    brain_DHW, spacing = brain_of(voxels_SDHW), np.asarray(spacing_mm, float)
    image_DHW = smoothed(voxels_SDHW, brain_DHW, _SMOOTH_MM / spacing).mean(0)
    places_P3 = np.argwhere(brain_DHW)
    middle = places_P3.mean(0) * spacing
    places_P3 = places_P3[:: max(1, len(places_P3) // _SAMPLES)]
    here_P = image_DHW[tuple(places_P3.T)]
    mean = max(float(here_P.mean()), 1e-6)

    def at(shift_mm: float, roll: float, yaw: float) -> Midplane:
        normal = np.array([np.sin(roll), np.sin(yaw), 1.0])
        normal /= np.linalg.norm(normal)
        plane = Midplane(tuple(normal), float(normal @ (middle + np.array([0, 0, shift_mm]))), 0.0)
        there_P = map_coordinates(image_DHW, (plane.mirror(places_P3 * spacing) / spacing).T, order=1)
        return Midplane(plane.normal, plane.offset_mm, float(np.abs(here_P - there_P).mean()) / mean)

    def cost(searched: np.ndarray) -> float:
        shift, roll, yaw = searched * (1, _RADIANS, _RADIANS)
        return at(shift, roll, yaw).difference + max(0.0, abs(shift) - REACH_MM)

    starts = np.linspace(-REACH_MM, REACH_MM, 13)
    first = min(starts, key=lambda shift: cost(np.array([shift, 0, 0])))
    simplex = np.array([[first, 0, 0], [first + 1.5, 0, 0], [first, 5, 0], [first, 0, 5]])
    found = minimize(cost, simplex[0], method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 0.05})
    best = at(*(found.x * (1, _RADIANS, _RADIANS)))
    half = spacing[2] / 2
    on_grid = [
        at(round(place / half) * half - middle[2], 0.0, 0.0)
        for place in middle[2] + found.x[0] + np.array([-half, 0, half])
    ]
    snapped = min(on_grid, key=lambda plane: plane.difference)
    return snapped if snapped.difference <= best.difference * _SLACK else best


def mirrored(voxels_SDHW: np.ndarray, spacing_mm: tuple[float, float, float], plane: Midplane) -> np.ndarray:
    """The volume, each voxel as its mirror image is: of the same dtype, 0 where that lies outside the grid."""
    from scipy.ndimage import map_coordinates

    spacing = np.asarray(spacing_mm, float)
    if plane.normal[2] == 1.0:
        return _turned(voxels_SDHW, round(2 * plane.offset_mm / spacing[2]))
    grid_P3 = np.indices(voxels_SDHW.shape[1:]).reshape(3, -1).T
    there_3P = (plane.mirror(grid_P3 * spacing) / spacing).T
    out = np.empty_like(voxels_SDHW)
    for sequence, result in zip(voxels_SDHW, out, strict=True):
        values_P = map_coordinates(sequence.astype(np.float32), there_3P, order=1)
        result[:] = (
            np.rint(values_P).reshape(result.shape) if result.dtype.kind in "ui" else values_P.reshape(result.shape)
        )
    return out


def _turned(voxels_SDHW: np.ndarray, total: int) -> np.ndarray:
    """Voxel w from voxel total - w: mirrored about a plane that lies on a voxel or between two."""
    width = voxels_SDHW.shape[-1]
    there_W = total - np.arange(width)
    known_W = (there_W >= 0) & (there_W < width)
    return np.where(known_W, voxels_SDHW[..., np.clip(there_W, 0, width - 1)], 0).astype(voxels_SDHW.dtype)
