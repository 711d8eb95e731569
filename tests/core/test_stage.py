"""A stage is an allow-list: what no glob names is frozen in value, in gradient and in running statistics."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.stage import Objective, Stage, freeze_all_but, rates_by_parameter, set_modes

NOTHING = Objective({}, lambda output, batch: {}, lambda batch: {})


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.heads = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))

    def forward(self, images):
        return self.heads(self.vision(images).mean((2, 3)))


def stage(rates: dict[str, float]) -> Stage:
    return Stage("joint", rates, NOTHING, epochs=1)


def test_globs_choose_parameters_and_their_rates():
    rates = rates_by_parameter(Model(), stage({"vision.0.*": 1e-4, "heads.*": 1e-3}))
    assert rates == {"vision.0.weight": 1e-4, "vision.0.bias": 1e-4, "heads.0.weight": 1e-3, "heads.0.bias": 1e-3}


def test_a_glob_that_matches_nothing_names_the_stage_and_the_nearest():
    with pytest.raises(MedleyError, match=r"stage 'joint': 'head\.\*' matches no parameter; did you mean 'heads\.\*'"):
        rates_by_parameter(Model(), stage({"head.*": 1e-3}))


def test_a_parameter_that_two_globs_name_is_refused_with_both():
    with pytest.raises(MedleyError, match=r"'vision\.0\.weight' is named by '\*\.weight' and 'vision\.\*'"):
        rates_by_parameter(Model(), stage({"*.weight": 1e-3, "vision.*": 1e-3}))


def test_globs_heed_letter_case():
    with pytest.raises(MedleyError, match="matches no parameter"):
        rates_by_parameter(Model(), stage({"Vision.*": 1e-3}))


def test_a_frozen_batchnorm_does_not_move_and_the_rest_learns():
    model = Model()
    rates = rates_by_parameter(model, stage({"heads.*": 1e-1}))
    freeze_all_but(model, rates)
    set_modes(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1)
    for seed in range(3):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        model(torch.randn(8, 1, 8, 8) * 5 + 3).pow(2).sum().backward()
        optimizer.step()
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"heads.0.weight", "heads.0.bias"}, "running_mean, running_var and num_batches_tracked stay"


def test_dropout_follows_the_module_that_holds_it():
    model = Model()
    freeze_all_but(model, rates_by_parameter(model, stage({"heads.*": 1e-3})))
    model.eval()
    set_modes(model)
    assert not model.vision.training
    assert not model.vision[2].training, "dropout of a frozen tower is off"
    assert model.heads[1].training
    assert model.heads[2][0].training, "and on in a part that learns, however deep"


def test_a_trained_batchnorm_learns_its_statistics():
    model = Model()
    freeze_all_but(model, rates_by_parameter(model, stage({"vision.1.*": 1e-3})))
    set_modes(model)
    model(torch.randn(8, 1, 8, 8) + 3)
    assert model.vision[1].num_batches_tracked == 1


def test_frozen_globs_spare_what_the_rates_name():
    model = Model()
    spared = dataclasses.replace(stage({"heads.*": 1e-3}), frozen=("heads.0.*",))
    assert set(rates_by_parameter(model, stage({"heads.*": 1e-3}))) - set(rates_by_parameter(model, spared)) == {
        "heads.0.weight",
        "heads.0.bias",
    }
    with pytest.raises(MedleyError, match=r"frozen 'vision\.\*' matches no parameter"):
        rates_by_parameter(model, dataclasses.replace(spared, frozen=("vision.*",)))
