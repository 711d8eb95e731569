"""Augmentation of films: drawn, then applied; so a draw can be recorded, replayed, and laid on a mask as well.

Films are turned, shifted and scaled a little, and their exposure, noise and sharpness vary as between machines. They
are never mirrored: the side of a finding, the heart's place and the marker on the film mean something, and a label or
report that names a side would become a lie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from medley.core.seeds import generator

MAX_ROTATION_DEGREES = 10.0
MAX_SHIFT = 0.08  # of the side
MAX_SCALE = 0.08
MAX_LOG_GAMMA = 0.25
MAX_CONTRAST = 0.15
MAX_BRIGHTNESS = 0.08  # of the grey scale
MAX_NOISE = 0.02
BLUR_PROBABILITY = 0.15


@dataclass(frozen=True)
class Augmentation:
    """One draw. Shifts are fractions of the side, positive to the right and down; rotation is anticlockwise."""

    rotation_degrees: float = 0.0
    shift_x: float = 0.0
    shift_y: float = 0.0
    scale: float = 1.0
    gamma: float = 1.0
    contrast: float = 1.0
    brightness: float = 0.0
    noise: float = 0.0  # standard deviation, in grey scale [0, 1]
    noise_key: int = 0
    blur: bool = False  # binomial 3 x 3


def draw(rng: np.random.Generator) -> Augmentation:
    """One draw of `rng`, which the caller keys by (seed, epoch, case)."""
    rotation, shift_x, shift_y, scale, gamma, contrast, brightness = rng.uniform(-1, 1, 7).tolist()
    return Augmentation(
        rotation_degrees=rotation * MAX_ROTATION_DEGREES,
        shift_x=shift_x * MAX_SHIFT,
        shift_y=shift_y * MAX_SHIFT,
        scale=1 + scale * MAX_SCALE,
        gamma=math.exp(gamma * MAX_LOG_GAMMA),
        contrast=1 + contrast * MAX_CONTRAST,
        brightness=brightness * MAX_BRIGHTNESS,
        noise=float(rng.uniform(0, MAX_NOISE)),
        noise_key=int(rng.integers(2**32)),
        blur=bool(rng.random() < BLUR_PROBABILITY),
    )


def apply(augmentation: Augmentation, pixels: np.ndarray) -> np.ndarray:
    """uint8 [px, px] -> uint8 [px, px]: moved (bilinear, black beyond the edge), blurred, regraded, noised."""
    from PIL import Image, ImageFilter

    moved = _move(augmentation, pixels, Image.Resampling.BILINEAR)
    if augmentation.blur:
        moved = moved.filter(ImageFilter.Kernel((3, 3), (1, 2, 1, 2, 4, 2, 1, 2, 1)))
    out = _curve(augmentation)[np.asarray(moved)]
    if augmentation.noise > 0:
        noise = generator("film noise", augmentation.noise_key).standard_normal(out.shape, dtype=np.float32)
        noise *= 255 * augmentation.noise
        noise += out
        np.rint(noise, out=noise)
        out = noise.clip(0, 255, out=noise).astype(np.uint8)
    return out


def apply_mask(augmentation: Augmentation, mask: np.ndarray) -> np.ndarray:
    """A mask [px, px] (bool or uint8 classes) moved as its film was, nearest neighbour; same dtype."""
    from PIL import Image

    moved = np.asarray(_move(augmentation, mask.astype(np.uint8), Image.Resampling.NEAREST))
    return moved.astype(mask.dtype)


def augment(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw and apply: uint8 [px, px] -> uint8 [px, px]."""
    return apply(draw(rng), pixels)


def _move(augmentation: Augmentation, pixels: np.ndarray, resampling: int):
    """About the middle. Pillow asks, for each pixel of the output, where it comes from: the inverse map."""
    from PIL import Image

    image = Image.fromarray(pixels)
    width, height = image.size
    angle = math.radians(augmentation.rotation_degrees)
    cos, sin = math.cos(angle) / augmentation.scale, math.sin(angle) / augmentation.scale
    x0, y0 = width / 2, height / 2
    x1, y1 = x0 + augmentation.shift_x * width, y0 + augmentation.shift_y * height
    matrix = (cos, -sin, x0 - cos * x1 + sin * y1, sin, cos, y0 - sin * x1 - cos * y1)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resampling)


def _curve(augmentation: Augmentation) -> np.ndarray:
    """Gamma, contrast about the middle grey and brightness as one table of 256 values. Black stays black: it is air
    or padding, and a lifted frame would tell an augmented film from a plain one."""
    grey = np.linspace(0, 1, 256) ** augmentation.gamma
    curve = (grey - 0.5) * augmentation.contrast + 0.5 + augmentation.brightness
    curve[0] = 0
    return np.rint(curve.clip(0, 1) * 255).astype(np.uint8)
