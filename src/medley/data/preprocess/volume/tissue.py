"""What a volume shows where the template lies: tissues in their places, and on both sides alike.

    tissue    how well the grades of the template's intensity explain the volume's (correlation ratio): no linear
              relation is asked for, so it serves T1, T2, PD and FLAIR alike
    symmetry  rank correlation of the right half with the left, mirrored about the template's middle

Both are of means over 12 mm, so that the single sulcus does not matter, and of voxels 4 mm deep or more: at its edge
anything that is masked is darker than within, which is neither anatomy nor symmetry of what lies inside.

Shapes: P points of the template's brain.
"""

from __future__ import annotations

import numpy as np

_OF_MEDIAN = (0.5, 1.7)  # of the brain's median: darker or brighter is fluid, fat, or a lesion
_SHADING = 4.0  # voxels of 4 mm: the deviation of the blur that shading is told by
_FILLED = 0.2  # of the neighbourhood of a point that must be tissue
_OFF_MIDDLE_MM = 6.0  # nearer to the middle a point is its own other side


class Tissue:
    """The tissue of one coarse volume, for templates that are laid on it."""

    def __init__(
        self, values: np.ndarray, affine: np.ndarray, brain: np.ndarray, points_P3: np.ndarray, classes_P: np.ndarray
    ):
        """`points_P3` in MNI mm, each of a grade of the template's brain."""
        from scipy.ndimage import binary_erosion, uniform_filter

        deep = binary_erosion(brain)
        deep = deep if deep.any() else brain
        above = _unshaded(values - min(0.0, float(values.min())), deep)
        usual = float(np.median(above[deep]))
        tissue = deep & (above > _OF_MEDIAN[0] * usual) & (above < _OF_MEDIAN[1] * usual)
        tissue = tissue if tissue.any() else deep
        self._share = uniform_filter(tissue.astype(np.float32), 3)
        self._total = uniform_filter(_ranked(above, tissue), 3)
        self._to_index, self._points, self._classes = np.linalg.inv(affine), points_P3, classes_P

    def score(self, to_subject: np.ndarray) -> float:
        """eta² of the volume by the template's grades, laid on by MNI mm -> world mm."""
        share_P, mean_P = self._at(to_subject, self._points)
        seen_P = share_P > _FILLED
        if seen_P.mean() < 0.5:
            return 0.0  # half of the template's brain would lie elsewhere
        return correlation_ratio(self._classes[seen_P], mean_P[seen_P])

    def symmetry(self, to_subject: np.ndarray) -> float:
        """Spearman's correlation of the sides; 0 where less than half of a side can be compared."""
        from scipy.stats import spearmanr

        right_P3 = self._points[self._points[:, 0] > _OFF_MIDDLE_MM]
        (share_P, mean_P), (other_share_P, other_P) = (
            self._at(to_subject, points) for points in (right_P3, right_P3 * [-1, 1, 1])
        )
        seen_P = (share_P > _FILLED) & (other_share_P > _FILLED)
        if seen_P.mean() < 0.5 or not (np.ptp(mean_P[seen_P]) and np.ptp(other_P[seen_P])):
            return 0.0
        return float(spearmanr(mean_P[seen_P], other_P[seen_P]).statistic)

    def _at(self, to_subject: np.ndarray, points_P3: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[P] how much of the neighbourhood is tissue, and its mean rank."""
        from scipy.ndimage import map_coordinates

        to = self._to_index @ to_subject
        at = to[:3, :3] @ points_P3.T + to[:3, 3:]
        share_P, total_P = (
            map_coordinates(of, at, order=1, mode="constant", cval=0.0) for of in (self._share, self._total)
        )
        return share_P, total_P / np.maximum(share_P, 1e-6)


def _unshaded(values: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """The values over what is usual about them: a coil's shading is neither anatomy nor a side."""
    from scipy.ndimage import gaussian_filter

    around = gaussian_filter(np.where(brain, values, 0), _SHADING) / np.maximum(
        gaussian_filter(brain.astype(np.float32), _SHADING), 1e-6
    )
    return np.where(brain, values / np.maximum(around, 1e-6), 0)


def correlation_ratio(classes: np.ndarray, values: np.ndarray) -> float:
    """eta²: the share of the variance of the values that their classes explain; 0 where there is none."""
    total = float(((values - values.mean()) ** 2).sum())
    if total <= 0:
        return 0.0
    count = np.bincount(classes)
    mean = np.bincount(classes, values) / np.maximum(count, 1)
    return float((count * (mean - values.mean()) ** 2).sum() / total)


def _ranked(values: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """Ranks within the foreground, in (0, 1], and 0 outside: a few bright voxels (fluid on T2, fat on T1) no longer
    hold most of the variance."""
    cuts = np.quantile(values[foreground], np.linspace(0, 1, 129)[1:])
    return np.where(foreground, (1 + np.searchsorted(cuts, values)).clip(1, 128) / 128, 0).astype(np.float32)
