"""Where each voxel of a study lies in the template: pose, individual form, and the push of a tumour.

All is a pull-back: for a point of the image, the MNI point whose tissue it shows. Slow fields are worked out on a
coarse lattice over the image and carried to its voxels by cubic B-splines, which are separable and so cost little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medley.core.seeds import generator
from medley.data.cohorts.brain.plan import Anatomy, Lesion, Pose, Triple
from medley.data.cohorts.brain.template import CENTRE_MM, Array, Template

FIELD_MM = (160.0, 192.0, 192.0)  # of view, at the base size of the voxels: depth, height, width
_SPAN_MM = 216.0  # that random fields cover: more than any field of view
_PUSH_CELL_MM = 7.5
_FORM = ((55.0, 2.4), (24.0, 1.3), (14.0, 0.8))  # blobs of the individual form and how far they bend, mm
_NO_SHIFT_MM, _PLAIN_SHIFT_MM = 1.6, 4.5
_SEPTUM = np.array([[0, y, z] for y in (-8, 0, 8, 16) for z in (8, 14)], np.float32).T  # between the ventricles


@dataclass(frozen=True)
class Grid:
    """The voxels of a study: `shape` (D, H, W) and their size in the same order. The middle is at 0, 0, 0 mm."""

    shape: tuple[int, int, int]
    size_mm: Triple

    def axis_mm(self, axis: int) -> Array:
        """Millimetres of the voxels along an axis."""
        count = self.shape[axis]
        return ((np.arange(count) - (count - 1) / 2) * self.size_mm[axis]).astype(np.float32)


def grid_of(px: int, voxel: float) -> Grid:
    """The grid of a study with `px` voxels across: half as many slices."""
    shape = (px // 2, px, px)
    d, h, w = (voxel * field / count for field, count in zip(FIELD_MM, shape, strict=True))
    return Grid(shape, (d, h, w))


def lattice_axis(span_mm: float, cell_mm: float) -> Array:
    """Millimetres of the control points that a field over `span_mm` needs, the middle one at 0."""
    beyond = int(np.ceil(span_mm / 2 / cell_mm)) + 1
    return (np.arange(-beyond, beyond + 1) * cell_mm).astype(np.float32)


def spread(lattice: Array, cell_mm: float, grid: Grid) -> Array:
    """A lattice [d, h, w] of control points, `cell_mm` apart and centred on the image, as a smooth field over it."""
    d, h, w = (
        _splines(grid.shape[axis], grid.size_mm[axis] / cell_mm, control) for axis, control in enumerate(lattice.shape)
    )
    field = np.tensordot(d, lattice, 1)
    return np.matmul(np.matmul(h, field), w.T)


@lru_cache(maxsize=256)
def _splines(count: int, step: float, control: int) -> Array:
    """[count, control]: weights of cubic B-splines for voxels `step` cells apart."""
    at = (np.arange(count) - (count - 1) / 2) * step + (control - 1) / 2
    gap = np.abs(at[:, None] - np.arange(control)[None, :])
    near = 2 / 3 - gap**2 + gap**3 / 2
    far = np.maximum(2 - gap, 0) ** 3 / 6
    return np.where(gap < 1, near, far).astype(np.float32)


def smooth_noise(rng: np.random.Generator, grid: Grid, cell_mm: float) -> Array:
    """A random field of about unit variance whose blobs are `cell_mm` wide; the same in millimetres on any grid."""
    count = len(lattice_axis(_SPAN_MM, cell_mm))
    lattice = rng.standard_normal((count, count, count), dtype=np.float32)
    return spread(lattice * np.float32(2.9), cell_mm, grid)


@dataclass(frozen=True)
class Push:
    """What a tumour does to its neighbourhood. `points` are MNI; displacements point the way the tissue moves."""

    centre: Array  # [3] of the tumour as it lies in the image
    radius_mm: float
    amount_mm: float
    across: float  # share of it that carries the whole hemisphere across, not only apart
    sign: float  # of x, the way across

    def at(self, points: Array, depth: Array) -> Array:
        """Displacement [3, n] of tissue that lies at `points` [3, n] once pushed; the skull does not yield."""
        away = points - self.centre[:, None]
        distance = np.sqrt((away**2).sum(0))
        rise = np.minimum(distance / self.radius_mm, 1)
        fall = np.exp(-np.maximum(distance - self.radius_mm, 0) / 34)
        held = np.clip((depth + 1) / 12, 0, 1)
        # the falx is stiff, above and behind the callosum most of all
        falx = np.exp(-((points[0] / 14) ** 2)) * np.clip((points[2] - 28) / 20, 0, 1)
        amount = self.amount_mm * held * (1 - 0.75 * falx)
        pushed = (amount * (1 - self.across) * rise * fall / np.maximum(distance, 1)) * away
        pushed[0] += amount * self.across * self.sign * np.exp(-((distance / 60) ** 2))
        return pushed


def push_of(lesion: Lesion, template: Template) -> Push | None:
    """The push of a lesion, so strong that it moves the midline as wanted where the lesion can."""
    if lesion.push_mm == 0:
        return None
    sign = {"left": 1.0, "right": -1.0}.get(lesion.side, 0.0)
    across = 0.45 if lesion.shift_mm else 0.12
    if lesion.lobe in ("cerebellum", "brainstem"):
        across = 0.0
    centre = np.array(lesion.centre, np.float32)
    moved = midline_shift([Push(centre, lesion.radius_mm, 1.0, across, sign)], template)
    most = 0.62 * lesion.radius_mm
    if lesion.shift_mm:
        amount = min(lesion.shift_mm / max(moved, 0.12), most / (1 - across), 20.0)
    if not lesion.shift_mm or amount * moved < _PLAIN_SHIFT_MM:  # a shift is plain, or there is none
        across = min(across, 0.12)
        moved = midline_shift([Push(centre, lesion.radius_mm, 1.0, across, sign)], template)
        amount = min(lesion.push_mm, most, _NO_SHIFT_MM / max(moved, 0.01))
    moved_centre = centre.copy()
    moved_centre[0] += sign * across * amount
    return Push(moved_centre, lesion.radius_mm, amount, across, sign)


def midline_shift(pushes: Sequence[Push], template: Template) -> float:
    """Millimetres by which the septum between the lateral ventricles is moved to either side, at its worst."""
    moved = np.zeros(_SEPTUM.shape, np.float32)
    for push in pushes:
        moved += push.at(_SEPTUM + moved, template.sample(template.depth, _SEPTUM))
    return float(np.abs(moved[0]).max())


def _rotation(turn_deg: Triple) -> Array:
    a, b, c = np.radians(turn_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


@dataclass(frozen=True)
class Placed:
    """Pose and size: image millimetres -> MNI before any deformation, and back."""

    matrix: Array  # [3, 3]
    offset: Array  # [3]

    def to_template(self, x: Array, y: Array, z: Array) -> Array:
        """[3, D, H, W] of the points with these coordinates along W, H and D."""
        rows = [
            m[0] * x[None, None, :] + m[1] * y[None, :, None] + m[2] * z[:, None, None] + o
            for m, o in zip(self.matrix, self.offset, strict=True)
        ]
        return np.stack(rows).astype(np.float32)


def place(anatomy: Anatomy, pose: Pose) -> Placed:
    """How this head lies in the image."""
    matrix = np.diag(1 / np.array(anatomy.scale)) @ _rotation(pose.turn_deg).T
    return Placed(matrix, np.array(CENTRE_MM) - matrix @ np.array(pose.shift_mm))


def pull_back(
    grid: Grid, template: Template, anatomy: Anatomy, pose: Pose, pushes: Sequence[Push], nuisance: float
) -> Array:
    """MNI points whose tissue the voxels show, float32 [3, D, H, W]."""
    placed = place(anatomy, pose)
    points = placed.to_template(grid.axis_mm(2), grid.axis_mm(1), grid.axis_mm(0))
    if pushes:
        spans = [count * size for count, size in zip(grid.shape, grid.size_mm, strict=True)]
        d, h, w = (lattice_axis(span, _PUSH_CELL_MM) for span in spans)
        coarse = placed.to_template(w, h, d)
        at = coarse.reshape(3, -1)
        for push in pushes:
            at = at - push.at(at, template.sample(template.depth, at))
        moved = at.reshape(coarse.shape) - coarse
        points += np.stack([spread(part, _PUSH_CELL_MM, grid) for part in moved])
    rng = generator(anatomy.key, "form")
    midline = 1 - 0.8 * np.exp(-((points[0] / 24) ** 2))  # it is nearly straight in health
    for axis in range(3):
        for cell_mm, amount_mm in _FORM:
            bend = smooth_noise(rng, grid, cell_mm) * np.float32(amount_mm * nuisance)
            points[axis] += bend * midline if axis == 0 else bend
    return points
