"""Volumes become one tensor in [0, 1], each of the sequences and on the grid that the model reads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from medley.core.errors import MedleyError
from medley.core.records import Case, Study, Volume, VolumeGrid, VolumeInput
from medley.core.seeds import generator
from medley.encoders.volumes import VoxelStandard, stack_shares, stack_volumes, voxel_statistics

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
    assert torch.allclose(found["mean"], stacked.mean(0), atol=1e-5)
    z = (VoxelStandard(**found)(stacked) - 0.5) / 0.5
    assert z[:, :, 1:].mean(0).abs().max() < 1e-4
    assert torch.allclose(z[:, :, 1:].std(0, correction=0), torch.ones(2, 3, 6, 8), atol=1e-3)
    assert not z[:, :, 0].any()
    with pytest.raises(MedleyError, match="it needs two volumes of the training part or more"):
        voxel_statistics(volumes[:1])
