"""What a family is to the rest of Medley: a config, a processor, a model, and stages. Nothing else of it is known.

Case --data--> Study --Processor--> Batch --Model--> Output --Processor.predictions--> Prediction
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from medley.core.config import Config
from medley.core.records import Evidence, FilmInput, ImageInput, Prediction, Report, Study
from medley.core.stage import Stage

B = TypeVar("B")


class Processor(Protocol):
    """Turns studies into the family's Batch and its Output into predictions. Saved with the weights."""

    labels: tuple[str, ...]
    regions: tuple[str, ...]  # labels and parts of the body whose place in the image it learns from, where known

    def __call__(self, studies: Sequence[Study], targets: Sequence[Any] | None = None) -> Any:
        """The Batch of these studies; `targets` (one a study) are given in training and scoring only."""

    def predictions(self, output: Any, studies: Sequence[Study]) -> list[Prediction]:
        """One Prediction a study, in order."""

    def evidence(self, output: Any, studies: Sequence[Study]) -> list[Evidence]:
        """What each prediction rests on, in order."""

    def cut_words(self, note: str) -> int:
        """How many tokens of this note the model does not read."""

    def save(self, folder: Path) -> None:
        """Write what the processor learned or was built from (tokenizer, label order, mean and std)."""


@dataclass(frozen=True)
class Tower:
    """The part of a model that a stage may freeze, and what it makes of an image then need be computed only once.

    `parts` are the model's modules that it is made of; `reads` and `makes` the fields of a batch that hold its images
    and, where they are known already, its features; `see(model, images)` computes them.
    """

    parts: tuple[str, ...]
    reads: str
    makes: str
    see: Callable[[Any, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Family:
    """The literal that a family file ends with.

    `sizes` names the backbones: a recipe's `size` lays that mapping under its `model`. `reads(config)` says what is
    read of a study: films of one size, or one volume on one grid.
    `fit_processor(config, labels, notes, prevalence, reports)` builds a processor from the training part, of which
    `reports` are the target sections that each study has, and a sample of its `volumes` comes last for a family that
    reads them; `load_processor(config, folder)` reads a saved one.
    `model(config, processor, pretrained=True)` builds the model, with pretrained=False all of it with random weights,
    for saved ones to be laid over; `stages(config, processor)` gives the stages named `stage_names`. `sketch(config)`
    is a processor from published configs, without words or weights, from which the model can be built to be counted;
    `reference` holds the parameters of each part of the system the family follows, and why ours differ.
    `write(model, processor, output)` gives one Report a study, for a family that writes. `tower` is what a stage that
    freezes it may have computed once for each image.
    """

    name: str
    task: str
    config: type[Config]
    sizes: Mapping[str, Mapping[str, Any]]
    stage_names: tuple[str, ...]
    reads: Callable[[Any], ImageInput]
    fit_processor: Callable[..., Processor]
    load_processor: Callable[[Any, Path], Processor]
    model: Callable[..., nn.Module]
    stages: Callable[[Any, Any], tuple[Stage, ...]]
    sketch: Callable[[Any], Processor]
    reference: Mapping[str, tuple[int, str]]
    write: Callable[..., list[Report]] | None = None
    tower: Tower | None = None


def reads_films(config: Any) -> FilmInput:
    """What a family with `image_px` and `views` in its config reads."""
    return FilmInput(config.image_px, config.views)


def to_device(batch: B, device: torch.device | str) -> B:
    """A frozen dataclass of tensors, with every tensor on the device."""
    moved = {
        field.name: value.to(device, non_blocking=True)
        for field in dataclasses.fields(batch)  # type: ignore[arg-type]
        if isinstance(value := getattr(batch, field.name), torch.Tensor)
    }
    return dataclasses.replace(batch, **moved)  # type: ignore[type-var]
