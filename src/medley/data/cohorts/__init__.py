"""Generated cohorts that know the truth. One literal table: family -> the function that writes its cohort."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from medley.core.errors import MedleyError, choose

_CHEST = "medley.data.cohorts.chest"
_BRAIN = "medley.data.cohorts.brain"
_COHORTS = {"cxr_reasoner": _CHEST, "chexquery": _CHEST, "mavl": _CHEST, "braingemma3d": _BRAIN}


def cohort_of(family: str) -> Callable:
    """`generate(out, cases, seed, difficulty, px, workers, progress) -> CaseTable` of a family, imported on demand.

    `px` is the side of a film or of a volume's slices; each generator has its own where none is given.
    Raises MedleyError, naming the nearest, for a family that has no cohort.
    """
    return import_module(choose(family, _COHORTS, "family")).generate


def reteller_of(family: str) -> Callable:
    """`retell(case, telling) -> Case` of a family whose reports can be told in other words.

    Raises MedleyError for one whose cohort cannot.
    """
    module = import_module(choose(family, _COHORTS, "family"))
    if not hasattr(module, "retell"):
        raise MedleyError(f"data.reword: reports of the cohort {family} cannot be told in other words; leave it out")
    return module.retell


def cohort_version(family: str) -> int:
    """The version of the family's generator: raised whenever the same seed gives other images."""
    return import_module(choose(family, _COHORTS, "family")).VERSION
