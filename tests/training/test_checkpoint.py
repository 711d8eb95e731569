"""What a run keeps: every tensor that training changed, and of a frozen tower only the name of where it came from."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, SiglipConfig, ViTConfig, ViTImageProcessor

import medley as package
from medley.core.errors import MedleyError
from medley.core.weights import load_tensors
from medley.encoders.text import train_tokenizer
from medley.families.cxr_reasoner import FAMILY
from medley.training.checkpoint import Progress, frozen_pretrained, load_state, load_weights, save_state, save_weights
from medley.training.optim import build_optimizer
from medley.training.stages import train

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.last = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)
        self.pretrained = True


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision, self.heads = Tower(), nn.Linear(2, 2)


def test_frozen_tensors_are_left_out_and_named(tmp_path):
    model = Model()
    save_weights(tmp_path, model, {"heads.weight", "heads.bias"}, {"family": "x"})
    tensors, facts = load_tensors(tmp_path / "weights.safetensors")
    assert set(tensors) == {"heads.weight", "heads.bias"}
    assert "vision.norm.running_mean" in facts["left_out"]
    other = Model()
    before = other.vision.stem.weight.detach().clone()
    load_weights(tmp_path, other)
    assert torch.equal(other.heads.weight, model.heads.weight)
    assert torch.equal(other.vision.stem.weight, before)


def test_the_loss_scale_of_fp16_goes_on_where_it_was(tmp_path):
    """A resume that began again at 65536 would skip steps until the scale has fallen."""
    model, scaler = Model(), torch.amp.GradScaler("cpu", init_scale=512.0, growth_interval=3)
    optimizer = build_optimizer(model, dict.fromkeys((name for name, _ in model.named_parameters()), 0.1), 0.0, 1.0)
    for _ in range(4):  # grows once
        scaler.scale(model.heads(torch.ones(1, 2)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
    save_state(tmp_path / "state.safetensors", model, optimizer, Progress(step=4), scaler=scaler)
    fresh = torch.amp.GradScaler("cpu")
    load_state(tmp_path / "state.safetensors", model, optimizer, scaler=fresh)
    assert fresh.state_dict() == scaler.state_dict()
    assert fresh.get_scale() == 1024.0


def test_running_statistics_of_a_trained_tower_are_kept(tmp_path):
    """They have no gradient and no glob names them, yet training moves them."""
    model = Model()
    model.vision.norm.running_mean.fill_(7.0)
    trained = {"vision.norm.weight", "vision.norm.bias"}
    assert frozen_pretrained(model, trained) == {
        "vision.stem.weight",
        "vision.stem.bias",
        "vision.last.weight",
        "vision.last.bias",
    }
    save_weights(tmp_path, model, trained, {})
    other = Model()
    load_weights(tmp_path, other)
    assert other.vision.norm.running_mean.tolist() == [7.0, 7.0]


def test_a_tower_that_was_not_loaded_is_kept_even_where_it_is_frozen(tmp_path):
    model = Model()
    model.vision.pretrained = False
    save_weights(tmp_path, model, set(), {})
    assert set(load_tensors(tmp_path / "weights.safetensors")[0]) == set(model.state_dict())


def test_a_state_brings_back_model_optimiser_and_place(tmp_path):
    def build():
        model = nn.ModuleDict({"heads": nn.Linear(3, 3), "frozen": nn.BatchNorm1d(3)})
        rates = dict.fromkeys(("heads.weight", "heads.bias"), 1e-2)
        return model, build_optimizer(model, rates, 0.1, 1.0)

    def step(model, optimizer, seed):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] = 1e-2
        model["heads"](torch.randn(4, 3)).pow(2).sum().backward()
        optimizer.step()

    model, optimizer = build()
    step(model, optimizer, 1)
    progress = Progress(step=1, best=0.1 + 0.2, best_step=1, stale=2, seconds=1.5)
    save_state(tmp_path / "state.safetensors", model, optimizer, progress)
    again, its = build()
    assert load_state(tmp_path / "state.safetensors", again, its) == progress
    step(model, optimizer, 2)
    step(again, its, 2)
    assert torch.equal(model["heads"].weight, again["heads"].weight), "the moments of Adam came back bitwise"


@pytest.fixture(scope="module")
def towers(tmp_path_factory) -> Path:
    """Small checkpoints as the hub holds them: a ViT, a SigLIP, a BERT with its tokenizer."""
    folder = tmp_path_factory.mktemp("towers")
    torch.manual_seed(1)
    AutoModel.from_config(ViTConfig(**SMALL, image_size=48, patch_size=16)).save_pretrained(folder / "vit")
    vision = {**SMALL, "image_size": 48, "patch_size": 16}
    text = {**SMALL, "vocab_size": 99, "max_position_embeddings": 16, "projection_size": 32}
    AutoModel.from_config(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder / "siglip")
    tokenizer = train_tokenizer(["cough for a week", "fell down the stairs, painful to breathe"] * 9)
    AutoModel.from_config(BertConfig(**SMALL, vocab_size=len(tokenizer))).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    for name in ("vit", "siglip"):
        ViTImageProcessor(image_mean=[0.5] * 3, image_std=[0.25] * 3).save_pretrained(folder / name)
    return folder


def small_paper(toy_recipe, towers: Path, vision: str):
    """`size: paper` with small checkpoints in the places of the published ones."""
    model = {"image_px": 48, "width": 16, "heads": 2, "note_tokens": 16, "vision_pretrained": True}
    model |= {"vision": str(towers / vision), "text": str(towers / "bert")}
    return toy_recipe(size="paper", model=model, stages={"joint": {"epochs": 1, "batch": 24}})


@pytest.mark.parametrize("vision", ["vit", "siglip"])
def test_a_run_of_loaded_towers_stands_alone_once_they_were_trained(
    toy_recipe, towers, square_films, tmp_path, monkeypatch, vision
):
    mine = Path(shutil.copytree(towers, tmp_path / "towers"))
    run = train(small_paper(toy_recipe, mine, vision), tmp_path / "run")
    film = square_films / "001-PA.png"
    before = package.load(run).predict(film, text="cough for a week").prediction.scores
    tensors, facts = load_tensors(run / "1-joint" / "weights.safetensors")
    assert facts["left_out"] == []
    assert any(name.startswith("vision.backbone") for name in tensors)
    shutil.rmtree(mine)
    assert package.load(run).predict(film, text="cough for a week").prediction.scores == before


def test_frozen_towers_are_left_out_and_asked_for_again(toy_recipe, towers, square_films, tmp_path, monkeypatch):
    def stages(config, processor):
        return tuple(
            dataclasses.replace(stage, rates={g: r for g, r in stage.rates.items() if g not in ("vision.*", "text.*")})
            for stage in FAMILY.stages(config, processor)
        )

    frozen = dataclasses.replace(FAMILY, stages=stages)
    monkeypatch.setattr("medley.training.stages.get_family", lambda name: frozen)
    mine = Path(shutil.copytree(towers, tmp_path / "towers"))
    run = train(small_paper(toy_recipe, mine, "vit"), tmp_path / "run")
    tensors, facts = load_tensors(run / "1-joint" / "weights.safetensors")
    assert not any(name.startswith(("vision.", "text.")) for name in tensors)
    assert len(facts["left_out"]) > 50
    film = square_films / "001-PA.png"
    first = package.load(run).predict(film, text="cough").prediction.scores
    assert package.load(run).predict(film, text="cough").prediction.scores == first
    shutil.rmtree(mine)
    with pytest.raises(MedleyError, match=r"vision '.*towers/vit' cannot be loaded .*; check the id and the network"):
        package.load(run)


def test_a_run_without_weights_or_without_anything_is_named(toy_run, tmp_path):
    with pytest.raises(MedleyError, match=r"holds no config\.yaml: it is no run of `medley train`"):
        package.load(tmp_path)
    run = Path(shutil.copytree(toy_run, tmp_path / "run"))
    (run / "1-joint" / "weights.safetensors").unlink()
    with pytest.raises(MedleyError, match="holds no weights; train first"):
        package.load(run)
    shutil.rmtree(run / "processor")
    with pytest.raises(MedleyError, match="holds no processor"):
        package.load(run)


def test_a_run_can_be_moved(toy_run, square_films, tmp_path):
    film = square_films / "001-PA.png"
    before = package.load(toy_run).predict(film).prediction.scores
    assert package.load(shutil.copytree(toy_run, tmp_path / "moved")).predict(film).prediction.scores == before
