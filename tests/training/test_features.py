"""The cache of a frozen tower gives what the tower gives, computes it once, and is not fooled by a change."""

from __future__ import annotations

import pickle
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.family import Tower
from medley.training.features import FeatureCache, check_frozen, tower_digest


@dataclass(frozen=True)
class Batch:
    images: torch.Tensor
    features: torch.Tensor | None = None


class Standard(nn.Module):
    """What is not saved with the weights, and what has none."""

    def __init__(self, scale: float, shifts: int = 1):
        super().__init__()
        self.shifts = shifts
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def forward(self, images):
        return images.roll(self.shifts, 1) / self.scale


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision, self.standard, self.head = nn.Linear(6, 4), Standard(2.0), nn.Linear(4, 1)
        self.asked = 0

    def see(self, images):
        self.asked += len(images)
        return self.vision(self.standard(images))

    def forward(self, batch):
        return self.head(self.see(batch.images) if batch.features is None else batch.features)


TOWER = Tower(("vision", "standard"), "images", "features", lambda model, images: model.see(images))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Model()


def filled(cache: FeatureCache, model: Model, images: torch.Tensor, which: Sequence[Hashable]) -> Batch:
    """What a cached stage is given of these images: named in the loader, looked up where the model is."""
    return cache(model, cache.keys(Batch(images), which))


def test_each_image_is_seen_once_whatever_batch_it_comes_in(model, tmp_path):
    cache, images = FeatureCache(TOWER, model, tmp_path, "fp32"), torch.randn(5, 6)
    with torch.no_grad():
        whole = model(Batch(images))
        model.asked = 0
        assert torch.equal(model(filled(cache, model, images, range(5))), whole)
        assert torch.equal(model(filled(cache, model, images[[3, 1]], [3, 1])), whole[[3, 1]])
        mixed = torch.cat([images[2:3], torch.randn(1, 6)])
        assert torch.equal(model(filled(cache, model, mixed, [2, 5])), model(Batch(mixed)))
    assert (cache.made, cache.found) == (6, 3)


def test_an_image_is_known_by_what_it_is_and_not_by_what_it_is_called(model, tmp_path):
    images = torch.randn(2, 6)
    filled(FeatureCache(TOWER, model, tmp_path, "fp32"), model, images, ["a", "b"])
    renamed = FeatureCache(TOWER, model, tmp_path, "fp32")
    filled(renamed, model, images, ["b", "a"])
    assert (renamed.made, renamed.found) == (0, 2)
    other = FeatureCache(TOWER, model, tmp_path, "fp32")
    images[0, 0] += 1e-6
    filled(other, model, images, ["a", "b"])
    assert (other.made, other.found) == (1, 1)


def test_an_image_is_hashed_once_and_left_out_where_its_features_are_kept(model, tmp_path, monkeypatch):
    cache, images = FeatureCache(TOWER, model, tmp_path, "fp32"), torch.randn(3, 6)
    cold = cache.keys(Batch(images), range(3))
    assert torch.equal(cold.batch.images, images)
    features = cache(model, cold).features
    monkeypatch.setattr("medley.training.features._bytes", lambda image: pytest.fail("hashed again"))
    warm = cache.keys(Batch(images), range(3))
    assert warm.keys == cold.keys
    assert len(warm.batch.images) == 0
    assert torch.equal(cache(model, warm).features, features)
    cache.keys.path(warm.keys[1]).unlink()
    assert len(cache.keys(Batch(images), range(3)).batch.images) == 3
    with pytest.raises(MedleyError, match="the cache was cleared while it was read; go on with --resume"):
        cache(model, warm)


def test_names_travel_to_loader_processes_and_with_the_batch(model, tmp_path):
    keys = pickle.loads(pickle.dumps(FeatureCache(TOWER, model, tmp_path, "fp32").keys))
    read = keys(Batch(torch.randn(2, 6)), ["a", "b"])
    moved = read.to(torch.device("meta"))
    assert moved.keys == read.keys
    assert moved.batch.images.device.type == "meta"


def test_a_mirrored_image_is_another_entry(model, tmp_path):
    cache, images = FeatureCache(TOWER, model, tmp_path, "fp32"), torch.randn(2, 6)
    there = filled(cache, model, images, [("a", False), ("b", False)]).features
    back = filled(cache, model, images.flip(1), [("a", True), ("b", True)]).features
    assert cache.made == 4
    assert not torch.allclose(there, back)


def test_a_tower_that_learned_or_another_precision_finds_nothing(model, tmp_path):
    images = torch.randn(2, 6)
    filled(FeatureCache(TOWER, model, tmp_path, "fp32"), model, images, "ab")
    other = FeatureCache(TOWER, model, tmp_path, "bf16")
    filled(other, model, images, "ab")
    assert other.made == 2
    with torch.no_grad():
        model.head.weight.add_(1)  # no part of the tower
    same = FeatureCache(TOWER, model, tmp_path, "fp32")
    filled(same, model, images, "ab")
    assert same.found == 2
    with torch.no_grad():
        model.vision.weight[0, 0] += 1e-3
    learned = FeatureCache(TOWER, model, tmp_path, "fp32")
    fresh = filled(learned, model, images, "ab").features
    assert learned.made == 2
    assert torch.equal(fresh, model.see(images).detach())


def test_a_tower_of_the_same_weights_that_is_set_otherwise_is_another_tower(model):
    """A mean that is not saved with the weights, a stride that has none, the same numbers in another shape."""
    digests = {tower_digest(TOWER, model)}
    model.train(not model.training)
    assert tower_digest(TOWER, model) in digests, "the same tower"
    for standard in (Standard(3.0), Standard(2.0, shifts=2), nn.Identity()):
        model.standard = standard
        digests.add(tower_digest(TOWER, model))
    assert len(digests) == 4
    digests.add(tower_digest(replace(TOWER, see=Model.see), model))
    assert len(digests) == 5, "what is read off it is another thing"


def test_a_stage_that_trains_the_tower_cannot_cache_it():
    assert check_frozen(TOWER, ["head.weight"], "lora", "family") is TOWER
    with pytest.raises(MedleyError, match=r"stages.lora.cache_features: the stage trains 'vision.weight'"):
        check_frozen(TOWER, ["head.weight", "vision.weight"], "lora", "family")
    with pytest.raises(MedleyError, match="no tower that could be cached"):
        check_frozen(None, [], "lora", "chexquery")
