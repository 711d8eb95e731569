"""AdamW with a rate for every parameter that a stage names, lower in the depth of a tower, and a rate for every step.

Norms, biases and tables of values (embeddings, positions, queries) are not decayed. Rates follow a linear warm-up and a
cosine to zero, per step; they are a function of the step alone, so nothing of a schedule has to be saved.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Set

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from medley.training.muon import MuonAdamW

_TOWERS = ("vision.", "text.")
# blocks.0. · layer.0. · layers_0. · stages.0. count from 0; layer1. · denseblock1. · transition1. from 1
_BLOCK = re.compile(r"(?:blocks|layers?|stages?|denseblock|transition)([._]?)(\d+)\.")


# Tables of tokens and positions by the names that timm, transformers and this house give them
_TABLE = re.compile(r"bias|pos_embed|position_embed|_token|class_embedding|queries_|names_")


def decayed(model: nn.Module) -> set[str]:
    """Names of the parameters that weight decay is for: the matrices and kernels that map one state to another.

    Norms, biases, embeddings, positions, class tokens, queries and learned states (of a ParameterDict) have none: they
    are values, not maps, and a decayed prevalence bias would drift to one half.
    """
    values = {
        f"{prefix}.{name}"
        for prefix, module in model.named_modules()
        if isinstance(module, nn.ParameterDict | nn.Embedding)
        for name, _ in module.named_parameters()
    }
    named = ((name, parameter) for name, parameter in model.named_parameters() if name not in values)
    return {name for name, parameter in named if parameter.ndim > 1 and not _TABLE.search(name.rpartition(".")[2])}


def depths(names: Iterable[str]) -> dict[str, int]:
    """Which block of its tower each parameter belongs to, counted from 1; parameters outside any tower are left out.

    `names` are in the model's order: what comes before the first block of a tower is its stem (0), and what comes
    after without a number of its own, such as a last norm, goes with the block before it.
    """
    found: dict[str, int] = {}
    latest: dict[str, int] = {}
    for name in names:
        if not name.startswith(_TOWERS):
            continue
        tower = name.split(".")[0]
        if block := _BLOCK.search(name):
            latest[tower] = int(block[2]) + (1 if block[1] else 0)
        found[name] = latest.get(tower, 0)
    return found


def parameter_groups(
    model: nn.Module,
    rates: Mapping[str, float],
    weight_decay: float,
    layer_decay: float = 1.0,
    muon: Set[str] = frozenset(),
) -> list[dict]:
    """One group for each (rate, decay, muon); every parameter keeps its name in `names`, in the order of `params`.

    `muon` names parameters whose matrices and kernels learn by Muon; values that are no maps never do.
    """
    depth = depths(name for name, _ in model.named_parameters())
    deepest: dict[str, int] = {}
    for name, block in depth.items():
        tower = name.split(".")[0]
        deepest[tower] = max(deepest.get(tower, 0), block)
    maps = decayed(model)
    groups: dict[tuple[float, float, bool], dict] = {}
    for name, parameter in model.named_parameters():
        if name not in rates:
            continue
        below = deepest[name.split(".")[0]] - depth[name] if name in depth else 0
        rate = rates[name] * layer_decay**below
        decay = weight_decay if name in maps else 0.0
        is_muon = name in muon and name in maps
        new = {"params": [], "names": [], "rate": rate, "weight_decay": decay, "muon": is_muon}
        group = groups.setdefault((rate, decay, is_muon), new)
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def build_optimizer(
    model: nn.Module, rates: Mapping[str, float], weight_decay: float, layer_decay: float, muon: Set[str] = frozenset()
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019), betas (0.9, 0.999), eps 1e-6 as BERT was trained with; Muon for the maps that
    `muon` names.

    A smaller eps turns the rounding noise of a gradient that is zero (a key's bias, say) into full steps, and two runs
    that differ only in the order of a sum drift apart.
    """
    return MuonAdamW(parameter_groups(model, rates, weight_decay, layer_decay, muon), betas=(0.9, 0.999), eps=1e-6)


def weight_average(model: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of all tensors of the model, running statistics too (Polyak & Juditsky 1992).

    Over the first steps the decay is (1 + n) / (10 + n) where that is less, so that a short stage is not an average
    with its beginning.
    """

    def step(average: torch.Tensor, now: torch.Tensor, updates: torch.Tensor | int) -> torch.Tensor:
        if not average.is_floating_point():
            return now
        return average.lerp(now.to(average.dtype), 1 - min(decay, (1 + int(updates)) / (10 + int(updates))))

    average = AveragedModel(model, avg_fn=step, use_buffers=True)
    average.requires_grad_(False)
    return average.eval()


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """What every rate is multiplied by at this step of `steps`: up to 1 over the warm-up, then half a cosine to 0."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Every group's learning rate is its own rate times the factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["rate"] * factor
