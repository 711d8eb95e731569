"""Generated cohorts that know the truth. One literal table: family -> the function that writes its cohort."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from medley.core.errors import choose

_CHEST = "medley.data.cohorts.chest"
_COHORTS = {"cxr_reasoner": _CHEST, "chexquery": _CHEST, "mavl": _CHEST}


def cohort_of(family: str) -> Callable:
    """`generate(out, cases, seed, difficulty, px, workers, progress) -> CaseTable` of a family, imported on demand.

    Raises MedleyError, naming the nearest, for a family that has no cohort.
    """
    return import_module(choose(family, _COHORTS, "family")).generate


def cohort_version(family: str) -> int:
    """The version of the family's generator: raised whenever the same seed gives other films."""
    return import_module(choose(family, _COHORTS, "family")).VERSION
