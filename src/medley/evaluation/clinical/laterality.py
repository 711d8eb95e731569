"""Is what is said to be on the left on the left? Laterality accuracy, from per-report counts.

Of every finding that truly has a side (left, right or bilateral) it asks whether the report puts it there. A finding
that the report does not mention, or gives no side, is wrong; healthy reports have nothing to ask and are left out, so
that a report of nothing scores 0 and not 1. Findings that have no side of their own (the heart, the mediastinum, edema,
devices) are not asked.

The truth is what a generated case knows of itself (`Prediction.truth`: `sides` {label: side}, or `findings` with label
and side), or else the sides that the reference says.

Shapes: N reports, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medley.core.errors import MedleyError, nearest
from medley.core.labels import CHEXPERT_14, canonical
from medley.evaluation.ranking import ratio

SIDES = ("left", "right", "bilateral")
WITHOUT_SIDE = ("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Edema", "Support Devices")
LATERALISED = tuple(name for name in CHEXPERT_14 if name not in WITHOUT_SIDE)

Sides = Mapping[str, str]  # label -> left | right | bilateral
_NO_SIDE = ("midline", None)  # of a generated finding


def laterality(truths: Sequence[Sides], said: Sequence[Sides]) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The function from weights of the reports [N, R] to `laterality_accuracy` [R]; nan where nothing has a side."""
    asked_N, right_N = laterality_counts(truths, said)

    def metrics(weights_NR: np.ndarray) -> dict[str, np.ndarray]:
        return {"laterality_accuracy": ratio(right_N @ weights_NR, asked_N @ weights_NR)}

    return metrics


def laterality_counts(truths: Sequence[Sides], said: Sequence[Sides]) -> tuple[np.ndarray, np.ndarray]:
    """(findings that truly have a side, those of them that are put there), each [N]."""
    if len(truths) != len(said):
        raise MedleyError(f"laterality: {len(said)} hypotheses for {len(truths)} references; each needs the other")
    asked = [{label: side for label, side in truth.items() if label in LATERALISED} for truth in truths]
    right = [sum(of.get(label) == side for label, side in ask.items()) for ask, of in zip(asked, said, strict=True)]
    return np.array([len(ask) for ask in asked], float), np.array(right, float)


def true_sides(truth: Mapping[str, Any], where: str) -> dict[str, str] | None:
    """Label -> side of one prediction's `truth`; None where it does not speak of sides. `where` begins every error."""
    pairs: list[tuple[Any, Any]] | None = None
    if "sides" in truth:
        pairs = list(truth["sides"].items()) if isinstance(truth["sides"], Mapping) else None
    elif "findings" in truth:
        found = truth["findings"]
        whole = isinstance(found, list | tuple) and all(isinstance(one, Mapping) and "label" in one for one in found)
        pairs = [(one["label"], one.get("side")) for one in found] if whole else None
    else:
        return None
    if pairs is None:
        raise MedleyError(f"{where}: truth must hold 'sides' as {{label: side}} or 'findings' as a list with labels")
    sides: dict[str, str] = {}
    for name, side in pairs:
        label = canonical(str(name))
        if label not in CHEXPERT_14:
            raise MedleyError(f"{where}: unknown label '{name}' in truth{nearest(label, CHEXPERT_14)}")
        if side in _NO_SIDE:
            continue
        if side not in SIDES:
            raise MedleyError(f"{where}: the side of '{label}' is {side!r}; it must be {', '.join(SIDES)}")
        sides[label] = side if sides.get(label, side) == side else "bilateral"
    return sides
