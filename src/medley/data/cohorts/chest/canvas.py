"""Where a film is drawn: a grid of pixels that knows its centimetres, and strokes that end up antialiased on it.

Patient frame (frontal): x_cm to the right of the image, so +x is the patient's LEFT; y_cm downwards from the lung apex.
Everything is float32 and of shape [px, px].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw
from scipy import ndimage

Array = np.ndarray
Points = ArrayLike  # [n, 2]: x and y in cm

_Y0, _Y_STEP, _Y_COUNT = -20.0, 0.05, 1400  # the fine axis on which functions of y are tabulated, cm


class Grid:
    """Pixel centres of a square film in the patient frame, turned by `tilt_deg`, bent by a scoliosis of `bend_cm`."""

    def __init__(self, px: int, field_cm: float, centre_cm: tuple[float, float], tilt_deg: float, bend_cm: float):
        self.px, self.pitch_cm, self.centre_cm = px, field_cm / px, centre_cm
        self._cos, self._sin = math.cos(math.radians(tilt_deg)), math.sin(math.radians(tilt_deg))
        self.bend_cm = bend_cm
        offsets = ((np.arange(px) + 0.5 - px / 2) * self.pitch_cm).astype(np.float32)
        right, down = offsets[None, :], offsets[:, None]
        self.y = self._cos * down - self._sin * right + np.float32(centre_cm[1])
        self._row = np.clip((self.y - _Y0) / _Y_STEP, 0, _Y_COUNT - 1).astype(np.int32)
        axis = _Y0 + _Y_STEP * np.arange(_Y_COUNT)
        bend = (bend_cm * np.sin(np.pi * axis / 30)).astype(np.float32)
        self.x = self._cos * right + self._sin * down + np.float32(centre_cm[0]) - bend[self._row]

    @cached_property
    def abs_x(self) -> Array:
        return np.abs(self.x)

    def of_y(self, knots: Sequence[tuple[float, float]], smooth_cm: float = 1.5) -> Array:
        """The function of y through (y_cm, value) knots, its corners rounded over `smooth_cm`."""
        axis = _Y0 + _Y_STEP * np.arange(_Y_COUNT)
        ys, values = zip(*knots, strict=True)
        table = np.interp(axis, ys, values)
        width = max(1, round(smooth_cm / _Y_STEP))
        for _ in range(2):
            table = ndimage.uniform_filter1d(table, width, mode="nearest")
        return table.astype(np.float32)[self._row]

    def pixels(self, points_cm: Points) -> Array:
        """Points [..., 2] of the patient frame as (column, row) in pixels, [n, 2]."""
        points = np.asarray(points_cm, np.float64).reshape(-1, 2)
        x = points[:, 0] + self.bend_cm * np.sin(np.pi * points[:, 1] / 30) - self.centre_cm[0]
        y = points[:, 1] - self.centre_cm[1]
        out = np.empty_like(points)
        out[:, 0] = self._cos * x - self._sin * y
        out[:, 1] = self._sin * x + self._cos * y
        return out / self.pitch_cm + self.px / 2

    def zeros(self) -> Array:
        return np.zeros((self.px, self.px), np.float32)


class Strokes:
    """Polygons, lines and discs on a canvas three times as fine; later strokes cover earlier ones. Values in [0, 1]."""

    SCALE = 3

    def __init__(self, grid: Grid):
        self.grid = grid
        self._image = Image.new("L", (grid.px * self.SCALE, grid.px * self.SCALE))
        self._draw = ImageDraw.Draw(self._image)

    def _fine(self, points_cm: Points) -> list[tuple[float, float]]:
        return [(x, y) for x, y in (self.grid.pixels(points_cm) * self.SCALE).tolist()]

    def polygon(self, points_cm: Points, value: float = 1.0) -> None:
        self._draw.polygon(self._fine(points_cm), fill=_grey(value))

    def line(self, points_cm: Points, width_cm: float, value: float = 1.0, min_px: float = 0.0) -> None:
        width = max(width_cm / self.grid.pitch_cm, min_px) * self.SCALE
        joint = "curve" if width > 4 else None
        self._draw.line(self._fine(points_cm), fill=_grey(value), width=max(1, round(width)), joint=joint)

    def lines(self, courses_cm: Array, widths_cm: Array, values: Array) -> None:
        """Many lines of equally many points, [n, k, 2], with a width and a value each."""
        fine = (self.grid.pixels(courses_cm) * self.SCALE).reshape(len(courses_cm), -1).tolist()
        widths = np.maximum(np.rint(widths_cm / self.grid.pitch_cm * self.SCALE), 1).astype(int).tolist()
        for course, width, value in zip(fine, widths, values.tolist(), strict=True):
            self._draw.line(course, fill=_grey(value), width=width)

    def disc(self, centre_cm: ArrayLike, radius_cm: float, value: float = 1.0) -> None:
        ((x, y),) = self._fine(centre_cm)
        r = radius_cm / self.grid.pitch_cm * self.SCALE
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=_grey(value))

    def array(self, blur_cm: float = 0.0) -> Array:
        coverage = np.asarray(self._image.reduce(self.SCALE), np.float32) / 255
        return blur(coverage, blur_cm / self.grid.pitch_cm) if blur_cm else coverage


def _grey(value: float) -> int:
    return max(0, min(255, round(255 * value)))


def blur(field: Array, sigma_px: float) -> Array:
    """Gaussian blur; wide ones are done on a coarser copy, which looks the same and costs a tenth."""
    if sigma_px <= 0.2:
        return field
    if sigma_px < 6:
        return ndimage.gaussian_filter(field, sigma_px, mode="nearest", truncate=3.0)
    step = int(sigma_px // 3)
    size = max(8, field.shape[0] // step)
    coarse = resize(field, size, Image.Resampling.BOX)
    coarse = ndimage.gaussian_filter(coarse, sigma_px * size / field.shape[0], mode="nearest")
    return resize(coarse, field.shape[0], Image.Resampling.BICUBIC)


def resize(field: Array, px: int, how: Image.Resampling) -> Array:
    """A float32 field resampled to [px, px]."""
    return np.asarray(Image.fromarray(field.astype(np.float32)).resize((px, px), how))


def smooth_noise(rng: np.random.Generator, grid: Grid, cell_cm: float) -> Array:
    """Random field of about unit variance whose blobs are `cell_cm` wide."""
    cells = max(3, math.ceil(grid.px * grid.pitch_cm / cell_cm) + 1)
    coarse = rng.standard_normal((cells, cells), dtype=np.float32)
    return resize(coarse, grid.px, Image.Resampling.BICUBIC)


def ramp(field: Array, width: float) -> Array:
    """0 below -width/2, 1 above +width/2, straight between: an edge of that width at field = 0."""
    return np.clip(field / width + 0.5, 0, 1)


def ellipsoid_squared(grid: Grid, centre: Sequence[float], half: Sequence[float], turn_deg: float = 0.0) -> Array:
    """Squared length (cm2) of the ray through an ellipsoid of half axes (a, b, depth), turned in the film's plane."""
    dx, dy = grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])
    if turn_deg:
        c, s = np.float32(math.cos(math.radians(turn_deg))), np.float32(math.sin(math.radians(turn_deg)))
        dx, dy = c * dx + s * dy, c * dy - s * dx
    rest = 1 - (dx / np.float32(half[0])) ** 2 - (dy / np.float32(half[1])) ** 2
    return np.maximum(rest, 0) * np.float32(4 * half[2] ** 2)
