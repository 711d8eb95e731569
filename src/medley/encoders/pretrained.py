"""The one `from_pretrained` path: a hub id or a local folder, whole or not at all."""

from __future__ import annotations

from typing import Any

from torch import nn

from medley.core.errors import MedleyError


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


def cannot_load(what: str, name: str, error: Exception) -> MedleyError:
    """One line for a hub id or folder that cannot be loaded."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    cure = "check the id and the network, or give a local folder that save_pretrained wrote"
    return MedleyError(f"{what} '{name}' cannot be loaded ({first}); {cure}")
