"""The head that all generated brains are grown on: the MNI152 template that nilearn ships, at a working resolution.

T1, grey and white matter of the ICBM 2009a symmetric average (Fonov et al. 2011; free to use with its copyright
notice, which nilearn carries). The symmetric one is wanted: it gives no side away. Read once a process.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy import ndimage

from medley.core.errors import MedleyError

Array = np.ndarray

CENTRE_MM = (0.0, -18.0, 4.0)  # about the middle of the brain
_BOX_MM = ((-76.0, 76.0), (-110.0, 78.0), (-74.0, 86.0))
_LEAN = 1.7
# where cerebrospinal fluid is ventricle, not sulcus: low corner and high corner, |x|
_VENTRICLES = (
    ((0, -45, -4), (24, 36, 30)),  # bodies and frontal horns
    ((8, -64, -6), (38, -30, 26)),  # trigones and occipital horns
    ((20, -40, -24), (42, -4, 2)),  # temporal horns
    ((0, -32, -12), (5, 4, 12)),  # third
    ((0, -60, -44), (12, -38, -18)),  # fourth
)


@dataclass(frozen=True)
class Template:
    """Maps over one grid of cubic voxels, axes x, y, z: index * mm + low = MNI millimetres."""

    mm: float
    low: Array  # [3] MNI of the first voxel
    brain: Array  # float32, share of the voxel, as grey and white
    grey: Array
    white: Array
    detail: Array  # float32, what T1 shows beyond the tissue shares, in units of white matter's T1
    ventricle: Array  # float32 mm to the wall of the ventricles, < 0 inside
    depth: Array  # float32 mm below the surface of the brain, < 0 outside

    def sample(self, field: Array, points: Array) -> Array:
        """A map at MNI points [3, n], linearly; beyond the grid as at its edge. float32 [n]."""
        at = (points - self.low[:, None].astype(np.float32)) / np.float32(self.mm)
        return ndimage.map_coordinates(field, at, output=np.float32, order=1, mode="nearest")

    def points(self) -> Array:
        """MNI millimetres of all voxels, float32 [3, X, Y, Z]."""
        index = np.indices(self.brain.shape, dtype=np.float32)
        return index * np.float32(self.mm) + self.low.astype(np.float32)[:, None, None, None]


@lru_cache(maxsize=4)
def load(mm: float) -> Template:
    """The template on voxels of `mm`. Raises MedleyError where nilearn is absent or ships it no longer."""
    low = np.array([side[0] for side in _BOX_MM])
    counts = [round((side[1] - side[0]) / mm) + 1 for side in _BOX_MM]
    head = _read("t1")
    t1, grey, white = (_on_grid(*image, low, counts, mm) for image in (head, _read("gm"), _read("wm")))
    brain = np.clip(_on_grid((head[0] > 0).astype(np.float32), head[1], low, counts, mm), 0, 1)
    inside = brain > 0.5
    total = np.maximum(grey + white, 1)
    grey, white = grey / total, white / total
    fluid = np.clip(brain - grey - white, 0, 1)
    level = [float(np.median(t1[share > 0.9])) for share in (fluid, grey, white)]
    # an average of 152 brains has washed-out sulci: T1 darker than grey matter is fluid, and each voxel leans to its
    # largest share, as in one person's brain
    dark = np.clip((level[1] - t1) / (level[1] - level[0]), 0, 1) * (white < 0.25) * inside
    fluid, grey, white = (share**_LEAN for share in (np.maximum(fluid, dark), grey, white))
    total = np.maximum(fluid + grey + white, 1e-6)
    grey, white = (grey / total * inside, white / total * inside)
    fluid = np.clip(inside - grey - white, 0, 1).astype(np.float32)
    plain = fluid * level[0] + grey * level[1] + white * level[2]
    depth = ndimage.distance_transform_edt(inside, sampling=mm) - ndimage.distance_transform_edt(~inside, sampling=mm)
    template = Template(
        mm=mm,
        low=low,
        brain=brain,
        grey=grey.astype(np.float32),
        white=white.astype(np.float32),
        detail=((t1 - plain) / level[2] * inside).astype(np.float32),
        ventricle=np.zeros(0, np.float32),
        depth=depth.astype(np.float32),
    )
    ventricle = _ventricles(template, fluid)
    return Template(**{**vars(template), "ventricle": ventricle})


def _ventricles(template: Template, fluid: Array) -> Array:
    x, y, z = template.points()
    x = np.abs(x)
    boxed = np.zeros(fluid.shape, bool)
    for low, high in _VENTRICLES:
        boxed |= (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]) & (z >= low[2]) & (z <= high[2])
    boxed &= ~((x < 12) & (y > -62) & (y < -25) & (z > -14) & (z < 14))  # cisterns behind the midbrain
    wall = ndimage.gaussian_filter(fluid, 0.5) > 0.5
    chambers = wall & boxed & (template.depth > 12)
    outside = ndimage.distance_transform_edt(~chambers, sampling=template.mm)
    within = ndimage.distance_transform_edt(chambers, sampling=template.mm)
    signed = outside - within
    return ndimage.gaussian_filter(signed, 0.6).astype(np.float32)


def _on_grid(values: Array, affine: Array, low: Array, counts: list[int], mm: float) -> Array:
    """A map averaged over voxels of `mm` of the grid that begins at `low`."""
    spacing = abs(float(affine[0, 0]))
    if mm > spacing:
        values = ndimage.gaussian_filter(values, 0.42 * mm / spacing)
    axes = [
        (low[axis] + np.arange(count) * mm - affine[axis, 3]) / affine[axis, axis] for axis, count in enumerate(counts)
    ]
    at = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    return ndimage.map_coordinates(values, at, output=np.float32, order=1, mode="constant")


def _read(name: str) -> tuple[Array, Array]:
    spec = find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise MedleyError("the brain cohort is grown on the template in the package nilearn: pip install nilearn")
    import nibabel

    folder = Path(spec.submodule_search_locations[0]) / "datasets" / "data"
    path = folder / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
    if not path.is_file():
        raise MedleyError(f"nilearn has no {path.name} in {folder}; install nilearn 0.12 to 0.14")
    image = nibabel.as_closest_canonical(nibabel.load(path))
    values = np.asarray(image.dataobj, np.float32)
    return values / np.float32(values.max()), np.asarray(image.affine)
