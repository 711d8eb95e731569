"""The families of Medley: one literal table, imported on demand. A new family is one file and one line here."""

from __future__ import annotations

from importlib import import_module

from medley.core.errors import choose
from medley.core.family import Family

FAMILIES = {
    "cxr_reasoner": "medley.families.cxr_reasoner",
    "chexquery": "medley.families.chexquery",
    "braingemma3d": "medley.families.braingemma3d",
}


def get_family(name: str) -> Family:
    """The family of this name; an unknown one is an error that names the nearest."""
    return import_module(choose(name, FAMILIES, "family")).FAMILY
