"""The run folder on disk, and the state from which an interrupted stage goes on.

    RUN/config.yaml                                 the recipe, fully resolved
    RUN/data.json                                   table, split and policy that it was trained on
    RUN/splits.json                                 the split itself
    RUN/processor/                                  labels, tokenizer
    RUN/<n>-<stage>/weights.safetensors             best weights of the stage
    RUN/<n>-<stage>/{config.yaml,metrics.jsonl,curves.png}
    RUN/<n>-<stage>/state.safetensors               while the stage is unfinished: model, optimiser, step, best so far

A state is safetensors too: tensors by name and a JSON header. There is no pickle anywhere in a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.family import Family
from medley.core.weights import WEIGHTS, load_into, load_tensors, read_facts, save_tensors
from medley.data.source import preprocessing_versions

STATE = "state.safetensors"


@dataclass
class Progress:
    """Where a stage is. `best` is the best dev value so far, at `best_step`; `stale` counts evaluations since then."""

    step: int = 0
    steps: int = 0  # of the stage
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    seconds: float = 0.0
    done: bool = False


def stage_folder(run: Path, number: int, name: str) -> Path:
    """`RUN/1-joint` for the first stage."""
    return run / f"{number}-{name}"


def save_state(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    average: nn.Module | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> None:
    """Everything that the next step depends on, in one whole file. Randomness is keyed by the step: none is saved."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average/{name}": tensor for name, tensor in average.state_dict().items()}
    for name, state in _named_state(optimizer).items():
        tensors |= {f"optimizer/{name}/{key}": value for key, value in state.items()}
    save_tensors(path, tensors, {"progress": asdict(progress), "scaler": scaler.state_dict() if scaler else None})


def load_state(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: nn.Module | None = None,
    scaler: torch.amp.GradScaler | None = None,
) -> Progress:
    """Put the saved state into model, optimiser, average and loss scale (fp16), and return where the stage was."""
    tensors, facts = load_tensors(path)
    for prefix, module in (("model/", model), ("average/", average)):
        own = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        if module is not None:
            load_into(module, own, set(), str(path))
    by_name = _parameters_by_name(optimizer)
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            name, _, entry = key.removeprefix("optimizer/").rpartition("/")
            optimizer.state[by_name[name]][entry] = value
    if scaler is not None and facts["scaler"]:
        scaler.load_state_dict(facts["scaler"])
    return Progress(**facts["progress"])


def progress_of(path: Path) -> Progress:
    """Where the stage of this state was."""
    return Progress(**read_facts(path)["progress"])


def _parameters_by_name(optimizer: torch.optim.Optimizer) -> dict[str, nn.Parameter]:
    return {
        name: parameter
        for group in optimizer.param_groups
        for name, parameter in zip(group["names"], group["params"], strict=True)
    }


def _named_state(optimizer: torch.optim.Optimizer) -> dict[str, Mapping[str, torch.Tensor]]:
    return {name: optimizer.state[p] for name, p in _parameters_by_name(optimizer).items() if p in optimizer.state}


def save_weights(folder: Path, model: nn.Module, trained: set[str], facts: Mapping[str, Any]) -> None:
    """The stage's weights: every tensor, but for the frozen ones that a hub or local folder gives back unchanged.

    `trained` names the parameters that any stage so far has trained. What is left out is listed in the header.
    """
    state = model.state_dict()
    left_out = frozen_pretrained(model, trained)
    kept = {name: tensor for name, tensor in state.items() if name not in left_out}
    save_tensors(folder / WEIGHTS, kept, {**facts, "trained": sorted(trained), "left_out": sorted(left_out)})


def load_weights(folder: Path, model: nn.Module) -> dict[str, Any]:
    """Lay a stage's weights over a model built from the run's config; returns the header's facts."""
    tensors, facts = load_tensors(folder / WEIGHTS)
    load_into(model, tensors, set(facts.get("left_out", ())), str(folder / WEIGHTS))
    return facts


def rebuild(family: Family, config: Any, processor: Any, folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The model of a finished stage and its facts; the hub is asked only for frozen towers that were left out."""
    facts = read_facts(folder / WEIGHTS)
    if (read := facts.get("preprocessing")) not in (None, now := preprocessing_versions()):
        raise MedleyError(
            f"{folder / WEIGHTS} learned from images preprocessed by version {read}, this Medley has {now}: it would "
            f"not answer as it was scored; install medley {facts['medley']}, or train again"
        )
    model = family.model(config, processor, pretrained=bool(facts["left_out"]))
    load_weights(folder, model)
    return model, facts


def frozen_pretrained(model: nn.Module, trained: set[str]) -> set[str]:
    """Names of tensors that are still as `from_pretrained` loaded them, of the towers marked `pretrained`.

    Buffers (running statistics) of a tower count as changed as soon as any of its parameters was trained.
    """
    names: set[str] = set()
    for prefix, module in model.named_modules():
        if not getattr(module, "pretrained", False):
            continue
        parameters = {f"{prefix}.{name}" for name, _ in module.named_parameters()}
        tensors = {f"{prefix}.{name}" for name in module.state_dict()}
        names |= parameters - trained if parameters & trained else tensors
    return names
