"""The version, in the one place that says it, and those of what the weights depend on."""

from __future__ import annotations

from importlib.metadata import version

VERSION = "0.1.0"
_BENEATH = ("torch", "timm", "transformers")  # whose models and weights ours are made of


def versions() -> dict[str, str]:
    """medley -> its version, and the packages beneath a saved model."""
    return {"medley": VERSION, **{name: version(name) for name in _BENEATH}}
