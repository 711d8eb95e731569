"""What an affine says: the size of a voxel, which way the axes run, how oblique they are.

Millimetres are of RAS+ world space: x to the patient's right, y to the front, z up.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))  # of x, y, z: where the axis comes from, where it goes
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def voxel_mm(affine: np.ndarray) -> np.ndarray:
    """Size of a voxel along each axis of the array."""
    return np.sqrt((affine[:3, :3] ** 2).sum(0))


def extent_mm(affine: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Length of the field of view along each axis of the array."""
    return voxel_mm(affine) * np.asarray(shape)


def _nearest_axes(affine: np.ndarray) -> list[tuple[int, int]]:
    """(axis of the world, sign) for each axis of the array, each world axis once, the clearest first."""
    cosines = affine[:3, :3] / voxel_mm(affine)
    left, out = np.abs(cosines), [(0, 1)] * 3
    for _ in range(3):
        world, array = np.unravel_index(np.argmax(left), (3, 3))
        out[int(array)] = (int(world), 1 if cosines[world, array] >= 0 else -1)
        left[world], left[:, array] = -1, -1
    return out


def axis_codes(affine: np.ndarray) -> str:
    """Where the axes of the array go, nearest: `RAS` for right, front, up; `LPS` as DICOM and BraTS store."""
    return "".join(_LETTERS[world][sign > 0] for world, sign in _nearest_axes(affine))


def ends(affine: np.ndarray) -> tuple[tuple[str, str], ...]:
    """For each axis of the array, the letters of its beginning and its end."""
    nearest = _nearest_axes(affine)
    return tuple(_LETTERS[world] if sign > 0 else _LETTERS[world][::-1] for world, sign in nearest)


def oblique_degrees(affine: np.ndarray) -> float:
    """The largest angle between an axis of the array and the world axis that it is nearest to."""
    cosines = np.abs(affine[:3, :3] / voxel_mm(affine))
    nearest = [cosines[world, array] for array, (world, _) in enumerate(_nearest_axes(affine))]
    return float(np.degrees(np.arccos(np.clip(min(nearest), -1, 1))))


def same_place(one: np.ndarray, other: np.ndarray, mm: float = 1e-3) -> bool:
    """Whether two affines put their first voxels, out to index 256, to the same millimetres."""
    corners = np.array([[0, 0, 0, 1], [256, 0, 0, 1], [0, 256, 0, 1], [0, 0, 256, 1]], float).T
    return bool(np.abs((one - other) @ corners).max() <= mm)


def rotations() -> list[np.ndarray]:
    """The 24 ways of turning a cube, 4 x 4; the first turns nothing."""
    found = []
    for order in ((0, 1, 2), (1, 2, 0), (2, 0, 1), (0, 2, 1), (2, 1, 0), (1, 0, 2)):
        for signs in (
            (1, 1, 1),
            (1, -1, -1),
            (-1, 1, -1),
            (-1, -1, 1),
            (-1, -1, -1),
            (-1, 1, 1),
            (1, -1, 1),
            (1, 1, -1),
        ):
            turn = np.zeros((4, 4))
            turn[3, 3] = 1
            for row, (column, sign) in enumerate(zip(order, signs, strict=True)):
                turn[row, column] = sign
            if np.linalg.det(turn[:3, :3]) > 0:
                found.append(turn)
    return found
