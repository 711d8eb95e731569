"""Writes volumes as NIfTI whose bytes depend on nothing but the volume, its grid and how the file orders its axes."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
from nibabel import orientations

from medley.data.cohorts.brain.plan import Pose
from medley.data.cohorts.brain.template import Array
from medley.data.cohorts.brain.warp import Grid

_COMPRESSION = 2


def write_nifti(path: Path, volume: Array, grid: Grid, pose: Pose) -> bytes:
    """Write [D, H, W] as .nii.gz with the axes that `pose` names; returns the bytes."""
    affine = np.zeros((4, 4))
    for axis, place in enumerate((2, 1, 0)):  # x runs along W, y along H, z along D
        affine[axis, axis] = grid.size_mm[place]
        affine[axis, 3] = pose.origin_mm[axis] + float(grid.axis_mm(place)[0])
    affine[3, 3] = 1
    values = volume.transpose(2, 1, 0)
    turn = orientations.ornt_transform(orientations.io_orientation(affine), orientations.axcodes2ornt(tuple(pose.axes)))
    turned = orientations.apply_orientation(values, turn)
    affine = affine @ orientations.inv_ornt_aff(turn, values.shape)
    image = nibabel.Nifti1Image(np.ascontiguousarray(turned), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    packed = gzip.compress(image.to_bytes(), _COMPRESSION, mtime=0)
    path.write_bytes(packed)
    return packed
