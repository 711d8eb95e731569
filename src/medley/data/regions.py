"""Where something is known to lie on a case's film: findings and parts of the chest, small enough to be kept in memory.

`truth.masks` and `truth.anatomy` of a case name npz files of masks over its first frontal film: what a generated cohort
knows, or what a reader of masks wrote. A label that the table calls absent, in a case whose findings are drawn, lies
nowhere. All else is not known.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from medley.core.records import Case, Film
from medley.data.augment import Augmentation, apply_mask
from medley.data.cohorts.chest.cohort import read_masks
from medley.data.preprocess.geometry import fit

REGION_PX = 32  # side of a kept mask: 1 kB each, finer than the patches of any tower
_FILES_KEPT = 2**15  # some 10 kB each; fewer than two a study would be read anew in every epoch


def with_regions(case: Case, films: Sequence[Film], names: Collection[str], folder: Path) -> tuple[Film, ...]:
    """The films of a case, of which the first frontal one says where those of `names` lie that are known.

    `folder` is that of the case table. Raises MedleyError for a mask file that is gone or is none.
    """
    frontal = next((place for place, film in enumerate(films) if film.view != "LATERAL"), None)
    if frontal is None or not ("anatomy" in case.truth or "masks" in case.truth or "findings" in case.truth):
        return tuple(films)
    drawn = anatomy_of(case, folder)
    if "findings" in case.truth:
        nowhere = np.zeros((REGION_PX, REGION_PX), np.uint8)
        drawn |= {label: nowhere for label, value in case.labels.items() if value == 0}
        if "masks" in case.truth:
            drawn |= _masks(str(folder / case.truth["masks"]))
    known = {name: drawn[name] for name in names if name in drawn}
    return tuple(
        dataclasses.replace(film, regions=known) if place == frontal else film for place, film in enumerate(films)
    )


def anatomy_of(case: Case, folder: Path) -> dict[str, np.ndarray]:
    """Where the parts of the chest lie on the case's first frontal film, as `Film.regions` holds them; empty where that
    is not known. `folder` is that of the case table. Raises MedleyError for a mask file that is gone or is none."""
    return dict(_masks(str(folder / case.truth["anatomy"]))) if "anatomy" in case.truth else {}


def moved(augmentation: Augmentation, film: Film) -> dict[str, np.ndarray]:
    """The film's regions, moved as an augmentation moves its pixels."""
    return {name: apply_mask(augmentation, mask) if mask.any() else mask for name, mask in film.regions.items()}


@lru_cache(maxsize=_FILES_KEPT)
def _masks(path: str) -> dict[str, np.ndarray]:
    return {name: fit(mask.astype(np.float32), REGION_PX)[0] for name, mask in read_masks(path).items()}
