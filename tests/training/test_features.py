"""The cache of a frozen tower gives what the tower gives, computes it once, and is not fooled by a change."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.family import Tower
from medley.training.features import FeatureCache, check_frozen


@dataclass(frozen=True)
class Batch:
    images: torch.Tensor
    features: torch.Tensor | None = None


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision, self.head = nn.Linear(6, 4), nn.Linear(4, 1)
        self.asked = 0

    def see(self, images):
        self.asked += len(images)
        return self.vision(images)

    def forward(self, batch):
        return self.head(self.see(batch.images) if batch.features is None else batch.features)


TOWER = Tower(("vision",), "images", "features", lambda model, images: model.see(images))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Model()


def test_each_image_is_seen_once_whatever_batch_it_comes_in(model, tmp_path):
    cache, images = FeatureCache(TOWER, model, tmp_path, "fp32"), torch.randn(5, 6)
    with torch.no_grad():
        whole = model(Batch(images))
        model.asked = 0
        assert torch.equal(model(cache(model, Batch(images))), whole)
        assert torch.equal(model(cache(model, Batch(images[[3, 1]]))), whole[[3, 1]])
    assert (model.asked, cache.made, cache.found) == (5, 5, 2)


def test_a_mirrored_image_is_another_entry(model, tmp_path):
    cache, images = FeatureCache(TOWER, model, tmp_path, "fp32"), torch.randn(2, 6)
    there, back = cache(model, Batch(images)).features, cache(model, Batch(images.flip(1))).features
    assert cache.made == 4
    assert not torch.allclose(there, back)


def test_a_tower_that_learned_or_another_precision_finds_nothing(model, tmp_path):
    images = torch.randn(2, 6)
    FeatureCache(TOWER, model, tmp_path, "fp32")(model, Batch(images))
    other = FeatureCache(TOWER, model, tmp_path, "bf16")
    other(model, Batch(images))
    assert other.made == 2
    with torch.no_grad():
        model.head.weight.add_(1)  # no part of the tower
    same = FeatureCache(TOWER, model, tmp_path, "fp32")
    same(model, Batch(images))
    assert same.found == 2
    with torch.no_grad():
        model.vision.weight[0, 0] += 1e-3
    learned = FeatureCache(TOWER, model, tmp_path, "fp32")
    fresh = learned(model, Batch(images)).features
    assert learned.made == 2
    assert torch.equal(fresh, model.vision(images).detach())


def test_a_stage_that_trains_the_tower_cannot_cache_it():
    assert check_frozen(TOWER, ["head.weight"], "lora", "family") is TOWER
    with pytest.raises(MedleyError, match=r"stages.lora.cache_features: the stage trains 'vision.weight'"):
        check_frozen(TOWER, ["head.weight", "vision.weight"], "lora", "family")
    with pytest.raises(MedleyError, match="no tower that could be cached"):
        check_frozen(None, [], "lora", "chexquery")
