"""Deep layers learn faster than shallow ones, whatever the tower calls them; and the rate is a function of the step."""

from __future__ import annotations

import pytest
from torch import nn
from transformers import BertConfig, DistilBertConfig, SiglipVisionConfig, ViTConfig

from medley.encoders.text import TextSpec, build_text
from medley.encoders.vision2d import VisionSpec, build_vision, describe_vision
from medley.families import get_family
from medley.training.battery import Subject
from medley.training.optim import build_optimizer, decayed, depths, parameter_groups, rate_factor, set_rates

SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}


def timm_tower(name: str, px: int) -> nn.Module:
    return nn.ModuleDict({"vision": build_vision(describe_vision(name), px, pretrained=False)})


def hub_tower(config) -> nn.Module:
    spec = VisionSpec("a/b", config.to_dict(), (0.5,) * 3, (0.5,) * 3)
    return nn.ModuleDict({"vision": build_vision(spec, 48, pretrained=False)})


def text_tower(config) -> nn.Module:
    return nn.ModuleDict({"text": build_text(TextSpec(None, config.to_dict()), pretrained=False)})


TOWERS = {
    "vit of timm": (lambda: timm_tower("test_vit", 48), 6, "patch_embed", None),
    "resnet of timm": (lambda: timm_tower("resnet10t", 64), 4, "conv1", None),
    "convnext of timm": (lambda: timm_tower("test_convnext", 64), 4, "stem", None),
    "densenet of timm": (lambda: timm_tower("densenet121", 64), 4, "features_conv0", "features_norm5"),
    "vit of the hub": (lambda: hub_tower(ViTConfig(**SMALL, image_size=48, patch_size=16)), 3, "embed", "layernorm."),
    "siglip": (
        lambda: hub_tower(SiglipVisionConfig(**SMALL, image_size=48, patch_size=16)),
        3,
        "embed",
        "post_layernorm",
    ),
    "bert": (lambda: text_tower(BertConfig(**SMALL, vocab_size=50)), 3, "embeddings", None),
    "distilbert": (
        lambda: text_tower(DistilBertConfig(dim=32, n_layers=3, n_heads=2, hidden_dim=64, vocab_size=50)),
        3,
        "embeddings",
        None,
    ),
}


@pytest.mark.parametrize("kind", TOWERS)
def test_blocks_are_counted_from_the_stem_to_the_last_norm(kind):
    build, blocks, stem, last = TOWERS[kind]
    depth = depths(name for name, _ in build().named_parameters())
    assert set(depth.values()) == set(range(blocks + 1))
    assert {
        d for name, d in depth.items() if stem in name.split("backbone.")[1].removeprefix("model.")[: len(stem)]
    } == {0}
    if last:
        found = {d for name, d in depth.items() if name.split("backbone.")[1].startswith(last)}
        assert found == {blocks}, "a norm after the last block is no stem"


@pytest.mark.parametrize("kind", ["vit of timm", "resnet of timm", "vit of the hub", "bert"])
def test_rates_fall_with_the_distance_from_the_end(kind):
    model = TOWERS[kind][0]()
    model["heads"] = nn.Linear(3, 3)
    rates = {name: 1.0 for name, _ in model.named_parameters()}
    groups = parameter_groups(model, rates, weight_decay=0.1, layer_decay=0.5)
    of = {name: group["rate"] for group in groups for name in group["names"]}
    depth = depths(name for name, _ in model.named_parameters())
    deepest = max(depth.values())
    for name, rate in of.items():
        assert rate == (0.5 ** (deepest - depth[name]) if name in depth else 1.0)


def test_depth_is_of_the_whole_tower_even_where_a_stage_trains_only_its_beginning():
    model = TOWERS["vit of the hub"][0]()
    named = [name for name, _ in model.named_parameters() if ".layers.0." in name]
    groups = parameter_groups(model, dict.fromkeys(named, 1.0), 0.0, layer_decay=0.5)
    assert {group["rate"] for group in groups} == {0.25}


def test_only_matrices_are_decayed_and_only_named_parameters_are_there():
    model = nn.ModuleDict({"heads": nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)), "other": nn.Linear(2, 2)})
    rates = {name: 1e-3 for name, _ in model.named_parameters() if name.startswith("heads")}
    groups = parameter_groups(model, rates, weight_decay=0.1)
    decay = {name: group["weight_decay"] for group in groups for name in group["names"]}
    assert decay == {"heads.0.weight": 0.1, "heads.0.bias": 0.0, "heads.1.weight": 0.0, "heads.1.bias": 0.0}
    named = dict(model.named_parameters())
    assert all(p is named[n] for g in groups for n, p in zip(g["names"], g["params"], strict=True))


def test_warm_up_then_cosine_to_nearly_zero():
    factors = [rate_factor(step, 100, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1.0
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[55] == pytest.approx(0.5, abs=0.01)
    assert 0 < factors[99] < 0.001


@pytest.mark.parametrize(("steps", "warmup"), [(1, 0.05), (1, 0.0), (2, 1.0), (3, 0.5), (10, 1.0)])
def test_short_stages_have_rates_too(steps, warmup):
    assert all(0 < rate_factor(step, steps, warmup) <= 1 for step in range(steps))


def test_set_rates_keeps_the_ratio_between_groups():
    model = nn.ModuleDict({"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)})
    rates = {name: 1e-3 if name.startswith("a") else 1e-2 for name, _ in model.named_parameters()}
    optimizer = build_optimizer(model, rates, 0.0, 1.0)
    set_rates(optimizer, 0.5)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == pytest.approx([5e-4, 5e-3])


def test_only_maps_are_decayed_in_the_family_itself():
    """A decayed prevalence bias would drift to one half, and a decayed position table to no position."""
    subject = Subject(get_family("cxr_reasoner"))
    model = subject.model()
    kept = {name for name, _ in model.named_parameters()} - decayed(model)
    for name in ("heads.fused.bias_CO", "queries.fused.queries_CD", "bridge.view_VD", "bridge.no_note_KD"):
        assert name in kept
    assert any(name.endswith("cls_token") for name in kept)
    assert any(name.endswith("pos_embed") for name in kept)
    assert any(name.endswith("word_embeddings.weight") for name in kept)
    assert {"heads.fused.weight_COD", "bridge_patches.0.weight"} <= decayed(model)
    assert any("attn" in name for name in decayed(model))


@pytest.mark.parametrize("config", [SiglipVisionConfig(**SMALL, image_size=48, patch_size=16), ViTConfig(**SMALL)])
def test_position_tables_of_the_hub_are_not_decayed(config):
    from transformers import AutoModel

    model = AutoModel.from_config(config)
    kept = {name for name, _ in model.named_parameters()} - decayed(model)
    assert any("position_embedding" in name for name in kept)
    assert any("patch_embed" in name for name in decayed(model))
