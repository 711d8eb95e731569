"""A stage of training is data: which parameters learn at which rate, by which objective, for how long.

    Stage("joint", {"vision.*": 3e-4, "fusion.*": 1e-3}, objective, epochs=12)

The globs are an allow-list over parameter names. All that no glob names is frozen and in eval mode. A glob that matches
nothing, or a parameter that two globs name, is an error: a misspelt freeze must never train silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError, nearest

Rows = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Joint:
    """The terms of an objective that compare studies with each other. Over several batches they are not sums of what
    they are over each: all studies are compared with all.

    `rows(output, batch)` is what each study brings to the comparison, by name: tensors [B, ...]; one without dimensions
    (a learned scale) is of no study, and the same in every batch. `sums(rows)` and `counts(rows)` are an objective's,
    of these terms, over the rows of any number of batches; `others(output, batch)` are the sums of the remaining terms.
    """

    rows: Callable[[Any, Any], Rows]
    sums: Callable[[Rows], dict[str, torch.Tensor]]
    counts: Callable[[Rows], dict[str, torch.Tensor]]
    others: Callable[[Any, Any], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Objective:
    """A loss as weighted masked sums, so that it means the same on one device, on many, and under accumulation.

    `sums(output, batch)` gives one summed loss a term; `counts(batch)` what each is divided by, known from the batch
    alone, so that it can be reduced over every part of an optimiser step before the first backward pass.
    loss = sum over terms t of weights[t] * sum_t / count_t. A term of weight 0 is not asked for.
    """

    weights: Mapping[str, float]
    sums: Callable[[Any, Any], dict[str, torch.Tensor]]
    counts: Callable[[Any], dict[str, torch.Tensor]]
    joint: Joint | None = None  # where a term compares studies


@dataclass(frozen=True)
class Stage:
    """One stage: name, {parameter glob: learning rate}, objective, and the defaults that a recipe may change."""

    name: str
    rates: Mapping[str, float]
    objective: Objective
    epochs: float  # passes over the training part
    batch: int = 32
    least: int = 1  # studies that a batch must have: a contrastive loss of one study compares nothing
    best_by: str = "loss"  # a metric of the dev part: `loss` (lower is better) or a metric name of the scorecard
    warmup: float = 0.05  # share of the steps
    weight_decay: float = 0.05
    layer_decay: float = 1.0  # rate of a tower's layer k of n is multiplied by layer_decay ** (n - k)
    muon: tuple[str, ...] = ()  # globs of parameters whose matrices and kernels learn by Muon instead of AdamW
    frozen: tuple[str, ...] = ()  # globs of parameters that `rates` names and that stay as they are: adapters, mostly


def rates_by_parameter(model: nn.Module, stage: Stage) -> dict[str, float]:
    """Parameter name -> learning rate for the parameters that the stage trains; the globs are checked here."""
    names = [name for name, _ in model.named_parameters()]
    chosen: dict[str, tuple[str, float]] = {}
    for glob, rate in stage.rates.items():
        matches = [name for name in names if fnmatchcase(name, glob)]
        if not matches:
            tops = sorted({name.split(".")[0] + ".*" for name in names})
            raise MedleyError(f"stage '{stage.name}': '{glob}' matches no parameter{nearest(glob, tops)}")
        for name in matches:
            if name in chosen:
                both = f"'{chosen[name][0]}' and '{glob}'"
                raise MedleyError(f"stage '{stage.name}': parameter '{name}' is named by {both}; one must go")
            chosen[name] = (glob, rate)
    for glob in stage.frozen:
        spared = [name for name in chosen if fnmatchcase(name, glob)]
        if not spared:
            raise MedleyError(f"stage '{stage.name}': frozen '{glob}' matches no parameter that the stage's rates name")
        for name in spared:
            del chosen[name]
    return {name: rate for name, (_, rate) in chosen.items()}


def muon_parameters(stage: Stage, trained: Iterable[str]) -> set[str]:
    """Which of the `trained` parameters the stage's `muon` globs name; one that names none of them is an error."""
    names, found = list(trained), set()
    for glob in stage.muon:
        if not (matches := {name for name in names if fnmatchcase(name, glob)}):
            raise MedleyError(f"stage '{stage.name}': muon '{glob}' matches no parameter that the stage trains")
        found |= matches
    return found


def freeze_all_but(model: nn.Module, trained: Iterable[str]) -> None:
    """Only the `trained` parameters ask for gradients; modules without any are put in eval mode by `set_modes`."""
    trained = set(trained)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)


def set_modes(model: nn.Module) -> None:
    """Train mode where a module holds a trained parameter, eval mode where all it holds is frozen.

    A module without parameters of its own (dropout) follows the module that holds it.
    """

    def visit(module: nn.Module, parent_training: bool) -> None:
        parameters = list(module.parameters())
        module.training = any(p.requires_grad for p in parameters) if parameters else parent_training
        for child in module.children():
            visit(child, module.training)

    visit(model, True)
