"""Where the MNI152 template lies on a brain: a coarse affine, by the outline of its mask.

The template that nilearn brings (ICBM 2009a symmetric, T1, 1 mm, without skull) is laid on so that its brain, and a
shell of 8 mm around it, explain the mask as well as they can. The measure is the correlation ratio, eta² = 1 - variance
within classes / variance (Roche et al. 1998). What lies inside, a tumour above all, does not pull it; and it is the
same for every contrast. What lies inside is asked afterwards (`tissue.py`).

This is for judging (is it a brain? the right way up?) and for a first mask, at 4 mm; it is no registration to measure
by."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medley.data.preprocess.volume.grid import resample
from medley.data.preprocess.volume.orient import rotations
from medley.data.preprocess.volume.tissue import Tissue, correlation_ratio

COARSE_MM = 4.0
_SHELL_MM = 8
_MOST_POINTS = 15_000
_CLASSES = 12  # grades of the intensity of its brain; the next is the shell
_UNITS = np.array([10, 10, 10, 0.17, 0.17, 0.17, 0.1, 0.1, 0.1])  # of the search: mm, radians, log scale
_PRIOR = 0.005  # what a unit costs, squared: heads differ in size, but little in proportion
_RIVALS, _BEHIND = 4, 0.1  # of the 23 other ways up, so many are looked at closely, if they begin no farther behind


@dataclass(frozen=True)
class Template:
    """The template at a coarse size: points inside its brain and the shell, in MNI mm, and their classes."""

    points_P3: np.ndarray
    classes_P: np.ndarray  # 0 to 11 grades of the brain, dark to bright; 12 the shell
    low_mm: np.ndarray  # of the brain's box
    high_mm: np.ndarray

    @property
    def centre_mm(self) -> np.ndarray:
        return (self.low_mm + self.high_mm) / 2

    @property
    def inside_P(self) -> np.ndarray:
        return self.classes_P < _CLASSES


@dataclass(frozen=True)
class Fit:
    """How the template lies on a volume.

    `to_subject` leads from MNI mm to the volume's world mm. `outline` is eta² of the mask, less what a stretched
    template costs; `tissue` and `symmetry` say whether the volume has its tissues where a brain has them, and on both
    sides alike (`tissue.py`). `turned` is the rotation of the world, of the 24, under which a brain fits best,
    `turned_outline` how well, and `gain` by how much better than as it lies; the identity and 0 where that is best.
    """

    to_subject: np.ndarray
    outline: float
    tissue: float
    symmetry: float
    turned: np.ndarray
    turned_outline: float
    gain: float


@lru_cache(maxsize=1)
def mni152() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T1 float32 [X, Y, Z] in [0, 1], brain bool [X, Y, Z] with its ventricles, affine: 1 mm, RAS, no skull."""
    from scipy.ndimage import binary_fill_holes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nilearn's own, of its defaults
        from nilearn.datasets import load_mni152_brain_mask, load_mni152_template

        image = load_mni152_template(resolution=1)
        brain = np.asarray(load_mni152_brain_mask(resolution=1).dataobj) > 0
    values = np.asarray(image.get_fdata(dtype=np.float32))
    return values / values.max(), binary_fill_holes(brain), np.asarray(image.affine, float)


@lru_cache(maxsize=2)
def _template(mm: int) -> Template:
    from scipy.ndimage import distance_transform_edt

    values, brain, affine = mni152()
    half = np.array(values.shape) // mm
    cut = tuple(slice(0, side * mm) for side in half)

    def blocks(array: np.ndarray) -> np.ndarray:
        parts = array[cut].reshape(half[0], mm, half[1], mm, half[2], mm)
        return parts.mean(axis=(1, 3, 5), dtype=np.float32)

    share = blocks(brain)
    inside = share > 0.5
    mean = blocks(values * brain) / np.maximum(share, 1e-6)  # of the brain alone: its edge is not darker
    away = distance_transform_edt(~inside) * mm
    edges = np.quantile(mean[inside], np.linspace(0, 1, _CLASSES + 1)[1:-1])
    classes = np.where(inside, np.searchsorted(edges, mean), _CLASSES)
    at = np.argwhere(away <= max(_SHELL_MM, mm))
    at = at[:: max(1, len(at) // _MOST_POINTS)]
    points = at @ (affine[:3, :3] * mm).T + affine[:3, 3] + affine[:3, :3] @ np.full(3, (mm - 1) / 2)
    chosen = classes[tuple(at.T)]
    box = points[chosen < _CLASSES]
    return Template(points, chosen, box.min(0) - mm / 2, box.max(0) + mm / 2)


def coarse(values: np.ndarray, affine: np.ndarray, mm: float = COARSE_MM) -> tuple[np.ndarray, np.ndarray]:
    """All of a volume on a grid of `mm` along the world's axes: float32 [D, H, W] and the affine of (d, h, w)."""
    corners = np.array([[x, y, z, 1] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    corners[:, :3] *= np.array(values.shape) - 1
    mm_corners = (affine @ corners.T)[:3]
    low, high = mm_corners.min(1), mm_corners.max(1)
    to = np.zeros((4, 4))
    to[3, 3] = 1
    to[0, 2] = to[1, 1] = to[2, 0] = mm
    to[:3, 3] = low
    sides = np.ceil((high - low) / mm).astype(int) + 1
    return resample(values, affine, to, (int(sides[2]), int(sides[1]), int(sides[0]))), to


def fit_template(values: np.ndarray, affine: np.ndarray, brain: np.ndarray) -> Fit:
    """Lay the template on a coarse volume (of `coarse`) by its brain mask, which may be rough."""
    lying = np.argwhere(brain) @ affine[:3, :3].T + affine[:3, 3]
    mask, inner = brain.astype(np.float32), _template(8)
    tissue = Tissue(values, affine, brain, inner.points_P3[inner.inside_P], inner.classes_P[inner.inside_P])
    begun = []
    for turn in rotations():
        search = _Search(mask, affine, _template(8), turn, lying)
        begun.append((search.score(search.begin) + tissue.score(search.matrix(search.begin)), search))
    (_, as_it_lies), *others = begun
    near = [one for one in others if one[0] > begun[0][0] - _BEHIND]
    rivals = [search for _, search in sorted(near, key=lambda one: -one[0])[:_RIVALS]]
    laid, place = as_it_lies.best(9, 3)
    mine = laid + tissue.score(as_it_lies.matrix(place))
    best, turned_outline, gain = as_it_lies.turn, laid, 0.0
    for rival in rivals:
        laid, there = rival.best(9, 3)
        score = laid + tissue.score(rival.matrix(there))
        if score - mine > gain:
            best, turned_outline, gain = rival.turn, laid, score - mine
    last = _Search(mask, affine, _template(4), as_it_lies.turn, lying)
    outline, place = last.best(9, 2, place)
    to = last.matrix(place)
    return Fit(to, outline, tissue.score(to), tissue.symmetry(to), best, turned_outline, float(gain))


def outline_fit(brain: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """MNI mm -> world mm by a brain mask alone (bool, any grid), the right way up. Good to a centimetre."""
    values, at = coarse(brain.astype(np.float32), affine)
    lying = np.argwhere(values > 0.5) @ at[:3, :3].T + at[:3, 3]
    search = _Search(values, at, _template(8), rotations()[0], lying)
    return search.matrix(search.best(9, 4)[1])


class _Search:
    """A search for the template's place on one coarse mask, the world turned by one of the 24 rotations. It begins
    where the boxes have one middle, at one scale for all axes."""

    def __init__(self, mask: np.ndarray, affine: np.ndarray, template: Template, turn: np.ndarray, lying: np.ndarray):
        self.template, self.turn, self.begin = template, turn, np.zeros(9)
        self._mask, self._to_index = mask, np.linalg.inv(affine)
        low, high = np.percentile(lying @ turn[:3, :3], (0.5, 99.5), axis=0)  # in the patient's own axes
        ratio = float(np.prod((high - low) / (template.high_mm - template.low_mm))) ** (1 / 3)
        self._centre, self._scale = turn[:3, :3] @ ((low + high) / 2), float(np.clip(ratio, 0.7, 1.3))

    def matrix(self, place: np.ndarray) -> np.ndarray:
        """MNI mm -> world mm at a place of the search: (shift, turn, log scale) in `_UNITS`."""
        shift, angles, stretch = np.split(place * _UNITS, 3)
        out = np.eye(4)
        out[:3, :3] = self.turn[:3, :3] @ _rotation(angles.tolist()) @ np.diag(self._scale * np.exp(stretch))
        out[:3, 3] = self._centre + shift - out[:3, :3] @ self.template.centre_mm
        return out

    def score(self, place: np.ndarray) -> float:
        """How well brain and shell explain the mask, less what the place costs."""
        from scipy.ndimage import map_coordinates

        to = self._to_index @ self.matrix(place)
        at = to[:3, :3] @ self.template.points_P3.T + to[:3, 3:]
        seen_P = map_coordinates(self._mask, at, order=1, mode="constant", cval=0.0, output=np.float64)
        return correlation_ratio(self.template.inside_P.astype(int), seen_P) - _PRIOR * float((place[3:] ** 2).sum())

    def best(self, parameters: int, rounds: int, begin: np.ndarray | None = None) -> tuple[float, np.ndarray]:
        """The best score and its place, by Powell's method over the first `parameters`."""
        from scipy.optimize import minimize

        place = np.zeros(9) if begin is None else begin.copy()

        def loss(some: np.ndarray) -> float:
            place[:parameters] = some
            return -self.score(place)

        options = {"maxiter": rounds, "xtol": 0.02, "ftol": 1e-4}
        found = minimize(loss, place[:parameters].copy(), method="Powell", options=options)
        place[:parameters] = found.x
        return -float(found.fun), place


def _rotation(angles: Sequence[float]) -> np.ndarray:
    """Turning about x, then y, then z, by radians."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
