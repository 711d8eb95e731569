"""Configurations of published backbones, to build and count them where no weights are."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from medley.core.errors import choose


def published_config(name: str) -> dict[str, Any]:
    """The Hugging Face config of a hub id, from `published.json` (from memory, checked by parameter counts)."""
    table = json.loads(files("medley.encoders").joinpath("published.json").read_text(encoding="utf-8"))
    table.pop("_note")
    return choose(name, table, "published backbone")
