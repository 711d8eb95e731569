"""Rollout follows attention through the blocks of a ViT, and says that a CNN has none."""

from __future__ import annotations

import pytest
import torch

from medley.core.errors import MedleyError
from medley.explain.methods import film_maps
from medley.explain.rollout import recorded_attention, rollout, rollout_maps

LABELS = torch.tensor([[2, 0], [1, 2]])


def test_by_hand():
    """Two blocks of three tokens; (A + I) / 2 of each, the later one on the left."""
    first, second = torch.eye(3)[None, None], torch.tensor([[[[0, 1.0, 0], [0, 0, 1], [1, 0, 0]]]])
    expected = (second[0, 0] + torch.eye(3)) / 2
    torch.testing.assert_close(rollout([first, second])[0], expected)
    heads = torch.cat([second, torch.eye(3)[None, None]], dim=1)
    torch.testing.assert_close(rollout([heads])[0], (second[0, 0] + 3 * torch.eye(3)) / 4)


def test_rows_sum_to_one_and_the_tower_is_left_as_it_was(averager, films):
    model, batch = averager("test_vit", 32), films(32)
    before = model(batch).logits_BC
    fused = [module.fused_attn for module in model.vision.modules() if hasattr(module, "fused_attn")]
    with torch.no_grad(), recorded_attention(model.vision) as attentions:
        torch.testing.assert_close(model(batch).logits_BC, before, rtol=1e-4, atol=1e-5)
    assert len(attentions) == 6
    torch.testing.assert_close(rollout(attentions).sum(-1), torch.ones(3, attentions[0].shape[-1]))
    assert [module.fused_attn for module in model.vision.modules() if hasattr(module, "fused_attn")] == fused
    assert not any(module._forward_hooks for module in model.vision.modules())


def test_maps_are_of_the_real_films(averager, films):
    maps_BKVhw = rollout_maps(averager("test_vit", 32), films(32), LABELS)
    assert maps_BKVhw.shape == (2, 2, 2, 2, 2)
    assert maps_BKVhw[1, :, 1].abs().max() == 0
    assert (maps_BKVhw[0] > 0).all()


def test_hugging_faces_attention_is_found(averager):
    from transformers import AutoConfig

    from medley.encoders.vision2d import VisionSpec, build_vision

    small = {"num_hidden_layers": 3, "num_attention_heads": 2, "hidden_size": 32, "image_size": 32, "patch_size": 8}
    config = AutoConfig.for_model("vit", **small, intermediate_size=64)
    tower = build_vision(VisionSpec("x/vit", config.to_dict(), (0.5,) * 3, (0.5,) * 3), 32, False).eval()
    was = tower.backbone.config._attn_implementation
    with torch.no_grad(), recorded_attention(tower) as attentions:
        tower(torch.rand(2, 1, 32, 32))
    assert [tuple(one.shape) for one in attentions] == [(2, 2, 17, 17)] * 3
    torch.testing.assert_close(attentions[0].sum(-1), torch.ones(2, 2, 17))
    assert tower.backbone.config._attn_implementation == was


def test_a_cnn_is_refused_by_name(averager, films):
    with pytest.raises(MedleyError, match="FeatureListNet, is a CNN and has none: use queries"):
        film_maps("rollout", averager("test_resnet", 64), films(64), LABELS)


def test_an_unknown_method_is_named(averager, films):
    with pytest.raises(MedleyError, match="unknown method 'grad-cam'; did you mean 'gradcam'"):
        film_maps("grad-cam", averager("test_resnet", 64), films(64), LABELS)
