"""The same brain twice: volumes that were stored again, resampled, cropped, turned, mirrored, or scaled anew.

Brains are alike as a whole, and not in detail. So the box of what is no background becomes 32 x 32 x 32 means in ranks
(`facts`), the coarse picture is taken away (local mean and contrast of 2 voxels), and what is left is correlated, as it
is and mirrored. Only files of one sequence are compared: T1 and T2 of one head are no copies.

Nothing is registered: a copy that was turned by 5 degrees, lost a slab of the head, or was stripped anew is not found.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from medley.data.checks.looks import Look

# From where on two volumes may be one, and are one. Strangers: 0.65 at most in 45,000 pairs of a sequence of generated
# brains, which are of one template, and 0.34 among the real ones; two visits of one patient 0.81 at most
# (docs/brain_mri.md).
SAME_VOLUME, SURE_VOLUME = 0.75, 0.9
_LOCAL = 2.0  # standard deviation of the window that counts as local, in voxels of the thumbnail
_ROWS = 512  # of one product

Hit = tuple[int, int, float, bool]  # two rows, the correlation, whether one is mirrored


def describe(thumbs: np.ndarray) -> np.ndarray:
    """uint8 [N, 32, 32, 32], 0 the background -> float16 [N, 32, 32, 32] of length 1: fine structure alone."""
    out = np.empty(thumbs.shape, np.float16)
    for row, thumb in enumerate(thumbs):
        out[row] = _fine(thumb)
    return out


def _fine(thumb: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    def local(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, _LOCAL, mode="constant")

    inside = (thumb > 0).astype(np.float32)
    values = thumb.astype(np.float32) / 255 * inside
    near = local(inside) + 1e-3
    detail = (values - local(values) / near) * inside
    detail = detail / (np.sqrt(local(detail * detail) / near) + 0.02)
    detail = (detail - detail.sum() / max(1.0, float(inside.sum()))) * inside
    return detail / max(float(np.linalg.norm(detail)), 1e-6)


def find_alike(looks: Sequence[Look], progress: Callable[[int, int], None] | None = None) -> list[Hit]:
    """Pairs of rows of `looks` (volumes, one of each that are identical) that may be one volume, i < j."""
    by_view: dict[str, list[int]] = defaultdict(list)
    for row, look in enumerate(looks):
        by_view[look.view].append(row)
    hits: list[Hit] = []
    done = 0
    for rows in by_view.values():
        thumbs = [looks[row].volume.thumb for row in rows]  # type: ignore[union-attr]
        fine = describe(np.stack(thumbs))
        hits += [(rows[i], rows[j], value, mirrored) for i, j, value, mirrored in _pairs(fine)]
        done += len(rows)
        if progress:
            progress(done, len(looks))
    return sorted(hits)


def _pairs(fine: np.ndarray) -> list[Hit]:
    """Of one sequence: the better of both ways round, where it reaches SAME_VOLUME."""
    count = len(fine)
    found = []
    blocks = range(0, count, _ROWS)
    for first in blocks:
        mine = fine[first : first + _ROWS].astype(np.float32)
        plain, turned = (one.reshape(len(mine), -1) for one in (mine, mine[:, ::-1]))
        for other in (at for at in blocks if at >= first):
            theirs = fine[other : other + _ROWS].astype(np.float32).reshape(-1, plain.shape[1]).T
            as_is, mirrored = plain @ theirs, turned @ theirs
            best = np.maximum(as_is, mirrored)
            for i, j in np.argwhere(best >= SAME_VOLUME).tolist():
                if first + i < other + j:
                    value = min(1.0, float(best[i, j]))
                    found.append((first + i, other + j, value, bool(mirrored[i, j] > as_is[i, j])))
    return found
