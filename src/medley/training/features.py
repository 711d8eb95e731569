"""What a frozen tower makes of an image, computed once: the cache that cached stages read instead of running the tower.

    CACHE/features/<tower>/<image>.safetensors

`<tower>` names the tower's weights, how it is built and the precision that it runs in, `<image>` the very numbers that
it reads: bytes, transform and mirror are all in them. So the cache never has to be told that something has changed: a
tower that learned one more step, another preprocessing or a mirrored volume are simply not found there.

Where batches are made (`ImageKeys`, in the loader's processes) an image gets its name, and is hashed once for it; where
the model is (`FeatureCache`) features are read by name, and those that the cache lacks are computed.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.family import Tower, to_device
from medley.core.weights import load_tensors, save_tensors

_NAME = "made"
_PLAIN = (bool, int, float, str)


@dataclass(frozen=True)
class Keyed:
    """A batch and, in a cached stage, the names of its images."""

    batch: Any
    keys: tuple[str, ...] = ()

    def to(self, device: torch.device) -> Keyed:
        return Keyed(to_device(self.batch, device), self.keys)


class ImageKeys:
    """Names the images of a batch by their content.

    In a cached stage images are still: what is read of one, mirrored or not, is the same in every epoch. So it is
    hashed when this process first meets it, and remembered. A batch whose features are all kept comes without its
    images, which need be copied nowhere.
    """

    def __init__(self, reads: str, folder: Path):
        """`reads` is the field of a batch that holds its images, `folder` where their features are kept."""
        self.reads, self.folder = reads, folder
        self._names: dict[Hashable, str] = {}

    def __call__(self, batch: Any, which: Sequence[Hashable]) -> Keyed:
        """`which` says of each image what it is: a study, its files, whether they are mirrored."""
        images_B = getattr(batch, self.reads)
        for one, image in zip(which, images_B, strict=True):
            if one not in self._names:
                self._names[one] = hashlib.blake2b(_bytes(image), digest_size=16).hexdigest()
        keys = tuple(self._names[one] for one in which)
        if all(self.path(key).is_file() for key in keys):
            batch = dataclasses.replace(batch, **{self.reads: images_B[:0]})
        return Keyed(batch, keys)

    def path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


class FeatureCache:
    """Gives a family's batches what its frozen tower makes of them."""

    def __init__(self, tower: Tower, model: nn.Module, folder: Path, precision: str):
        self.tower = tower
        self.keys = ImageKeys(tower.reads, folder / "features" / f"{tower_digest(tower, model)}-{precision}")
        self.found = self.made = 0  # images

    def __call__(self, model: nn.Module, read: Keyed) -> Any:
        """The batch with the tower's features in it; those that the cache lacks are computed, without gradients, in the
        precision that is set where this is called. Raises MedleyError where the cache is cleared under its reader."""
        images_B = getattr(read.batch, self.tower.reads)
        paths = [self.keys.path(key) for key in read.keys]
        features = [load_tensors(path)[0][_NAME] if path.is_file() else None for path in paths]
        lacking = [row for row, known in enumerate(features) if known is None]
        if lacking:
            if not len(images_B):
                gone = paths[lacking[0]]
                raise MedleyError(f"{gone} is gone: the cache was cleared while it was read; go on with --resume")
            with torch.no_grad():
                made = self.tower.see(model, images_B[lacking]).cpu()
            for row, one in zip(lacking, made, strict=True):
                save_tensors(paths[row], {_NAME: one}, {})
                features[row] = one
        self.made += len(lacking)
        self.found += len(paths) - len(lacking)
        known = torch.stack([one for one in features if one is not None]).to(images_B.device)
        return dataclasses.replace(read.batch, **{self.tower.makes: known})


def tower_digest(tower: Tower, model: nn.Module) -> str:
    """Of every tensor of the tower, saved with the weights or not, of how its modules are set, for a stride has no
    weights, and of what is read off it."""
    digest = hashlib.blake2b(f"{tower.see.__module__}.{tower.see.__qualname__}\n".encode(), digest_size=12)
    for part in sorted(tower.parts):
        module = getattr(model, part)
        for name, inner in module.named_modules(prefix=part):
            settings = ", ".join(f"{key}={value!r}" for key, value in sorted(_settings(inner)))
            digest.update(f"{name}: {type(inner).__name__}({settings})\n".encode())
        for name, tensor in chain(module.named_parameters(prefix=part), module.named_buffers(prefix=part)):
            digest.update(f"{name}: {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(_bytes(tensor))
    return digest.hexdigest()


def _settings(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """What a module was told when it was built, as far as it is plain."""
    for key, value in vars(module).items():
        if not key.startswith("_") and key != "training" and _is_plain(value):
            yield key, value


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(_is_plain(one) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return all(_is_plain(getattr(value, field.name)) for field in dataclasses.fields(value))
    return value is None or isinstance(value, _PLAIN)


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


def _bytes(tensor: torch.Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
