"""The brain mask, by the first of these that applies; the record says which.

given      a mask file
stripped   the background is one value and what is left has the size of a brain: it was stripped before
antspyx    where the extra `[brain]` is installed: the template, laid on by `align`, deformed onto the volume (SyN)
template   else: the template's brain, laid on a rough mask, and within 5 mm of it what is as bright as tissue, hangs
           together and is no scalp. Coarse: it may keep dura or lose cortex, so it comes with a warning

Masks have affines of their own: those that are made here lie on 2 mm, those that are found on the source's grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medley.core.errors import UnreadableImage
from medley.data.preprocess.volume.align import Fit, coarse, mni152
from medley.data.preprocess.volume.bias import installed
from medley.data.preprocess.volume.grid import box_of
from medley.data.preprocess.volume.orient import voxel_mm
from medley.data.preprocess.volume.raw import RawVolume

MASK_MM = 2.0
BRAIN_ML = (400.0, 2200.0)  # an infant's, and the largest with what lies around it; a head is 3000 and more
_EDGE_SHARE = 0.9  # of the voxels on the six faces that one value must fill to be a background
_ALL_SHARE = 0.2  # and of all voxels
_FAINT = 0.003  # of the range: what resampling leaves in the background; one grey step of 8 bits is more
_AIR = 0.12  # of the 99th percentile of a volume: darker is air
_TISSUE = 0.5  # of the median of the brain's core: darker is skull, air or CSF
_FAT = 2.2  # of it: brighter is fat on T1, fluid on T2
_DEEP = 0.6  # of the greatest depth below the scalp
_SCALP_MM, _PART_MM = 4, 5
_ZONE_MM, _CORE_MM, _OPEN_MM, _CLOSE_MM = 5, 10, 3, 8
_COARSE_WARNING = (
    "the skull is on and the brain mask comes from the template, which is coarse: give a mask file, strip the skull "
    "before (SynthStrip, HD-BET), or install the extra: pip install 'medley[brain]'"
)


@dataclass(frozen=True)
class Foreground:
    """Where the brain is: bool on a grid of its own, and how that was found (given, stripped, antspyx, template)."""

    mask: np.ndarray
    affine: np.ndarray
    how: str
    warnings: tuple[str, ...] = ()

    @property
    def millilitres(self) -> float:
        return float(self.mask.sum() * np.prod(voxel_mm(self.affine)) / 1000)

    def points(self) -> np.ndarray:
        """World mm of the mask's voxels [P, 3], some 100,000 of them at most."""
        index = np.argwhere(self.mask)
        index = index[:: max(1, len(index) // 100_000)]
        return index @ self.affine[:3, :3].T + self.affine[:3, 3]


def given_mask(mask: RawVolume) -> Foreground:
    """What is not 0 in a mask file. Raises UnreadableImage where nothing is."""
    inside = mask.values != 0
    if not inside.any():
        raise UnreadableImage(f"{mask.path} is a mask in which every voxel is 0")
    return Foreground(inside, mask.affine, "given")


def stripped_brain(raw: RawVolume) -> Foreground | None:
    """The mask of a volume whose skull was stripped before; None where it was not."""
    background = _background(raw.values)
    if background is None:
        return None
    span = float(np.abs(np.percentile(raw.values, (0.1, 99.9)) - background).max())
    inside = np.abs(raw.values - background) > _FAINT * span
    box = box_of(inside)
    inside[box] = _filled(_largest(inside[box]))
    found = Foreground(inside, raw.affine, "stripped")
    return found if BRAIN_ML[0] <= found.millilitres <= BRAIN_ML[1] else None


def _background(values: np.ndarray) -> float | None:
    faces = [values.take(at, axis).ravel() for axis in range(3) for at in (0, -1)]
    edge = np.concatenate(faces)
    kinds, counts = np.unique(edge, return_counts=True)
    value = float(kinds[np.argmax(counts)])
    if counts.max() < _EDGE_SHARE * edge.size or np.mean(values == value) < _ALL_SHARE:
        return None
    return value


def head_mask(values: np.ndarray) -> np.ndarray:
    """bool: what is brighter than air, in one piece without holes; for a volume at a coarse size."""
    return _filled(_largest(values > _AIR * np.percentile(values, 99)))


def rough_brain(raw: RawVolume) -> Foreground:
    """Of a volume with its skull on: tissue like that deep in the head, parted from the scalp by the dark skull. Good
    enough to lay the template on; it may hold eyes and muscle, and lacks fluid. Raises UnreadableImage for no head."""
    values, affine = coarse(raw.values, raw.affine, MASK_MM)
    depth = _depth_mm(values)
    core = depth > _DEEP * depth.max()
    usual = float(np.median(values[core]))
    tissue = (values > _TISSUE * usual) & (values < _FAT * usual) & (depth > _SCALP_MM)
    parted = _touching(_shrunk(tissue, _PART_MM), core)
    if not parted.any():
        raise UnreadableImage(f"{raw.path} shows no brain: no tissue hangs together deep inside it")
    return Foreground(_filled(_grown(parted, _PART_MM)), affine, "rough")


def brain_by_template(raw: RawVolume, fit: Fit) -> Foreground:
    """The brain of a volume with its skull on, from where the template lies; by antspyx where that is installed."""
    values, affine = coarse(raw.values, raw.affine, MASK_MM)
    prior = _template_on(affine, values.shape, fit, mask=True) > 0.5
    if installed("ants"):
        prior = _deformed(values, affine, fit, prior)
        return Foreground(_refined(values, prior), affine, "antspyx")
    return Foreground(_refined(values, prior), affine, "template", (_COARSE_WARNING,))


def _template_on(affine: np.ndarray, shape: tuple[int, ...], fit: Fit, mask: bool) -> np.ndarray:
    """The template, or its brain, on a grid of the volume's world."""
    from scipy.ndimage import affine_transform

    values, brain, to_mni = mni152()
    path = np.linalg.inv(fit.to_subject @ to_mni) @ affine
    what = brain.astype(np.float32) if mask else values
    return affine_transform(what, path[:3, :3], path[:3, 3], shape, np.float32, order=1, mode="constant", cval=0.0)


def _refined(values: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Within a zone around the prior: tissue that hangs together with the brain's core, closed and filled. Of what lies
    outside the prior, what is near the skin or as bright as fat is scalp."""
    core = _shrunk(prior, _CORE_MM)
    if not core.any():
        return prior
    usual = float(np.median(values[core]))
    scalp = (_depth_mm(values) <= _SCALP_MM) | (values > _FAT * usual)
    zone = prior | (_grown(prior, _ZONE_MM) & ~_grown(scalp & ~prior, MASK_MM))
    tissue = zone & (values > _TISSUE * usual)
    parted = _touching(_shrunk(tissue, _OPEN_MM), core)
    kept = _grown(parted, _OPEN_MM + MASK_MM) & tissue
    closed = _shrunk(_grown(kept | core, _CLOSE_MM), _CLOSE_MM)
    return _filled(_largest(closed & zone))


def _depth_mm(values: np.ndarray) -> np.ndarray:
    """How deep below the skin each voxel of a volume at `MASK_MM` lies; 0 in the air."""
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(np.pad(head_mask(values), 1))[1:-1, 1:-1, 1:-1] * MASK_MM


def _grown(mask: np.ndarray, mm: float) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    return mask if mm <= 0 else distance_transform_edt(~mask) * MASK_MM <= mm


def _shrunk(mask: np.ndarray, mm: float) -> np.ndarray:
    from scipy.ndimage import distance_transform_edt

    return mask if mm <= 0 else distance_transform_edt(mask) * MASK_MM > mm


def _touching(mask: np.ndarray, core: np.ndarray) -> np.ndarray:
    """The pieces of a mask that reach into the core."""
    from scipy.ndimage import label

    pieces, _ = label(mask)
    wanted = np.unique(pieces[core & mask])
    return np.isin(pieces, wanted[wanted > 0])


def _largest(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import label

    pieces, count = label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces == np.argmax(sizes)


def _filled(mask: np.ndarray) -> np.ndarray:
    from scipy.ndimage import binary_fill_holes

    return binary_fill_holes(mask)


def _deformed(values: np.ndarray, affine: np.ndarray, fit: Fit, prior: np.ndarray) -> np.ndarray:
    """The template's brain after antspyx has deformed the template, already laid on, onto the volume."""
    import ants

    def image(array: np.ndarray):
        return ants.from_numpy(np.ascontiguousarray(array, dtype=np.float32), spacing=(MASK_MM,) * 3)

    fixed, zone = image(values), image(_grown(prior, _ZONE_MM))
    moving = image(_template_on(affine, values.shape, fit, mask=False))
    found = ants.registration(fixed, moving, "SyNOnly", initial_transform="identity", mask=zone, syn_metric="mattes")
    warped = ants.apply_transforms(fixed, image(prior), found["fwdtransforms"], interpolator="linear")
    return np.asarray(warped.numpy()) > 0.5
