"""Adapters that are idle are not computed, and that changes neither what is said nor what is trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.core.seeds import seed_torch
from medley.decoders.lora import add_lora


def adapted() -> tuple[nn.Module, nn.Module]:
    seed_torch("lora", 0)
    module = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2))
    add_lora(module, (r"0",), rank=2, alpha=4, dropout=0.0)
    return module, module[0]


def test_an_adapter_rests_while_it_is_frozen_at_nothing_and_works_from_its_first_step():
    module, layer = adapted()
    for name, parameter in module.named_parameters():
        parameter.requires_grad_("lora_" not in name)
    rested = module(torch.ones(3, 6))
    assert layer.disable_adapters
    assert not any(p.requires_grad for n, p in module.named_parameters() if "lora_" in n)

    for name, parameter in module.named_parameters():
        parameter.requires_grad_("lora_" in name)
    first = module(torch.ones(3, 6))
    assert not layer.disable_adapters
    assert torch.equal(first, rested)
    assert not module[2].weight.requires_grad
    first.sum().backward()
    assert layer.lora_B["default"].weight.grad.abs().sum() > 0


def test_what_an_adapter_learned_counts_when_it_is_frozen_again():
    module, layer = adapted()
    plain = module(torch.ones(3, 6)).detach()
    with torch.no_grad():
        layer.lora_B["default"].weight.fill_(1.0)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    assert not torch.allclose(module(torch.ones(3, 6)), plain)
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_an_adapter_that_rested_works_once_weights_are_laid_over_it():
    module, layer = adapted()
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    module(torch.ones(3, 6))
    assert layer.disable_adapters
    learned = {name: torch.ones_like(tensor) for name, tensor in module.state_dict().items() if "lora_B" in name}
    nn.ModuleDict({"decoder": module}).load_state_dict({f"decoder.{k}": v for k, v in learned.items()}, strict=False)
    assert not layer.disable_adapters


def test_a_path_that_matches_nothing_is_said():
    with pytest.raises(MedleyError, match="'query' matches no linear or convolution"):
        add_lora(nn.Sequential(nn.Linear(2, 2)), ("query",), 1, 1, 0.0)
