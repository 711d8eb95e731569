"""What a frozen tower makes of an image, computed once: the cache that cached stages read instead of running the tower.

    CACHE/features/<tower>/<image>.safetensors

`<tower>` names the tower's weights and the precision that it runs in, `<image>` the very numbers that it reads: bytes,
transform and mirror are all in them. So the cache never has to be told that something has changed: a tower that learned
one more step, another preprocessing or a mirrored volume are simply not found there.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.family import Tower
from medley.core.weights import load_tensors, save_tensors

_NAME = "made"


class FeatureCache:
    """Gives a family's batches what its frozen tower makes of them."""

    def __init__(self, tower: Tower, model: nn.Module, folder: Path, precision: str):
        self.tower = tower
        self.folder = folder / "features" / f"{tower_digest(tower, model)}-{precision}"
        self.found = self.made = 0  # images

    def __call__(self, model: nn.Module, batch: Any) -> Any:
        """The batch with the tower's features in it; those that the cache lacks are computed, without gradients, in the
        precision that is set where this is called."""
        images_B = getattr(batch, self.tower.reads)
        paths = [self.folder / f"{_digest(image)}.safetensors" for image in images_B]
        features = [load_tensors(path)[0][_NAME] if path.is_file() else None for path in paths]
        lacking = [row for row, known in enumerate(features) if known is None]
        if lacking:
            with torch.no_grad():
                made = self.tower.see(model, images_B[lacking]).cpu()
            for row, one in zip(lacking, made, strict=True):
                save_tensors(paths[row], {_NAME: one}, {})
                features[row] = one
        self.made += len(lacking)
        self.found += len(paths) - len(lacking)
        known = torch.stack([one for one in features if one is not None]).to(images_B.device)
        return dataclasses.replace(batch, **{self.tower.makes: known})


def tower_digest(tower: Tower, model: nn.Module) -> str:
    """Of every tensor of the tower, in order of their names."""
    digest = hashlib.blake2b(digest_size=12)
    state = model.state_dict()
    for name in sorted(name for name in state if name.split(".")[0] in tower.parts):
        digest.update(name.encode())
        digest.update(_bytes(state[name]))
    return digest.hexdigest()


def check_frozen(tower: Tower | None, trained: Collection[str], stage: str, family: str) -> Tower:
    """The tower of a stage that caches it. Raises MedleyError where the family has none, or the stage trains it."""
    if tower is None:
        raise MedleyError(f"stages.{stage}.cache_features: {family} has no tower that could be cached; leave it out")
    learning = [name for name in trained if name.split(".")[0] in tower.parts]
    if learning:
        raise MedleyError(
            f"stages.{stage}.cache_features: the stage trains '{min(learning)}' of the tower; leave it out"
        )
    return tower


def _digest(image: torch.Tensor) -> str:
    return hashlib.blake2b(_bytes(image), digest_size=16).hexdigest()


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
