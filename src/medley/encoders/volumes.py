"""Volumes of several studies as tensors, for any family that reads them.

Shapes: B studies, S sequences, D H W voxels, R regions, d h w patches.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.records import Study, Volume, VolumeInput

_NARROW = 0.02  # of the grey scale: where a voxel varies less, it is the background of nearly every brain
_LEVELS, _STEEP = (1.0, 2.0), 2.0  # deviations that a voxel is beyond or not: from none to all within 1 / steep
_CELLS, _FAINT = 16, 0.05  # an axis, for the slow shading; and the least of it that is divided by


def stack_volumes(studies: Sequence[Study], reads: VolumeInput) -> torch.Tensor:
    """volumes_BSDHW in [0, 1], 0 outside the brain.

    Raises MedleyError for a study without a volume, or with one of other sequences or on another grid.
    """
    found = []
    for study in studies:
        volume, name = study.volume, f"case '{study.case.case_id}'"
        if volume is None:
            raise MedleyError(f"{name} has no volume; this model reads one a study")
        if volume.sequences != reads.sequences:
            has, wanted = ", ".join(volume.sequences) or "none", ", ".join(reads.sequences)
            raise MedleyError(f"{name}: its sequences are {has}; the model reads {wanted}")
        if volume.voxels.shape[1:] != reads.grid.shape:
            raise MedleyError(f"{name}: a volume of {volume.voxels.shape[1:]} voxels, wanted {reads.grid.shape}")
        found.append(torch.from_numpy(np.array(volume.voxels)))
    return torch.stack(found).float() / 255


def stack_shares(studies: Sequence[Study], names: Sequence[str], grid: tuple[int, int, int]) -> torch.Tensor:
    """places_BRdhw: how much of the densest voxel of a cell each region covers, in [0, 1]; nan where not known."""
    places_BRdhw = torch.full((len(studies), len(names), *grid), torch.nan)
    for b, study in enumerate(studies):
        regions = study.volume.regions if study.volume is not None else {}
        for r, name in enumerate(names):
            if name in regions:
                places_BRdhw[b, r] = densest(torch.from_numpy(np.array(regions[name])), grid)
    return places_BRdhw


def densest(mask_DHW: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
    """The largest share in each cell of a grid, of a uint8 mask in 255ths."""
    if not any(size % cells for size, cells in zip(mask_DHW.shape, grid, strict=True)):
        (depth, height, width), (d, h, w) = mask_DHW.shape, grid
        return mask_DHW.reshape(d, depth // d, h, height // h, w, width // w).amax(1).amax(2).amax(3).float() / 255
    return nn.functional.adaptive_max_pool3d(mask_DHW[None].float(), grid)[0] / 255


def without_shading(volumes_BSDHW: torch.Tensor) -> torch.Tensor:
    """The slow shading of coils taken out: each voxel of the brain is a half of what it is of the mean around it; 0
    outside stays 0.

    The mean is that of the brain's voxels, over about a quarter of each axis: made on a grid of 16 cells an axis, twice
    over three cells, and interpolated. What is larger than that is shading, what is smaller is anatomy, or a lesion.
    """
    depth, height, width = shape = volumes_BSDHW.shape[2:]
    cells = (min(depth, _CELLS), min(height, _CELLS), min(width, _CELLS))
    inside = (volumes_BSDHW > 0).to(volumes_BSDHW)

    def around(image: torch.Tensor) -> torch.Tensor:
        image = nn.functional.adaptive_avg_pool3d(image, cells)
        for _ in range(2):
            image = nn.functional.avg_pool3d(image, 3, stride=1, padding=1)
        return image

    mean = around(volumes_BSDHW) / around(inside).clamp(min=1e-3)
    mean = nn.functional.interpolate(mean, size=shape, mode="trilinear", align_corners=False)
    return inside * volumes_BSDHW / (2 * mean.clamp(min=_FAINT))


def voxel_statistics(volumes: Iterable[Volume]) -> dict[str, torch.Tensor]:
    """`mean` and `std` of each voxel [S, D, H, W] without its shading, over a sample of the training part.

    Raises MedleyError where there are fewer than two volumes.
    """
    count, total, square = 0, np.zeros(()), np.zeros(())
    for volume in volumes:
        voxels = without_shading(torch.from_numpy(volume.voxels).float()[None] / 255)[0].numpy()
        count, total, square = count + 1, total + voxels, square + voxels**2
    if count < 2:
        raise MedleyError(
            "model.standardise is voxel: it needs two volumes of the training part or more, to learn from"
        )
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean**2, 0))
    return {"mean": torch.from_numpy(mean).float(), "std": torch.from_numpy(std).float()}


class VoxelStandard(nn.Module):
    """Each voxel z, without the shading, less its mean over the training part, by its deviation; beside it whether it
    is brighter than is ordinary there, by one deviation and by two, and whether it is darker. What is nearly always
    background stays small: its deviation counts as no less than a fiftieth of the grey scale.

    A patch is a sum over its voxels, in which bright and dark add up to nothing: the mean of z over 4x4x4 voxels finds
    a lesion with AUROC 0.67, that of z > 1.5 with 0.92.
    """

    channels = 1 + 2 * len(_LEVELS)  # of each sequence
    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: torch.Tensor, std: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", mean.clone(), persistent=False)
        self.register_buffer("std", std.clamp(min=_NARROW), persistent=False)

    def forward(self, volumes_BSDHW: torch.Tensor) -> torch.Tensor:
        """[B, 5S, D, H, W] as a SigLIP reads pixels, (x - 0.5) / 0.5: z of all sequences, about 1/2 with a deviation of
        about 1/2, then the others, 1/2 where a voxel is not so bright or dark and 3/2 where it surely is."""
        z, kind = (without_shading(volumes_BSDHW) - self.mean) / self.std, volumes_BSDHW.device.type
        if torch.is_autocast_enabled(kind):  # the tower would do so at its first product, with five times as much
            z = z.to(torch.get_autocast_dtype(kind))
        beyond = [(sign * _STEEP * z + (1 - _STEEP * level)).clamp(0.5, 1.5) for level in _LEVELS for sign in (1, -1)]
        return torch.cat([z * 0.5 + 0.5, *beyond], dim=1)
