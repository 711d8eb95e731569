"""What one file of a brain study is, apart from the brain in it: where it lies, how it is stored, what is around it.

These are the features of the question "which dataset is it?". A lesion must not answer it, so each is one that a lesion
can hardly change, and none is a quantile of the brain's own intensities, its brightest parts above all:

    grid         voxels, voxel sizes, axes, tilt, place in the scanner's space: of the header alone
    storage      `header.FIELDS`; whether values are whole numbers, below zero, how many grey values are in use
    background   its value, its noise, its share of the file, how much of it lies beyond the head at each face
    outline      how bright the outermost voxels are: how tightly a skull was stripped, or that it was not
    scale        the median of what is no background, as a power of ten, in halves: 8 bits or 12 or z-scores
    grain        how much neighbours differ along each axis, the median of all: interpolated slices, smoothing

Medians over the whole head, rounded where they need be: a lesion of a tenth of the brain moves them by less than scans
differ. docs/brain_mri.md has what was measured on brains that were drawn twice, with their lesions and without.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medley.data.preprocess.volume.orient import axis_codes, oblique_degrees, voxel_mm
from medley.data.preprocess.volume.raw import RawVolume

if TYPE_CHECKING:
    from medley.data.checks.volumes.study import StudyFacts

THUMB = 32  # voxels along each axis of the thumbnail
_FAINT = 0.003  # of the range: what resampling leaves in the background
_NOISE_SDS = 5.0  # above it, in a background that is not one value, there is something
_SLICE_SHARE = 0.02  # of what the fullest slice holds: with less, a slice is padding
_SIDES = (("left", "right"), ("back", "front"), ("bottom", "top"))
_GRAIN_STEP = 3  # every third voxel tells a median
_GREYS = 200_000  # voxels whose values are counted


@dataclass(frozen=True, eq=False)
class VolumeFacts:
    """One file. `shape` and `size_mm` are in the order x, y, z of the patient; `axes` as stored.

    `features` are the probe's, by name; `thumb` is uint8 [32, 32, 32] of the content, x, y, z, brightness in ranks.
    The first readable file of a study carries `study`.
    """

    shape: tuple[int, int, int]
    size_mm: tuple[float, float, float]
    axes: str
    oblique_degrees: float
    identity: bool
    features: Mapping[str, float]
    thumb: np.ndarray
    warnings: tuple[str, ...] = ()
    study: StudyFacts | None = None


def facts_of(raw: RawVolume, stored: Mapping[str, float]) -> tuple[VolumeFacts, str]:
    """The facts of one file, and a digest of its voxels that storage and the order of axes do not change."""
    values = _along_the_patient(raw.values, raw.affine)
    sizes = voxel_mm(_turned_affine(raw))
    digest = hashlib.sha256(f"{values.shape}".encode() + values.tobytes()).hexdigest()
    around = _around(values)
    facts = VolumeFacts(
        shape=(values.shape[0], values.shape[1], values.shape[2]),
        size_mm=(float(sizes[0]), float(sizes[1]), float(sizes[2])),
        axes=axis_codes(raw.affine),
        oblique_degrees=oblique_degrees(raw.affine),
        identity=_is_identity(raw.affine),
        features={
            **_grid(raw, values.shape, sizes),
            **stored,
            **_kinds(values, around),
            **_background(values, around),
            **_outline(values, around),
        },
        thumb=_thumbnail(values, around),
        warnings=raw.warnings,
    )
    return facts, digest


@dataclass(frozen=True, eq=False)
class _Around:
    """Where something is: bool [x, y, z]; the background's value and noise; the median of what differs from it."""

    inside: np.ndarray
    value: float
    noise: float
    level: float
    faces: np.ndarray


def _turned_affine(raw: RawVolume) -> np.ndarray:
    from nibabel import orientations

    turn = orientations.io_orientation(raw.affine)
    return raw.affine @ orientations.inv_ornt_aff(turn, raw.values.shape)


def _along_the_patient(values: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The axes in the order left to right, back to front, bottom to top, as nearly as the grid has them."""
    from nibabel import orientations

    turned = orientations.apply_orientation(values, orientations.io_orientation(affine))
    return np.ascontiguousarray(turned, np.float32) + np.float32(0)  # -0 and 0 are one value, and one digest


def _is_identity(affine: np.ndarray) -> bool:
    """The affine of a file whose orientation was lost: voxels of 1 mm, the origin in the first of them."""
    return bool(np.allclose(np.abs(affine), np.eye(4), atol=1e-6))


def _around(values: np.ndarray) -> _Around:
    faces = np.concatenate([values.take(at, axis).ravel() for axis in range(3) for at in (0, -1)])
    kinds, counts = np.unique(faces, return_counts=True)
    flat = counts.max() > faces.size / 2
    value = float(kinds[np.argmax(counts)]) if flat else float(np.median(faces))
    noise = 0.0 if flat else 1.4826 * float(np.median(np.abs(faces - value)))
    span = float(np.abs(np.percentile(values[::2, ::2, ::2], (0.1, 99.9)) - value).max())
    inside = np.abs(values - value) > max(_FAINT * span, _NOISE_SDS * noise)
    if not inside.any():  # noise and nothing else: then all of it is what there is
        inside = np.ones(values.shape, bool)
    level = float(np.median(np.abs(values[inside] - value)))
    return _Around(inside, value, noise, level or span or 1.0, faces)


def _grid(raw: RawVolume, shape: tuple[int, ...], sizes: np.ndarray) -> dict[str, float]:
    middle = raw.affine @ [*(np.array(raw.values.shape) - 1) / 2, 1]
    axes = axis_codes(raw.affine)
    return {
        **{f"voxels along {axis} (log2)": float(np.log2(side)) for axis, side in zip("xyz", shape, strict=True)},
        **{f"voxel size along {axis} (log2 mm)": float(np.log2(mm)) for axis, mm in zip("xyz", sizes, strict=True)},
        **{f"stored towards {letter}": float(letter in axes) for letter in "RAS"},
        "stored in the order x, y, z": float([_WORLD[letter] for letter in axes] == [0, 1, 2]),
        "tilt in degrees": oblique_degrees(raw.affine),
        "identity affine": float(_is_identity(raw.affine)),
        **{f"middle along {axis} (mm)": float(mm) for axis, mm in zip("xyz", middle[:3], strict=True)},
    }


_WORLD = {"L": 0, "R": 0, "P": 1, "A": 1, "I": 2, "S": 2}


def _kinds(values: np.ndarray, around: _Around) -> dict[str, float]:
    seen = values[around.inside]
    seen = seen[:: max(1, seen.size // _GREYS)]
    usual = seen[np.abs(np.abs(seen - around.value) - around.level) < around.level / 2]  # no lesion's own brightness
    return {
        "share of whole numbers": float((seen == np.rint(seen)).mean()),
        "values below zero": float((values < 0).mean() > 1e-3),
        "grey values in use (log2)": float(np.log2(max(1, len(np.unique(usual))))),
        "scale (log10, in halves)": float(np.rint(2 * np.log10(around.level)) / 2),
    }


def _background(values: np.ndarray, around: _Around) -> dict[str, float]:
    level = around.level
    low, usual, high = np.percentile(around.faces, (5, 50, 95))
    out = {
        "share of background": 1 - float(around.inside.mean()),
        "share of zeros": float((values == 0).mean()),
        "background's value": float(np.clip(around.value / level, -5, 5)),
        "background's noise": around.noise / level,
        "faces, 5th percentile": float(np.clip((low - around.value) / level, -5, 5)),
        "faces, median": float(np.clip((usual - around.value) / level, -5, 5)),
        "faces, 95th percentile": float(np.clip((high - around.value) / level, -5, 5)),
    }
    for axis, names in enumerate(_SIDES):
        filled = _filled(around.inside, axis)
        for name, line in zip(names, (filled, filled[::-1]), strict=True):
            out[f"padding at the {name}"] = float(np.argmax(line)) / line.size
    return out


def _filled(inside: np.ndarray, axis: int) -> np.ndarray:
    """Which slices along an axis are no padding; of something, at least one is. More padding changes nothing."""
    count = inside.sum(tuple(other for other in range(3) if other != axis))
    return count > _SLICE_SHARE * count.max()


def _outline(values: np.ndarray, around: _Around) -> dict[str, float]:
    """The outermost voxels of each line through the head, and how much neighbours within it differ."""
    edge = []
    grain = {}
    for axis, name in enumerate("xyz"):
        lines, bright = np.moveaxis(around.inside, axis, 0), np.moveaxis(values, axis, 0)
        hit = lines.any(0)
        for place in (lines.argmax(0), len(lines) - 1 - lines[::-1].argmax(0)):
            edge.append(np.take_along_axis(bright, place[None], 0)[0][hit])
        step = _GRAIN_STEP
        both = lines[1::step] & lines[:-1:step]
        apart = np.abs(bright[1::step] - bright[:-1:step])[both]
        grain[name] = float(np.median(apart)) / around.level if apart.size else 0.0
    usual = max(float(np.mean(list(grain.values()))), 1e-6)
    outermost = np.abs(np.concatenate(edge) - around.value)
    return {
        "brightness of the outermost voxels": float(np.median(outermost)) / around.level,
        **{f"grain along {name}, of the mean": value / usual for name, value in grain.items()},
        "grain (log2)": float(np.log2(usual)),
    }


def _thumbnail(values: np.ndarray, around: _Around) -> np.ndarray:
    """uint8 [32, 32, 32]: means over the box of what is there, in mid-ranks of what is no background (0)."""
    box = []
    for axis in range(3):
        places = np.flatnonzero(_filled(around.inside, axis))
        box.append(slice(int(places[0]), int(places[-1]) + 1))
    small = np.where(around.inside, values, np.float32(around.value))[tuple(box)]
    there = around.inside[tuple(box)].astype(np.float32)
    for axis in range(3):
        small, there = _shrunk(small, axis), _shrunk(there, axis)
    seen = there > 0.5
    out = np.zeros(small.shape, np.uint8)
    if seen.any():
        from scipy.stats import rankdata

        out[seen] = np.rint(1 + 254 * (rankdata(small[seen]) - 0.5) / seen.sum()).astype(np.uint8)
    return out


def _shrunk(values: np.ndarray, axis: int) -> np.ndarray:
    """THUMB means along one axis, each of an equal length of it; a voxel that lies in two counts for its share."""
    size = values.shape[axis]
    edges, voxels = np.linspace(0, size, THUMB + 1), np.arange(size)
    ends = np.minimum(edges[1:, None], voxels + 1) - np.maximum(edges[:-1, None], voxels)
    weights = (ends.clip(0) * THUMB / size).astype(np.float32)
    return np.moveaxis(np.tensordot(weights, values, (1, axis)), 0, axis)
