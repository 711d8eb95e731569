"""Cubes that are hidden and gradients find the same place in a score whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, Occlusion

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.explain.volumes.gradients import gradient_times_input
from medley.explain.volumes.occlusion import cube_of, occlude

SHAPE = (8, 12, 12)
WEIGHTS = torch.from_numpy(generator("voxel weights").random(SHAPE)).float()
ALL = np.ones(SHAPE, bool)


def linear(volumes: torch.Tensor) -> torch.Tensor:
    return (volumes[:, 0].float() * WEIGHTS).sum((1, 2, 3))


def volume_of(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(generator("voxels", seed).integers(1, 256, (1, *SHAPE)).astype(np.uint8))


def test_cubes_that_do_not_overlap_give_captums_map():
    volume = volume_of()
    ours = occlude(linear, volume, ALL, baseline=torch.zeros_like(volume), cube=(4, 4, 4), stride=(4, 4, 4), batch=5)
    theirs = Occlusion(linear).attribute(volume[None].float(), (1, 4, 4, 4), (1, 4, 4, 4), baselines=0)
    assert ours.shape == (1, *SHAPE)
    np.testing.assert_allclose(ours[0], theirs[0, 0].numpy(), rtol=1e-4)


def test_the_place_that_matters_is_found_and_the_background_is_left_alone():
    volume, brain = volume_of(), ALL.copy()
    brain[:, :, :3] = False
    seen = []

    def corner(volumes: torch.Tensor) -> torch.Tensor:
        seen.append(volumes[:, 0, :, :, :3])
        return torch.stack([volumes[:, 0, 6:, 9:, 9:].float().mean((1, 2, 3)), torch.zeros(len(volumes))], 1)

    falls = occlude(corner, volume, brain, baseline=torch.zeros_like(volume), cube=(4, 5, 5), stride=(2, 3, 3))
    assert falls.shape == (2, *SHAPE)
    assert falls[0, 7, 11, 11] == falls.max() > 0
    assert not falls[0, :2, :4, 3:7].any()
    assert not falls[1].any()
    assert not falls[:, ~brain].any()
    assert all((one == volume[0, :, :, :3]).all() for one in seen)


def test_cubes_that_leave_gaps_and_empty_brains_are_refused():
    volume = volume_of()
    for cube, stride in (((4, 4, 4), (5, 4, 4)), ((9, 4, 4), (4, 4, 4)), ((4, 4, 4), (0, 4, 4))):
        with pytest.raises(MedleyError, match="do not cover a volume"):
            occlude(linear, volume, ALL, baseline=volume, cube=cube, stride=stride)
    with pytest.raises(MedleyError, match="there is no brain"):
        occlude(linear, volume, ~ALL, baseline=volume, cube=(4, 4, 4), stride=(4, 4, 4))
    assert cube_of(30, (6.0, 2.0, 3.0)) == (5, 15, 10)


def test_gradient_times_input_is_captums():
    volume = volume_of()

    def bent(volumes: torch.Tensor) -> torch.Tensor:
        return linear(volumes / 255).sin()

    ours = gradient_times_input(bent, volume, ALL)
    inputs = volume[None].float().requires_grad_()
    theirs = InputXGradient(bent).attribute(inputs)
    np.testing.assert_allclose(ours, theirs[0, 0].detach().numpy(), rtol=1e-4, atol=1e-6)


def test_of_a_linear_score_it_adds_up_to_what_the_baseline_changes():
    volume, baseline, brain = volume_of(), volume_of(1), ALL.copy()
    brain[0] = False
    baseline[0, 0] = volume[0, 0]
    map_DHW = gradient_times_input(linear, volume, brain, baseline=baseline)
    assert map_DHW.sum() == pytest.approx(float(linear(volume[None]) - linear(baseline[None])), rel=1e-4)
    assert not map_DHW[0].any()


def test_sequences_are_added_up():
    volume = torch.cat([volume_of(), volume_of(1)])
    both = gradient_times_input(lambda v: linear(v[:, :1]) + 2 * linear(v[:, 1:]), volume, ALL)
    one = gradient_times_input(linear, volume[:1], ALL)
    other = gradient_times_input(linear, volume[1:], ALL)
    np.testing.assert_allclose(both, one + 2 * other, rtol=1e-4)


def test_a_score_without_gradient_is_refused():
    with pytest.raises(MedleyError, match="needs one answer that depends on the voxels"):
        gradient_times_input(lambda v: torch.zeros(len(v)), volume_of(), ALL)
