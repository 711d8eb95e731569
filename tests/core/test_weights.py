"""Weights are tensors by name with plain facts: bitwise back again, and refused by name where they do not fit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.weights import load_into, load_tensors, resolve, save_tensors


def test_tensors_and_facts_come_back_bitwise(tmp_path):
    path = tmp_path / "weights.safetensors"
    tensors = {"a": torch.randn(3, 4).t(), "b": torch.tensor(7), "c": torch.randn(2).bfloat16()}
    save_tensors(path, tensors, {"labels": ["Édema", "x"], "dev": {"loss": 0.1 + 0.2}, "none": None})
    back, facts = load_tensors(path)
    assert all(torch.equal(back[name], tensors[name]) and back[name].dtype == tensors[name].dtype for name in tensors)
    assert facts == {"labels": ["Édema", "x"], "dev": {"loss": 0.1 + 0.2}, "none": None}


@pytest.mark.parametrize("cut", [0, 4, 100, -8])
def test_a_cut_off_file_is_one_line(tmp_path, cut):
    path = tmp_path / "weights.safetensors"
    save_tensors(path, {"a": torch.zeros(100)}, {})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(MedleyError, match="is not a whole safetensors file"):
        load_tensors(path)


def test_a_folder_without_weights_says_what_to_do(tmp_path):
    with pytest.raises(MedleyError, match="holds no weights; train first, or name another run"):
        load_tensors(tmp_path / "weights.safetensors")


def test_weights_of_another_model_are_refused_by_name():
    model = nn.Linear(2, 3)
    with pytest.raises(MedleyError, match=r"x lacks tensors of the model, first 'bias' \(1 in all\)"):
        load_into(model, {"weight": torch.zeros(3, 2)}, set(), "x")
    with pytest.raises(MedleyError, match="x holds tensors that the model lacks, first 'gate'"):
        load_into(model, {**model.state_dict(), "gate": torch.zeros(1)}, set(), "x")
    with pytest.raises(MedleyError, match=r"'weight' has another shape than the model's: \[3, 5\] against \[3, 2\]"):
        load_into(model, {"weight": torch.zeros(3, 5), "bias": torch.zeros(3)}, set(), "x")
    before = model.weight.detach().clone()
    load_into(model, {"bias": torch.ones(3)}, {"weight"}, "x")
    assert torch.equal(model.weight, before)
    assert model.bias.tolist() == [1.0, 1.0, 1.0]


def test_a_run_is_a_folder_or_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve(tmp_path) == tmp_path
    (tmp_path / "f").write_text("x")
    with pytest.raises(MedleyError, match="is a file; name the run's folder"):
        resolve(tmp_path / "f")
    for name in ("runs", "a/b/c", "./run", "~/run", "/no/run"):
        with pytest.raises(MedleyError, match="does not exist; a run is a folder"):
            resolve(name)


def test_a_hub_id_that_cannot_be_fetched_is_one_line(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MedleyError, match="owner/no-such-run is no local folder and cannot be fetched") as caught:
        resolve("owner/no-such-run")
    assert len(str(caught.value)) < 400
