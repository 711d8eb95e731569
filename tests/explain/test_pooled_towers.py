"""Towers with a pool are explained by the part that makes their patches: what the pool attends to is no map."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.seeds import seed_torch
from medley.encoders.pooled import build_pooled
from medley.encoders.vision2d import VisionSpec, describe_vision
from medley.explain.layers import cam_layer, is_cnn
from medley.explain.methods import METHODS, film_maps

SIGLIP = {"model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
SIGLIP |= {"num_attention_heads": 2, "image_size": 48, "patch_size": 12}


def tower(name: str):
    seed_torch("pooled towers", 0)
    half = (0.5, 0.5, 0.5)
    spec = VisionSpec("a/siglip", SIGLIP, half, half) if name == "siglip" else describe_vision(name)
    return build_pooled(spec, 48, False, -1 if name != "resnet10t" else -2, 32, 2).eval()


@dataclass(frozen=True)
class Answer:
    logits_BC: torch.Tensor
    maps_BCVhw: torch.Tensor

    def binary(self, head: str) -> torch.Tensor:
        return self.logits_BC


class Pooled(nn.Module):
    """One film a study: the logits read the mean of its patches, and each label looks at all of them alike."""

    def __init__(self, vision):
        super().__init__()
        self.vision, self.head = vision, nn.Linear(32, 3)

    def forward(self, batch):
        whole_FD, patches_FPD = self.vision(batch.films_BV1HW[batch.is_film_BV])
        height, width = self.vision.grid
        even = torch.full((len(batch), 3, 1, height, width), 1 / (height * width))
        return Answer(self.head(patches_FPD.mean(1) + 0 * whole_FD), even)


@pytest.fixture(scope="module")
def one_film(films):
    both = films(48)
    return type(both)(both.films_BV1HW[:, :1], both.is_film_BV[:, :1])


@pytest.mark.parametrize("name", ["siglip", "test_vit", "resnet10t"])
def test_every_method_gives_maps_or_says_in_one_line_why_not(one_film, name):
    model = Pooled(tower(name))
    columns_BK = torch.tensor([[0, 2], [1, 0]])
    for method in METHODS:
        if method == "rollout" and name == "resnet10t":
            with pytest.raises(MedleyError, match="is a CNN"):
                film_maps(method, model, one_film, columns_BK)
            continue
        maps = film_maps(method, model, one_film, columns_BK)
        assert maps.shape[:3] == (2, 2, 1), method
        assert (maps >= 0).all(), method
        assert maps.isfinite().all(), method


def test_a_pool_that_attends_makes_no_vit_of_a_cnn():
    assert is_cnn(tower("resnet10t"))
    assert not is_cnn(tower("test_vit"))
    assert not is_cnn(tower("siglip"))


def test_the_layer_of_a_siglip_lies_before_the_last_attention_and_not_in_its_pool():
    vision = tower("siglip")
    assert cam_layer(vision) is vision.backbone.encoder.layers[-1].layer_norm1


def test_rollout_of_a_siglip_follows_its_blocks_alone(one_film):
    """The pool's own attention, [F, 1, patches], would break the chain of blocks; an even look stays a whole look."""
    maps = film_maps("rollout", Pooled(tower("siglip")), one_film, torch.tensor([[0], [1]]))
    assert maps.shape == (2, 1, 1, 4, 4)
    assert torch.allclose(maps.sum((3, 4)), torch.ones(2, 1, 1), atol=1e-5)
