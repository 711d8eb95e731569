"""Volumes become one tensor in [0, 1], each of the sequences and on the grid that the model reads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from medley.core.errors import MedleyError
from medley.core.records import Case, Study, Volume, VolumeGrid, VolumeInput
from medley.core.seeds import generator
from medley.encoders.volumes import VoxelStandard, stack_shares, stack_volumes, voxel_statistics, without_shading

READS = VolumeInput(VolumeGrid((4, 6, 8), (160.0, 192.0, 192.0)), ("flair", "t1"))


def study(index: int, regions=()) -> Study:
    voxels = generator("volumes", index).integers(0, 256, (2, 4, 6, 8), dtype=np.uint8)
    return Study(
        Case(f"case-{index}", "p", "s"),
        volume=Volume(READS.sequences, voxels, np.eye(4), (4, 6, 8), np.eye(4), dict(regions)),
    )


def test_volumes_are_stacked_in_their_order():
    studies = [study(0), study(1)]
    volumes = stack_volumes(studies, READS)
    assert volumes.shape == (2, 2, 4, 6, 8)
    assert float(volumes[1, 0, 2, 3, 4]) == pytest.approx(studies[1].volume.voxels[0, 2, 3, 4] / 255)


def test_another_volume_than_the_model_reads_is_said():
    other = dataclasses.replace(study(0).volume, sequences=("flair", "t2"))
    with pytest.raises(MedleyError, match="case 'case-0': its sequences are flair, t2; the model reads flair, t1"):
        stack_volumes([dataclasses.replace(study(0), volume=other)], READS)
    with pytest.raises(MedleyError, match="case 'case-0' has no volume"):
        stack_volumes([dataclasses.replace(study(0), volume=None)], READS)
    small = dataclasses.replace(study(0).volume, voxels=np.zeros((2, 4, 6, 6), np.uint8))
    with pytest.raises(MedleyError, match=r"a volume of \(4, 6, 6\) voxels, wanted \(4, 6, 8\)"):
        stack_volumes([dataclasses.replace(study(0), volume=small)], READS)


def test_a_patch_holds_a_region_by_its_densest_voxel_and_what_is_not_known_is_nan():
    lesion = np.zeros((4, 6, 8), np.uint8)
    lesion[3, 5, 0] = 51
    places = stack_shares([study(0, {"lesion": lesion}), study(1)], ("lesion", "edema"), (2, 3, 4))
    assert places[0, 0].sum() == pytest.approx(0.2)
    assert float(places[0, 0, 1, 2, 0]) == pytest.approx(0.2)
    assert places[0, 1].isnan().all()
    assert places[1].isnan().all()


def test_voxels_are_standardised_by_the_sample_and_background_stays_small():
    volumes = [study(index).volume for index in range(40)]
    for volume in volumes:
        volume.voxels[:, 0] = 0
    found = voxel_statistics(iter(volumes))
    stacked = torch.stack([torch.from_numpy(volume.voxels) for volume in volumes]).float() / 255
    assert torch.allclose(found["mean"], without_shading(stacked).mean(0), atol=1e-5)
    standard = VoxelStandard(**found)
    z, _, _, brighter, darker = ((standard(stacked) - 0.5) / 0.5).split(2, dim=1)
    assert z[:, :, 1:].mean(0).abs().max() < 1e-4
    assert torch.allclose(z[:, :, 1:].std(0, correction=0), torch.ones(2, 3, 6, 8), atol=1e-3)
    assert not z[:, :, 0].any()
    assert (abs(z) > 2).any()
    assert (brighter[z > 2] > 1).all()
    assert not brighter[z < 1.4].any()
    assert (darker[z < -2] > 1).all()
    assert not darker[z > -1.4].any()
    with pytest.raises(MedleyError, match="it needs two volumes of the training part or more"):
        voxel_statistics(volumes[:1])


def test_slow_shading_is_taken_out_and_what_is_small_stays():
    """A ball of brain with a small bright lesion, seen through a coil that is three times as strong on one side."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in (32, 64, 64)), indexing="ij")
    inside = z**2 + y**2 + x**2 < 0.8
    lesion = (z**2 + (y - 0.3) ** 2 + (x - 0.3) ** 2) < 0.01
    plain = torch.from_numpy(inside * np.where(lesion, 0.6, 0.3)).float()[None, None]
    coil = torch.from_numpy(1 + 0.5 * x).float()
    flat = without_shading(plain * coil)
    brain, spot = torch.from_numpy(inside & ~lesion), torch.from_numpy(lesion)
    deep = (
        torch.from_numpy(z**2 + y**2 + x**2 < 0.5) & brain & (torch.from_numpy((y - 0.3) ** 2 + (x - 0.3) ** 2) > 0.1)
    )
    assert (flat[0, 0][~torch.from_numpy(inside)] == 0).all()
    assert flat[0, 0][deep].std() < 0.25 * (plain * coil)[0, 0][deep].std()
    assert flat[0, 0][deep].mean() == pytest.approx(0.5, abs=0.02)
    assert flat[0, 0][spot].mean() > 1.6 * flat[0, 0][deep].mean()
    assert torch.allclose(without_shading(2 * plain), without_shading(plain), atol=1e-4), "the scale is of no matter"
    assert not without_shading(torch.zeros(1, 1, 8, 16, 16)).any()
