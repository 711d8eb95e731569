"""The three middle slices of each sequence, as stored and on the grid: one row a sequence, letters at the edges.

Image-left is the patient's left on the grid (neurological); a stored slice is drawn in the order of its indices, with
the letters that its affine gives: where letters and anatomy disagree, the header is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medley.core.records import Volume
from medley.data.preprocess.volume.orient import ends, voxel_mm
from medley.data.preprocess.volume.raw import RawVolume

_PX_PER_MM = 1.0
_TILE_PX = 200
_GAP_PX, _HEAD_PX = 4, 16
_PLANES = ((0, 1), (0, 2), (1, 2))  # of x, y, z: what goes right and what goes up: axial, coronal, sagittal


def slices_picture(raws: Mapping[str, RawVolume], volume: Volume, title: str) -> Any:
    """A PIL image: before (3 tiles) and after (3 tiles) for each sequence."""
    from PIL import Image, ImageDraw

    centre = (volume.affine @ [*(np.array(volume.voxels.shape[1:]) - 1) / 2, 1])[:3]
    rows = []
    for place, (name, raw) in enumerate(raws.items()):
        before = _stored_tiles(raw, centre)
        after = _grid_tiles(volume.voxels[place], voxel_mm(volume.affine))
        rows.append((name, before + after))
    side = _TILE_PX + _GAP_PX
    picture = Image.new("L", (6 * side + 4 * _GAP_PX, _HEAD_PX + len(rows) * (side + _HEAD_PX)), 0)
    pen = ImageDraw.Draw(picture)
    pen.text((2, 2), title, 255)
    for row, (name, tiles) in enumerate(rows):
        top = _HEAD_PX + row * (side + _HEAD_PX)
        pen.text((2, top + 1), f"{name}: as stored", 200)
        pen.text((3 * side + 4 * _GAP_PX, top + 1), f"{name}: on the grid", 200)
        for column, (pixels, letters) in enumerate(tiles):
            left = column * side + (4 * _GAP_PX if column >= 3 else 0)
            _paste(picture, pen, pixels, letters, left, top + _HEAD_PX - 2)
    return picture


def _stored_tiles(raw: RawVolume, centre_mm: np.ndarray) -> list[tuple[np.ndarray, tuple[str, str, str, str]]]:
    """Planes of the array's own axes through the middle of the grid."""
    index = np.rint(np.linalg.inv(raw.affine) @ [*centre_mm, 1])[:3].astype(int)
    index = index.clip(0, np.array(raw.values.shape) - 1)
    sizes, letters = voxel_mm(raw.affine), ends(raw.affine)
    low, high = np.percentile(raw.values, (1, 99.5))
    grey = ((raw.values - low) / max(high - low, 1e-6)).clip(0, 1)
    tiles = []
    for right, up in _PLANES:
        through = 3 - right - up
        plane = grey.take(index[through], through)
        said = (*letters[right], *letters[up])
        tiles.append((_upright(plane, sizes[right], sizes[up]), said))
    return tiles


def _grid_tiles(voxels: np.ndarray, sizes: np.ndarray) -> list[tuple[np.ndarray, tuple[str, str, str, str]]]:
    patient = voxels.transpose(2, 1, 0)  # x, y, z
    mm = sizes[::-1]
    letters = (("L", "R"), ("P", "A"), ("I", "S"))
    tiles = []
    for right, up in _PLANES:
        through = 3 - right - up
        plane = patient.take(patient.shape[through] // 2, through) / 255
        tiles.append((_upright(plane, mm[right], mm[up]), (*letters[right], *letters[up])))
    return tiles


def _upright(plane: np.ndarray, right_mm: float, up_mm: float) -> np.ndarray:
    """[right, up] in [0, 1] -> uint8 picture of 1 mm pixels, no larger than a tile, `up` upwards."""
    from medley.data.preprocess.geometry import resize

    height, width = plane.shape[1] * up_mm * _PX_PER_MM, plane.shape[0] * right_mm * _PX_PER_MM
    scale = min(1.0, _TILE_PX / max(height, width))
    picture = resize(plane.T[::-1], max(1, round(height * scale)), max(1, round(width * scale)))
    return np.rint(picture * 255).astype(np.uint8)


def _paste(picture: Any, pen: Any, pixels: np.ndarray, letters: tuple[str, str, str, str], left: int, top: int) -> None:
    from PIL import Image

    height, width = pixels.shape
    x, y = left + (_TILE_PX - width) // 2, top + (_TILE_PX - height) // 2
    picture.paste(Image.fromarray(pixels), (x, y))
    middle_x, middle_y = left + _TILE_PX // 2, top + _TILE_PX // 2
    begin, end, bottom, above = letters
    pen.text((left + 2, middle_y - 5), begin, 255)
    pen.text((left + _TILE_PX - 8, middle_y - 5), end, 255)
    pen.text((middle_x - 3, top + _TILE_PX - 12), bottom, 255)
    pen.text((middle_x - 3, top + 1), above, 255)
