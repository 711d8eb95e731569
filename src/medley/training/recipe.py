"""A recipe: one strict YAML document that says what is trained, on what, how, and how it is scored.

`load_recipe` lays the family's size under it, checks every key, and gives back the document fully resolved: what is
written to `RUN/config.yaml`, and what `--resume` and `evaluate` read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from medley.core.config import Config, build_config, merged, read_yaml, with_settings
from medley.core.errors import MedleyError, nearest
from medley.data.source import DataConfig

if TYPE_CHECKING:
    from medley.core.family import Family


class StageConfig(Config):
    """What a recipe may change of a family's stage; unset fields keep the family's."""

    epochs: float | None = Field(None, gt=0)
    """Passes over the training part; 0.5 reads half of it, drawn by the seed."""
    batch: int | None = Field(None, ge=1)
    """Studies a device reads at once; an optimiser step sees batch * accumulate * devices."""
    accumulate: int = Field(1, ge=1)
    """Batches a device adds up before an optimiser step. A loss that compares studies compares those of all of them, as
    one large batch would: they are read twice, and one batch's memory is enough."""
    lr_scale: float = Field(1.0, gt=0)
    """Multiplies the stage's own learning rates."""
    dev_every: int = Field(1, ge=1)
    """Epochs from one dev evaluation to the next; the end of the stage is always scored."""
    cache_features: bool = False
    """What the frozen tower makes of each image is computed once and kept. Of augmentation only the mirror is left."""
    best_by: str | None = None
    """The dev metric that picks the best weights: `loss`, or a metric name of the scorecard."""
    warmup: float | None = Field(None, ge=0, le=1)
    """Share of the steps over which the rates rise from 0."""
    weight_decay: float | None = Field(None, ge=0)
    """AdamW weight decay of matrices; norms and biases have none."""


class TrainerConfig(Config):
    """How training runs; nothing here changes what is learned, apart from the precision."""

    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    """fp16 needs a GPU."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to train."""
    devices: int = Field(1, ge=1)
    """Processes a node; each drives one GPU, or shares the CPU."""
    nodes: int = Field(1, ge=1)
    """Machines, for SLURM or torchrun."""
    strategy: Literal["auto", "ddp", "ddp_spawn"] = "auto"
    """How several devices are driven; auto is one process, or ddp_spawn where there are several."""
    workers: int = Field(0, ge=0)
    """Loader processes a device."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient."""
    augment: bool | Literal["mirror", "light"] = True
    """Rotate, shift, scale and expose training images anew each epoch; films are never flipped, volumes are mirrored
    with all that names a side. Of volumes also less: mirror alone; light: the mirror, whole voxels, grey values."""
    ema: float | None = Field(None, gt=0, lt=1)
    """Decay of a running average of the weights (0.999, say); the average is scored on dev and saved."""
    patience: int | None = Field(None, ge=1)
    """Stop a stage after this many dev evaluations without a new best."""
    checkpoint_every: int = Field(200, ge=1)
    """Optimiser steps between the states that --resume goes on from; one is also written after every epoch."""


class EvaluateConfig(Config):
    """How the run is scored."""

    bootstrap: int = Field(1000, ge=0)
    """Resamples of patients for the intervals; 0 leaves the intervals out."""
    aggregation: Literal["mean", "max"] = "mean"
    """How groups of films of one study become one score."""
    thresholds: Literal["max_f1", "youden", "sensitivity"] = "max_f1"
    """What the dev part's thresholds are chosen by: the best F1, the best Youden index, or a fixed sensitivity."""
    sensitivity: float = Field(0.9, gt=0, le=1)
    """The share of positives that a threshold must find, where thresholds is sensitivity."""
    calibration: Literal["none", "temperature", "platt", "isotonic"] = "platt"
    """How scores become probabilities, fitted on the dev part."""
    explained: int = Field(40, ge=0)
    """Of volumes: lesions whose reports LIME explains; a few thousand passes through the model for each."""

    @model_validator(mode="after")
    def _sensitivity_is_used(self) -> EvaluateConfig:
        if self.thresholds != "sensitivity" and self.sensitivity != type(self).model_fields["sensitivity"].default:
            rule = "it needs thresholds: sensitivity"
            raise ValueError(
                f"sensitivity {self.sensitivity:g} changes nothing with thresholds {self.thresholds}; {rule}"
            )
        return self


class Recipe(Config):
    """One document, fully resolved."""

    family: str
    """A name of `medley check`."""
    size: Literal["toy", "tiny", "paper"] = "tiny"
    """Which backbones: tiny is built here with random weights, paper is loaded by from_pretrained; toy is for tests."""
    seed: int = Field(42, ge=0)
    """Seeds initialisation, order, dropout and augmentation."""
    data: DataConfig
    """What is trained on."""
    model: dict[str, Any] = Field(default_factory=dict)
    """Fields of the family's config."""
    stages: dict[str, StageConfig] = Field(default_factory=dict)
    """Which stages, in the family's order; empty means all."""
    trainer: TrainerConfig = TrainerConfig()
    """How training runs."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """How the run is scored."""
    demo: dict[str, Any] = Field(default_factory=dict)
    """What `medley demo` changes."""


def load_recipe(path: Path | str, settings: Sequence[str] = (), demo: bool = False) -> Recipe:
    """The recipe at `path` with `a.b=value` settings laid over it, checked against its family and fully resolved.

    Raises MedleyError with the key, the rule and the nearest right name.
    """
    document = with_settings(read_yaml(path), settings)
    if demo:
        changes = document.get("demo") or {}
        document = merged(document, changes)
    return resolve_recipe(document, str(path))


def resolve_recipe(document: dict[str, Any], where: str) -> Recipe:
    """Check a plain document and fill in every default, the family's among them."""
    recipe = build_config(Recipe, document, where)
    from medley.families import get_family  # which loads torch: a misspelt key is told before

    family = get_family(recipe.family)
    model = build_config(family.config, merged(family.sizes[recipe.size], recipe.model), f"{where}: model")
    unknown = [name for name in recipe.stages if name not in family.stage_names]
    if unknown:
        raise MedleyError(
            f"{where}: {family.name} has no stage '{unknown[0]}'{nearest(unknown[0], family.stage_names)}"
        )
    chosen = recipe.stages or dict.fromkeys(family.stage_names, StageConfig())
    if recipe.demo:  # a misspelt key must not wait for the demo
        resolve_recipe(merged({**document, "demo": {}}, recipe.demo), f"{where}: demo")
    ordered = {name: chosen[name] for name in family.stage_names if name in chosen}
    return recipe.model_copy(update={"model": model.model_dump(mode="json"), "stages": ordered})


def family_config(recipe: Recipe, family: Family) -> Any:
    """The family's own config object of a resolved recipe."""
    return build_config(family.config, recipe.model, "model")
