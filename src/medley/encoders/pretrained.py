"""The one `from_pretrained` path: a hub id or a local folder, whole or not at all."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError, cannot_load


def load_backbone(what: str, name: str, **options: Any) -> nn.Module:
    """`AutoModel.from_pretrained(name, **options)`; raises MedleyError where weights are missing, damaged, or partial.

    transformers fills tensors that the checkpoint lacks with random numbers and a warning; here that is an error.
    """
    from safetensors import SafetensorError
    from transformers import AutoModel

    try:
        backbone, found = AutoModel.from_pretrained(name, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise cannot_load(what, name, error) from error
    if found["missing_keys"]:
        lacking = sorted(found["missing_keys"])
        raise MedleyError(
            f"{what} '{name}' lacks {len(lacking)} tensors of its own architecture, first '{lacking[0]}': it is no "
            "whole checkpoint; save it again with save_pretrained"
        )
    return backbone


def set_aside_unread(backbone: nn.Module, output: torch.Tensor) -> None:
    """Parameters that `output` does not depend on become buffers: saved and loaded as before, never trained.

    A mask token, or the norm of a pooler that is not read, gets no gradient: weight decay alone would wear it away, and
    several devices would wait for it.
    """
    named = dict(backbone.named_parameters())
    gradients = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    for (name, parameter), gradient in zip(named.items(), gradients, strict=True):
        if gradient is None:
            path, _, leaf = name.rpartition(".")
            owner = backbone.get_submodule(path)
            delattr(owner, leaf)
            owner.register_buffer(leaf, parameter.detach())
