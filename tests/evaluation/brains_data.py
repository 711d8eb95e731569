"""Reports of brains with known truth, written by a system of a known quality, for the tests of their scores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from medley.core.labels import BRAIN_COMPONENTS
from medley.core.records import Case, Prediction

COMPONENTS = tuple(name for name in BRAIN_COMPONENTS if name != "enhancement")  # what FLAIR shows
LOBES = ("frontal", "parietal", "temporal", "occipital")
HEALTHY = "The brain parenchyma is normal. No focal lesion is seen."


def written(truth: dict[str, Any]) -> str:
    """A report that says what is true, and denies what is not."""
    if truth["healthy"]:
        return HEALTHY
    places = " and ".join(f"the {side} {lobe} lobe" for side, lobe in truth["side_lobe"])
    there = [name for name in COMPONENTS if name in truth["components"]]
    absent = [name for name in COMPONENTS if name not in truth["components"]]
    said = [f"There is a lesion in {places}.", *(f"There is {name}." for name in there)]
    return " ".join([*said, *(f"No {name} is seen." for name in absent)])


def lesion(pairs: list[tuple[str, str]], components: tuple[str, ...] = ()) -> dict[str, Any]:
    """The truth of a brain with a lesion there."""
    sides = {side for side, _ in pairs}
    return {
        "healthy": False,
        "sides": "bilateral" if len(sides) == 2 else next(iter(sides)),
        "lobes": sorted({lobe for _, lobe in pairs}),
        "side_lobe": [list(pair) for pair in pairs],
        "components": list(components),
    }


def drawn(rng: np.random.Generator, *, healthy: float = 0.4) -> dict[str, Any]:
    """A truth by chance."""
    if rng.random() < healthy:
        return {"healthy": True}
    first, second = rng.choice(LOBES, size=2, replace=False)
    pairs = [(str(rng.choice(["left", "right"])), str(first))]
    if rng.random() < 0.3:
        pairs.append((str(rng.choice(["left", "right"])), str(second)))
    there = {name: bool(rng.random() < 0.5) for name in COMPONENTS}
    there["mass effect"] |= there["midline shift"]
    return lesion(pairs, tuple(name for name, is_there in there.items() if is_there))


def brains(n: int, skill: float = 0.85, seed: int = 0, *, healthy: float = 0.4) -> list[Prediction]:
    """n studies, two a patient: each reported as it is with probability `skill`, else as some other brain."""
    truths, chance = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    made = []
    for i in range(n):
        truth, other, sure = drawn(truths, healthy=healthy), drawn(chance, healthy=healthy), chance.random() < skill
        said = written(truth if sure else other)
        made.append(
            Prediction(
                f"c{i}",
                f"p{i // 2}",
                "brain_report",
                hypothesis={"report": said},
                reference={"report": written(truth)},
                truth=truth,
            )
        )
    return made


def answered(predictions: list[Prediction], text: str) -> list[Prediction]:
    """The same studies, each answered by these words."""
    return [replace(one, hypothesis={"report": text}) for one in predictions]


def cases(predictions: list[Prediction], prefix: str = "t") -> list[Case]:
    """The same studies as rows of a case table, of other patients."""
    return [
        Case(f"{prefix}{one.case_id}", f"{prefix}{one.patient_id}", "1", text=dict(one.reference), truth=one.truth)
        for one in predictions
    ]
