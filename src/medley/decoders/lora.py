"""LoRA (Hu et al. 2021): a frozen map W gets a learned low-rank addition, W x + (alpha / r) B A x; B starts at 0.

The adapters are peft's, put into the model in place: their parameters are named `<path>.lora_A…` and `<path>.lora_B…`,
and the map they adapt becomes `<path>.base_layer`. Which maps are adapted is an allow-list of module paths, because a
suffix such as `q_proj` also finds towers that nobody meant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from torch import nn

from medley.core.errors import MedleyError

ADAPTERS = "*.lora_*"  # what a stage names, or spares


def add_lora(module: nn.Module, paths: Sequence[str], rank: int, alpha: int, dropout: float) -> list[str]:
    """Adapt, in place, the modules whose whole path matches one of the regular expressions; returns their paths.

    Raises MedleyError for an expression that matches no module with a weight.
    """
    from peft import LoraConfig, inject_adapter_in_model

    maps = [name for name, part in module.named_modules() if isinstance(part, nn.Linear | nn.Conv2d)]
    adapted: list[str] = []
    for path in paths:
        matches = [name for name in maps if re.fullmatch(path, name)]
        if not matches:
            raise MedleyError(f"LoRA: '{path}' matches no linear or convolution of the module, such as '{maps[0]}'")
        adapted += [name for name in matches if name not in adapted]
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=adapted), module)
    module.register_forward_pre_hook(_rest_where_idle)
    module.register_load_state_dict_post_hook(_rest_where_idle)  # generating need not begin with a forward of `module`
    return adapted


def _rest_where_idle(module: nn.Module, _: object) -> None:
    """An adapter that nothing trains and that adds nothing, its B still 0, is not computed: in a small decoder it costs
    as much as the map that it adapts."""
    from peft.tuners.lora import LoraLayer

    layers: list[Any] = [part for part in module.modules() if isinstance(part, LoraLayer)]
    for layer in layers:
        weights = [part.weight for part in layer.lora_B.values()]
        works = any(weight.requires_grad for weight in weights) or any(bool(weight.any()) for weight in weights)
        if works == layer.disable_adapters:
            asked = [(parameter, parameter.requires_grad) for parameter in layer.parameters()]
            layer.enable_adapters(works)
            for parameter, trains in asked:  # peft switches that as well
                parameter.requires_grad_(trains)
