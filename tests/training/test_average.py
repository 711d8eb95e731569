"""The running average of the weights: its formula, that it is what is scored and saved, and that a resume keeps it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.weights import load_tensors
from medley.training.curves import read_journal
from medley.training.module import StageModule
from medley.training.optim import weight_average
from medley.training.stages import train


def test_the_average_follows_its_formula_running_statistics_too():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = weight_average(model, decay=0.5)
    expected = None
    for update in range(6):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.randn(8, 3) * (update + 1))  # moves the running statistics
        average.update_parameters(model)
        now = {name: value.clone().double() for name, value in model.state_dict().items()}
        decay = min(0.5, (1 + update) / (10 + update))
        before = now if expected is None else expected  # the first update copies
        expected = {name: decay * before[name] + (1 - decay) * now[name] for name in now}
    own = average.module.state_dict()
    for name in ("0.weight", "0.bias", "1.weight", "1.running_mean", "1.running_var"):
        torch.testing.assert_close(own[name].double(), expected[name], atol=1e-5, rtol=1e-5)
    assert own["1.num_batches_tracked"] == 6
    assert not any(parameter.requires_grad for parameter in average.parameters())


@pytest.fixture(scope="module")
def recipe(toy_recipe):
    return toy_recipe(stages={"joint": {"epochs": 2, "batch": 12}}, trainer={"ema": 0.9, "checkpoint_every": 2})


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    return train(recipe, tmp_path_factory.mktemp("average") / "whole")


def dev_losses(run) -> list[float]:
    return [line["loss"] for line in read_journal(run / "1-joint" / "metrics.jsonl") if line["part"] == "dev"]


def test_the_average_is_what_dev_scores_and_what_is_saved(recipe, whole, toy_recipe, tmp_path):
    plain = train(toy_recipe(stages={"joint": {"epochs": 2, "batch": 12}}), tmp_path / "plain")
    lines = [read_journal(run / "1-joint" / "metrics.jsonl") for run in (whole, plain)]
    first, second = ([line["loss"] for line in each if line["part"] == "train"] for each in lines)
    assert first == second, "the average must not change what is learned"
    assert dev_losses(whole) != dev_losses(plain)
    weights = [load_tensors(run / "1-joint" / "weights.safetensors")[0] for run in (whole, plain)]
    assert any(not torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_that_stopped_goes_on_with_its_average(recipe, whole, tmp_path, monkeypatch):
    log_step = StageModule._log_step

    def stop_at_seven(self, step, *rest):
        if step == 7:
            raise MedleyError("the power went out")
        log_step(self, step, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(StageModule, "_log_step", stop_at_seven)
        with pytest.raises(MedleyError, match="power"):
            train(recipe, tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True)
    assert dev_losses(tmp_path / "run") == pytest.approx(dev_losses(whole), abs=1e-6)
    for name, tensor in load_tensors(whole / "1-joint" / "weights.safetensors")[0].items():
        torch.testing.assert_close(load_tensors(tmp_path / "run/1-joint/weights.safetensors")[0][name], tensor)
