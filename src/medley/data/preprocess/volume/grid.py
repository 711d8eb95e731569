"""From any grid in space to the model's, in one interpolation, and back.

The model's grid is fixed in size and aligned with the patient's axes (RAS+), so oblique and anisotropic sources need no
step of their own. Each voxel of it is the mean of trilinear samples that lie no farther apart than the source's voxels:
shrinking does not alias, and nothing is interpolated twice.

Shapes: X, Y, Z the source's own axes; D, H, W the model's (z, y, x of the patient).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from medley.core.records import Volume, VolumeGrid
from medley.data.preprocess.volume.orient import same_place

# The MNI152 brain is 144 (left to right) x 178 x 154 mm, the longest of the real ones 188: 176 x 208 x 176 mm hold
# either with a centimetre to spare for a head that is tilted. In mm a voxel 2.75 x 1.625 x 1.375; docs/brain_mri.md has
# more.
DEFAULT_GRID = VolumeGrid((64, 128, 128), (176.0, 208.0, 176.0))
TINY_GRID = VolumeGrid((32, 64, 64), (176.0, 208.0, 176.0))
_SLAB = 8  # slices of the model's grid that are worked on at once: bounds the memory
_LEAST_SHARE = 1e-3  # of a voxel inside: less is nothing
_STRAIGHT = 0.01  # voxels of the source: an axis that strays less runs straight
_TOLERANCE = 0.02  # by which a step may exceed a source voxel before it is halved


def steps_mm(grid: VolumeGrid) -> tuple[float, float, float]:
    """Size of a voxel of the grid (D, H, W)."""
    return tuple(mm / side for mm, side in zip(grid.fov_mm, grid.shape, strict=True))  # type: ignore[return-value]


def grid_affine(grid: VolumeGrid, centre_mm: Sequence[float]) -> np.ndarray:
    """[4, 4] from an index (d, h, w) to mm (x, y, z), the field of view centred on `centre_mm` (x, y, z)."""
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, (step, side) in enumerate(zip(steps_mm(grid), grid.shape, strict=True)):
        world = 2 - axis  # d runs along z, h along y, w along x
        affine[world, axis] = step
        affine[world, 3] = centre_mm[world] - step * (side - 1) / 2
    return affine


def lies_on(grid: VolumeGrid, shape: Sequence[int], affine: np.ndarray) -> bool:
    """Whether a source [X, Y, Z] is on such a grid already, RAS and of its size: then it is taken voxel by voxel."""
    wanted = np.diag(steps_mm(grid)[::-1])
    return tuple(shape) == grid.shape[::-1] and bool(np.abs(affine[:3, :3] - wanted).max() < 1e-4)


def resample(values: np.ndarray, affine: np.ndarray, to: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """float32 [D, H, W]: the values of [X, Y, Z] on the grid of the affine `to`; 0 where the source does not reach."""
    return _sampled(values, np.linalg.inv(affine) @ to, shape)


def resample_inside(
    values: np.ndarray,
    affine: np.ndarray,
    inside: np.ndarray,
    inside_affine: np.ndarray,
    to: np.ndarray,
    share: np.ndarray,
) -> np.ndarray:
    """As `resample`, but each voxel is the mean of what of it lies `inside`: the edge of the brain is neither darkened
    by the air beside it nor brightened by the scalp. `share` is `inside` on the grid, by `resample`; 0 where it is."""
    out = np.zeros(share.shape, np.float32)
    box = box_of(share > 0)
    begin = np.eye(4)
    begin[:3, 3] = [side.start for side in box]
    path, mask_path = np.linalg.inv(affine) @ to @ begin, np.linalg.inv(inside_affine) @ to @ begin
    finer, some = _finer(path), out[box]
    if inside.shape == values.shape and same_place(affine, inside_affine):
        some[:] = _sampled(values * inside, path, some.shape)  # nothing from outside reaches these samples,
        return np.divide(out, share, out=out, where=share > _LEAST_SHARE)  # and the share is theirs
    fines = _slabs(values, path, finer, some.shape)
    weights = _slabs(inside.astype(np.float32), mask_path, finer, some.shape)
    for (start, fine), (_, weight) in zip(fines, weights, strict=True):
        weighed, total = _mean(weight, finer), _mean(fine * weight, finer)
        np.divide(total, weighed, out=some[start : start + len(total)], where=weighed > _LEAST_SHARE)
    return out


def box_of(mask: np.ndarray) -> tuple[slice, slice, slice]:
    """What holds all of a mask: half of a volume is air."""
    out = []
    for axis in range(3):
        used = np.flatnonzero(mask.any(tuple(other for other in range(3) if other != axis)))
        out.append(slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0))
    return out[0], out[1], out[2]


def _sampled(values: np.ndarray, path: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """The means of samples on a grid, from whose indices `path` leads to those of the values."""
    finer, axes = _finer(path), _axes(path, shape)
    if axes is not None:
        return _by_axis(values, path, finer, axes, shape)
    out = np.empty(shape, np.float32)
    for start, fine in _slabs(values, path, finer, shape):
        out[start : start + fine.shape[0] // finer[0]] = _mean(fine, finer)
    return out


def _axes(path: np.ndarray, shape: Sequence[int]) -> list[int] | None:
    """For each axis of the grid the one of the source that it runs along; None where they are oblique."""
    turns = np.abs(path[:3, :3])
    axes = [int(axis) for axis in turns.argmax(0)]
    along = np.zeros((3, 3), bool)
    along[axes, range(3)] = True
    off = (turns * ~along * np.array(shape)).max()  # voxels by which the far end would be missed
    return axes if len(set(axes)) == 3 and off < _STRAIGHT else None


def _by_axis(
    values: np.ndarray, path: np.ndarray, finer: tuple[int, int, int], axes: list[int], shape: Sequence[int]
) -> np.ndarray:
    """The same means where the axes run alike: trilinear samples and their means are products over the axes, so these
    are worked on one after the other, at a tenth of the cost."""
    from scipy.sparse import csr_array

    out = np.ascontiguousarray(values.transpose(axes), dtype=np.float32)
    for place, axis in enumerate(axes):
        parts, last = finer[place], values.shape[axis] - 1
        index = (np.arange(shape[place] * parts) + 0.5) / parts - 0.5
        at, rows = path[axis, place] * index + path[axis, 3], np.arange(len(index)) // parts
        seen = (at >= -_STRAIGHT) & (at <= last + _STRAIGHT)
        at, rows = at[seen].clip(0, last), rows[seen]
        low = at.astype(int).clip(0, max(last - 1, 0))
        part = (at - low).astype(np.float32)
        weights = np.r_[1 - part, part] / np.float32(parts)
        size = (shape[place], values.shape[axis])
        means = csr_array((weights, (np.r_[rows, rows], np.r_[low, np.minimum(low + 1, last)])), shape=size)
        front = np.ascontiguousarray(np.moveaxis(out, place, 0))
        turned = means @ front.reshape(len(front), -1)
        out = np.moveaxis(turned.reshape(shape[place], *front.shape[1:]), 0, place)
    return np.ascontiguousarray(out, dtype=np.float32)


def _finer(path: np.ndarray) -> tuple[int, int, int]:
    """Into how many samples each voxel of the grid is parted along D, H, W: steps of at most one source voxel."""
    steps = np.abs(path[:3, :3]).max(0)
    return tuple(max(1, int(np.ceil(step - _TOLERANCE))) for step in steps)  # type: ignore[return-value]


def _slabs(
    values: np.ndarray, path: np.ndarray, finer: tuple[int, int, int], shape: Sequence[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """(first slice of the grid, samples float32 [d * fd, H * fh, W * fw]) for runs of slices."""
    from scipy.ndimage import affine_transform

    parts = np.array(finer, float)
    matrix = path[:3, :3] / parts
    offset = path[:3, 3] + path[:3, :3] @ ((1 / parts - 1) / 2)
    for start in range(0, shape[0], _SLAB):
        slices = min(_SLAB, shape[0] - start)
        size = (slices * finer[0], shape[1] * finer[1], shape[2] * finer[2])
        at = offset + matrix @ np.array([start * finer[0], 0, 0])
        yield start, affine_transform(values, matrix, at, size, np.float32, order=1, mode="constant", cval=0.0)


def _mean(fine: np.ndarray, finer: tuple[int, int, int]) -> np.ndarray:
    d, h, w = (side // part for side, part in zip(fine.shape, finer, strict=True))
    return fine.reshape(d, finer[0], h, finer[1], w, finer[2]).mean(axis=(1, 3, 5), dtype=np.float32)


def to_source(values: np.ndarray, volume: Volume, order: int = 1) -> np.ndarray:
    """A map over the volume's field of view -> float32 [X, Y, Z] on its source's grid, 0 outside the field of view.

    `values` is [D, H, W] at the volume's size or coarser (patches). `order` 1 interpolates; 0 keeps labels whole.
    """
    from scipy.ndimage import affine_transform

    back = np.linalg.inv(map_affine(values.shape, volume)) @ volume.source_affine
    mode = {"order": order, "mode": "grid-constant", "cval": 0.0}
    return affine_transform(
        np.asarray(values, np.float32), back[:3, :3], back[:3, 3], volume.source_shape, np.float32, **mode
    )


def map_affine(shape: Sequence[int], volume: Volume) -> np.ndarray:
    """The affine of a map that covers the volume's field of view with other voxels: index (d, h, w) to mm."""
    ratio = np.array(volume.voxels.shape[1:]) / np.array(shape)
    scale = np.diag([*ratio, 1.0])
    scale[:3, 3] = (ratio - 1) / 2
    return volume.affine @ scale


def as_ras(values: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[D, H, W] and its affine -> [W, H, D], which is RAS, and its affine: how it is written to NIfTI."""
    turned = affine.copy()
    turned[:, 0], turned[:, 2] = affine[:, 2], affine[:, 0]
    return values.transpose(2, 1, 0), turned
