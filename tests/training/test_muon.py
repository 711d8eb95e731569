"""Muon's steps are torch's own on matrices; kernels are matrices; all else is AdamW's, in the same state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.stage import Objective, Stage, muon_parameters
from medley.training.checkpoint import Progress, load_state, save_state
from medley.training.muon import MuonAdamW, orthogonal
from medley.training.optim import build_optimizer, parameter_groups, set_rates

SHAPES = [(8, 8), (16, 8), (8, 24)]


def descend(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], steps: int, seed: int = 0) -> None:
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()


def drawn(shapes) -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=draw)) for shape in shapes]


def test_on_matrices_the_steps_are_those_of_torch():
    ours, theirs = drawn(SHAPES), drawn(SHAPES)
    rate = {"lr": 0.02, "weight_decay": 0.1}
    descend(MuonAdamW([{"params": ours, "muon": True, **rate}], (0.9, 0.999), 1e-6), ours, 4)
    descend(torch.optim.Muon(theirs, momentum=0.95, adjust_lr_fn="match_rms_adamw", **rate), theirs, 4)
    for mine, torchs, start in zip(ours, theirs, drawn(SHAPES), strict=True):
        assert torch.allclose(mine, torchs, atol=1e-6)
        assert not torch.allclose(mine, start, atol=1e-2)


def test_the_rest_is_adamw_to_the_bit():
    ours, theirs = drawn([(8,), (4, 4)]), drawn([(8,), (4, 4)])
    rate = {"lr": 0.02, "weight_decay": 0.1}
    descend(MuonAdamW([{"params": ours, "muon": False, **rate}], (0.9, 0.999), 1e-6), ours, 4)
    descend(torch.optim.AdamW(theirs, betas=(0.9, 0.999), eps=1e-6, **rate), theirs, 4)
    assert all(torch.equal(mine, torchs) for mine, torchs in zip(ours, theirs, strict=True))


def test_kernels_learn_as_the_matrix_of_their_outputs():
    (kernels,), (matrix,) = drawn([(6, 3, 2, 2)]), drawn([(6, 12)])
    for parameter in (kernels, matrix):
        descend(MuonAdamW([{"params": [parameter], "muon": True, "lr": 0.1}], (0.9, 0.999), 1e-6), [parameter], 3)
    assert torch.equal(kernels.flatten(1), matrix)


@pytest.mark.parametrize("shape", [(16, 16), (12, 40), (40, 12)])
def test_a_direction_keeps_its_singular_vectors_and_loses_their_lengths(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    in_its_axes = left.T @ orthogonal(matrix[None])[0].float() @ right.T
    assert torch.allclose(in_its_axes.diagonal(), torch.ones(min(shape)), atol=0.35)
    assert (in_its_axes - in_its_axes.diagonal().diag()).abs().max() < 0.1


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))
        self.words, self.head = nn.Embedding(5, 4), nn.Linear(4, 3)


RATES = {name: 0.01 for name, _ in Model().named_parameters()}


def test_only_maps_that_are_named_learn_by_muon():
    groups = parameter_groups(Model(), RATES, 0.1, 1.0, {"vision.0.weight", "vision.0.bias", "words.weight"})
    assert [name for group in groups if group["muon"] for name in group["names"]] == ["vision.0.weight"]


def test_a_stage_names_them_by_globs_and_a_glob_that_names_none_is_refused():
    stage = Stage("towers", {}, Objective({}, lambda *_: {}, lambda _: {}), epochs=1, muon=("vision.*",))
    assert muon_parameters(stage, ["vision.0.weight", "head.weight"]) == {"vision.0.weight"}
    with pytest.raises(MedleyError, match=r"stage 'towers': muon 'vision\.\*' matches no parameter that the stage tra"):
        muon_parameters(stage, ["head.weight"])


def test_an_interrupted_stage_goes_on_with_both_moments(tmp_path):
    def built(model):
        optimizer = build_optimizer(model, RATES, 0.1, 1.0, {"vision.0.weight", "head.weight"})
        set_rates(optimizer, 1.0)
        return optimizer

    torch.manual_seed(0)
    whole = Model()
    optimizer = built(whole)
    descend(optimizer, list(whole.parameters()), 3)
    save_state(tmp_path / "state.safetensors", whole, optimizer, Progress(step=3))
    descend(optimizer, list(whole.parameters()), 2, seed=9)
    resumed = Model()
    again = built(resumed)
    load_state(tmp_path / "state.safetensors", resumed, again)
    descend(again, list(resumed.parameters()), 2, seed=9)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
