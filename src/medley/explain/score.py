"""Maps against known lesions: does the peak lie in it, how much of the map lies in it, how well do the two overlap.

    pointing_game  the map's maximum lies in the lesion or within 3 % of the film's side of it (Zhang et al. 2016: 15 px
                   of about 500); maxima that tie count by their share, so that an even map scores what chance scores
    pointing_game_exact   the same without the tolerance, which thin lesions live by
    mass_in_mask   share of the map's sum that lies in the lesion
    iou            overlap with the map cut at a share of its range; the share is chosen on dev

How lesions are averaged is in `averages.py`, what stands beside the scores in `floors.py`.

Everything is measured on a square of 128 pixels, whatever the model reads. Shapes: P lesions, X pixels of that square
in a row, M maps (one a lesion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.errors import MedleyError
from medley.explain.attention import upsample
from medley.explain.averages import macro

SQUARE_PX = 128
TOLERANCE = 0.03  # of the side
CUTS = tuple(round(0.05 * step, 2) for step in range(2, 19))  # 0.1 ... 0.9, what iou chooses from
METRICS = ("pointing_game", "pointing_game_exact", "mass_in_mask", "iou")


@dataclass(frozen=True)
class Marks:
    """P lesions of focal and other labels, as they are scored."""

    case_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    labels: tuple[str, ...]
    masks_PX: np.ndarray  # bool
    near_PX: np.ndarray  # bool: within the tolerance of the mask

    def __len__(self) -> int:
        return len(self.labels)


def marks(rows: Sequence[tuple[str, str, str, np.ndarray]]) -> Marks:
    """From (case_id, patient_id, label, mask bool [128, 128]) of each lesion. Raises MedleyError for an empty mask."""
    from scipy.ndimage import distance_transform_edt

    masks, near = [], []
    for case_id, _, label, mask in rows:
        if mask.shape != (SQUARE_PX, SQUARE_PX) or not mask.any():
            raise MedleyError(f"case '{case_id}': the mask of {label} is empty or not {SQUARE_PX} x {SQUARE_PX}")
        masks.append(mask.ravel())
        near.append((distance_transform_edt(~mask) <= TOLERANCE * SQUARE_PX).ravel())
    empty = np.zeros((0, SQUARE_PX**2), bool)
    return Marks(
        case_ids=tuple(row[0] for row in rows),
        patient_ids=tuple(row[1] for row in rows),
        labels=tuple(row[2] for row in rows),
        masks_PX=np.stack(masks) if rows else empty,
        near_PX=np.stack(near) if rows else empty,
    )


@dataclass(frozen=True)
class Read:
    """Maps made comparable: where each peaks, how its sum is spread, and its range from 0 to 1."""

    peaks_MX: np.ndarray  # 1 at the maximum, 1 / n where n pixels tie
    mass_MX: np.ndarray  # sums to 1; an empty map is even
    range_MX: np.ndarray  # 0 lowest, 1 highest; an even map is 0


def read_maps(maps: Sequence[np.ndarray]) -> Read:
    """Maps [h, w] of the whole square, none of them negative, of any grid. Raises MedleyError for nan and negatives."""
    flat_MX = np.empty((len(maps), SQUARE_PX**2), np.float32)
    for m, one in enumerate(maps):
        if not np.isfinite(one).all() or (np.asarray(one) < 0).any():
            raise MedleyError(f"map {m} of {len(maps)} holds nan, infinity or negative numbers: it cannot be scored")
        flat_MX[m] = upsample(one, SQUARE_PX).ravel()
    low_M1, high_M1 = flat_MX.min(1, keepdims=True), flat_MX.max(1, keepdims=True)
    even_M1 = high_M1 - low_M1 <= 1e-6 * high_M1
    at_peak_MX = np.where(even_M1, True, flat_MX >= high_M1)
    mass_MX = np.where(even_M1, 1.0, flat_MX)
    range_MX = np.where(even_M1, 0.0, (flat_MX - low_M1) / np.where(even_M1, 1, high_M1 - low_M1))
    return Read(_shares(at_peak_MX), _shares(mass_MX), range_MX.astype(np.float32))


def _shares(values_MX: np.ndarray) -> np.ndarray:
    return (values_MX / values_MX.sum(1, keepdims=True)).astype(np.float32)


def measure(maps: Read, lesions: Marks, cut: float) -> dict[str, np.ndarray]:
    """metric -> [M, P]: every map against every lesion. A map against its own lesion stands on the diagonal."""
    masks_XP, near_XP = lesions.masks_PX.T.astype(np.float32), lesions.near_PX.T.astype(np.float32)
    return {
        "pointing_game": maps.peaks_MX @ near_XP,
        "pointing_game_exact": maps.peaks_MX @ masks_XP,
        "mass_in_mask": maps.mass_MX @ masks_XP,
        "iou": _iou(maps.range_MX >= cut, masks_XP),
    }


def _iou(hot_MX: np.ndarray, masks_XP: np.ndarray) -> np.ndarray:
    shared_MP = hot_MX.astype(np.float32) @ masks_XP
    either_MP = hot_MX.sum(1)[:, None] + masks_XP.sum(0)[None] - shared_MP
    return shared_MP / either_MP


def own(values_MP: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """metric -> [P]: each map against its own lesion."""
    return {name: np.diagonal(values).astype(float) for name, values in values_MP.items()}


def best_cut(maps: Read, lesions: Marks) -> float:
    """The cut with the best mean iou; to be asked of dev."""
    masks_PX, size_P = lesions.masks_PX, lesions.masks_PX.sum(1)
    means = []
    for cut in CUTS:
        hot_PX = maps.range_MX >= cut
        shared_P = (hot_PX & masks_PX).sum(1)
        iou_P = shared_P / (hot_PX.sum(1) + size_P - shared_P)
        means.append(macro({"iou": iou_P}, lesions.labels)["iou"])
    return CUTS[int(np.argmax(means))]
