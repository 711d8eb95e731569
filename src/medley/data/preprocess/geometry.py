"""From a film to the square that models read, and back: aspect kept, antialiased, padded with air, centred.

Pixels are quantised once, at the end of `fit`.
"""

from __future__ import annotations

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Placement


def place(height: int, width: int, px: int) -> Placement:
    """Where a film of `height` x `width` lies on a square of `px`: the longer side fills it, the rest is padding."""
    if px < 1:
        raise MedleyError(f"px is {px}; a film has a side of at least 1 pixel")
    scale = px / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    return Placement(height, width, px, scale, (px - inner_height) // 2, (px - inner_width) // 2)


def inner_size(placement: Placement) -> tuple[int, int]:
    """Height and width in pixels of the film itself on its square."""
    scale = placement.scale
    return max(1, round(placement.height * scale)), max(1, round(placement.width * scale))


def fit(pixels: np.ndarray, px: int) -> tuple[np.ndarray, Placement]:
    """float [H, W] in [0, 1] -> uint8 [px, px] and its placement: aspect kept, antialiased, padded with 0, centred."""
    placement = place(pixels.shape[0], pixels.shape[1], px)
    height, width = inner_size(placement)
    square = np.zeros((px, px), np.uint8)
    top, left = placement.top, placement.left
    square[top : top + height, left : left + width] = np.rint(resize(pixels, height, width).clip(0, 1) * 255)
    return square, placement


def unfit(map_px: np.ndarray, placement: Placement) -> np.ndarray:
    """A map over the square -> float32 [H, W] over the original film. A coarser map is first scaled to [px, px]."""
    if map_px.ndim != 2 or map_px.shape[0] != map_px.shape[1]:
        raise MedleyError(f"a map over a film is a square [px, px]; this one is {list(map_px.shape)}")
    if map_px.shape[0] != placement.px:
        map_px = resize(map_px, placement.px, placement.px)
    (height, width), top, left = inner_size(placement), placement.top, placement.left
    return resize(map_px[top : top + height, left : left + width], placement.height, placement.width)


def place_box(box: tuple[float, float, float, float], placement: Placement) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) in pixels of the original film -> in pixels of the square."""
    x_scale, y_scale = _scales(placement)
    left, top = placement.left, placement.top
    return (box[0] * x_scale + left, box[1] * y_scale + top, box[2] * x_scale + left, box[3] * y_scale + top)


def unplace_box(box: tuple[float, float, float, float], placement: Placement) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) in pixels of the square -> in pixels of the original film, cut off at its edges."""
    x_scale, y_scale = _scales(placement)
    xs = [min(max((x - placement.left) / x_scale, 0.0), float(placement.width)) for x in (box[0], box[2])]
    ys = [min(max((y - placement.top) / y_scale, 0.0), float(placement.height)) for y in (box[1], box[3])]
    return (xs[0], ys[0], xs[1], ys[1])


def _scales(placement: Placement) -> tuple[float, float]:
    height, width = inner_size(placement)
    return width / placement.width, height / placement.height


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, with the filter widened when shrinking (antialiased); never overshoots. float32 [height, width]."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
