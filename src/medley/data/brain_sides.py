"""On which side of a brain a lesion lies: by the patient's own plane between the hemispheres.

The plane is the one about which the brain mask is most like its mirror image, tilted by yaw and roll as the head was:
not the middle of the array, and not x = 0. A mask, unlike the intensities, does not know the lesion; a cavity open to
the outside or a field of view that cuts one side does pull it.

Points are in millimetres, RAS+: x grows to the patient's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medley.core.errors import MedleyError
from medley.core.labels import SIDE_SHARE
from medley.core.records import Volume

_COARSE_MM = 3.0
_REACH_MM = 15.0  # the plane passes this near the centre of the mask
_SAMPLES = 20_000
_RADIANS = 0.02  # what weighs as much as a millimetre while searching


@dataclass(frozen=True)
class MidPlane:
    """All points p with normal · p = offset_mm; the normal points to the patient's right."""

    normal: tuple[float, float, float]
    offset_mm: float

    def right_mm(self, points_P3: np.ndarray) -> np.ndarray:
        """How far each point lies to the right of the plane, < 0 on the left."""
        return points_P3 @ np.asarray(self.normal) - self.offset_mm

    @property
    def tilt_degrees(self) -> float:
        return float(np.degrees(np.arccos(min(1.0, abs(self.normal[0])))))


def find_midplane(brain: np.ndarray, affine: np.ndarray) -> MidPlane:
    """The plane of a brain mask, bool on any grid whose affine leads to mm. Raises MedleyError for an empty mask."""
    from scipy.ndimage import distance_transform_edt, map_coordinates
    from scipy.optimize import minimize

    sizes = np.sqrt((affine[:3, :3] ** 2).sum(0))
    strides = np.maximum(1, (_COARSE_MM // sizes).astype(int))
    coarse = brain[tuple(slice(int(stride) // 2, None, int(stride)) for stride in strides)]
    to_mm = affine.copy()
    to_mm[:3, 3] = affine[:3, :3] @ (strides // 2) + affine[:3, 3]
    to_mm[:3, :3] = affine[:3, :3] * strides
    places_P3 = np.argwhere(coarse)
    if not len(places_P3):
        raise MedleyError("an empty brain mask has no plane between its halves")
    depth = distance_transform_edt(coarse, sampling=sizes * strides).astype(np.float32)  # mm below the surface
    places_P3 = places_P3[:: max(1, len(places_P3) // _SAMPLES)]
    here_P = depth[tuple(places_P3.T)]
    points_P3 = places_P3 @ to_mm[:3, :3].T + to_mm[:3, 3]
    middle, back = points_P3.mean(0), np.linalg.inv(to_mm)

    def plane(searched: np.ndarray) -> MidPlane:
        shift, yaw, roll = searched * (1, _RADIANS, _RADIANS)
        normal = np.array([1.0, np.tan(yaw), np.tan(roll)])
        normal /= np.linalg.norm(normal)
        offset = float(normal @ (middle + np.array([shift, 0.0, 0.0])))
        return MidPlane((float(normal[0]), float(normal[1]), float(normal[2])), offset)

    def unlike(searched: np.ndarray) -> float:
        tried = plane(searched)
        there_P3 = points_P3 - 2 * tried.right_mm(points_P3)[:, None] * np.asarray(tried.normal)
        there_P = map_coordinates(depth, back[:3, :3] @ there_P3.T + back[:3, 3:], order=1, mode="constant", cval=0.0)
        return float(np.abs(here_P - there_P).mean()) + max(0.0, abs(float(searched[0])) - _REACH_MM)

    start = min(np.linspace(-9, 9, 7), key=lambda shift: unlike(np.array([shift, 0.0, 0.0])))
    simplex = np.array([[start, 0, 0], [start + 2, 0, 0], [start, 4, 0], [start, 0, 4]], float)
    found = minimize(unlike, simplex[0], method="Nelder-Mead", options={"initial_simplex": simplex, "xatol": 0.05})
    return plane(found.x)


def side_shares(lesion: np.ndarray, affine: np.ndarray, plane: MidPlane) -> tuple[float, float]:
    """The lesion's share (left, right) of the plane. `lesion` is bool, or weights, on any grid; (0, 0) where none
    is."""
    places_P3 = np.argwhere(lesion)
    if not len(places_P3):
        return 0.0, 0.0
    weights_P = np.asarray(lesion[tuple(places_P3.T)], float)
    right_P = plane.right_mm(places_P3 @ affine[:3, :3].T + affine[:3, 3]) > 0
    right = float(weights_P[right_P].sum() / weights_P.sum())
    return 1 - right, right


def sides_of(lesion: np.ndarray, affine: np.ndarray, plane: MidPlane) -> str | None:
    """left, right, or bilateral where the smaller side holds 10 % of the lesion or more; None where there is none."""
    left, right = side_shares(lesion, affine, plane)
    if left == right == 0:
        return None
    return "bilateral" if min(left, right) >= SIDE_SHARE else "left" if left > right else "right"


def sides_in(volume: Volume) -> str | None:
    """The side of a volume's `lesion` region, None where it has none. Raises MedleyError where that is not known."""
    if "lesion" not in volume.regions:
        raise MedleyError("this volume does not know where its lesion lies")
    return sides_of(
        volume.regions["lesion"], volume.affine, find_midplane(np.asarray(volume.voxels.any(0)), volume.affine)
    )
