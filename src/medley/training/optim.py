"""AdamW with a rate for every parameter that a stage names, lower in the depth of a tower, and a rate for every step.

Norms, biases and other vectors are not decayed. Rates follow a linear warm-up and a cosine to zero, per step; they are
a function of the step alone, so nothing of a schedule has to be saved.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import nn

_BLOCK = re.compile(r"(?:^|\.)(?:blocks|layers?|layer_|stages?)[._]?(\d+)\.")


def depth_of(name: str) -> int | None:
    """Which block of its tower a parameter belongs to, counted from 1; 0 for the stem, None outside any tower."""
    if not name.startswith(("vision.", "text.")):
        return None
    block = _BLOCK.search(name)
    if block is None:
        return 0
    first_is_one = re.search(r"layer[1-9]\.", name) is not None  # a ResNet counts its stages from 1
    return int(block.group(1)) + (0 if first_is_one else 1)


def parameter_groups(
    model: nn.Module, rates: Mapping[str, float], weight_decay: float, layer_decay: float = 1.0
) -> list[dict]:
    """One group for each (rate, decay); every parameter keeps its name in `names`, in the order of `params`."""
    depths = {name: depth_of(name) for name in rates}
    deepest: dict[str, int] = {}
    for name, depth in depths.items():
        if depth is not None:
            tower = name.split(".")[0]
            deepest[tower] = max(deepest.get(tower, 0), depth)
    groups: dict[tuple[float, float], dict] = {}
    for name, parameter in model.named_parameters():
        if name not in rates:
            continue
        depth = depths[name]
        below = 0 if depth is None else deepest[name.split(".")[0]] - depth
        rate = rates[name] * layer_decay**below
        decay = weight_decay if parameter.ndim > 1 else 0.0
        group = groups.setdefault((rate, decay), {"params": [], "names": [], "rate": rate, "weight_decay": decay})
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def build_optimizer(model: nn.Module, rates: Mapping[str, float], weight_decay: float, layer_decay: float):
    """AdamW (Loshchilov & Hutter 2019), betas (0.9, 0.999), eps 1e-6 as BERT was trained with.

    A smaller eps turns the rounding noise of a gradient that is zero (a key's bias, say) into full steps, and two runs
    that differ only in the order of a sum drift apart.
    """
    groups = parameter_groups(model, rates, weight_decay, layer_decay)
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=1e-6)


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
