"""Configurations of published backbones, to build and count them where no weights are, and what systems count."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from medley.core.errors import choose


def published_config(name: str) -> dict[str, Any]:
    """The Hugging Face config of a hub id, from `published.json` (from memory, checked by parameter counts)."""
    table = _read("published.json")
    table.pop("_note")
    return choose(name, table, "published backbone")


def published_counts(family: str) -> dict[str, tuple[int, str]]:
    """Part -> parameters of the system that a family follows, computed from its code, and why ours differ."""
    return {part: (count, why) for part, (count, why) in _read("published_counts.json")[family].items()}


def _read(name: str) -> dict[str, Any]:
    return json.loads(files("medley.encoders").joinpath(name).read_text(encoding="utf-8"))
