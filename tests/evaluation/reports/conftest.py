"""Reports of a known quality, made of plain sentences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medley.core.records import Prediction

SAYS = {
    "Edema": ("There is pulmonary edema.", "Pulmonary edema."),
    "Pleural Effusion": ("There is a left pleural effusion.", "Left effusion."),
    "Cardiomegaly": ("The heart is enlarged.", "Cardiomegaly."),
    "Fracture": ("There is a fracture of the right sixth rib.", "Right rib fracture."),
    "Pneumonia": ("Findings may represent pneumonia in the right lung.", "Possible right pneumonia."),
}


def _sections(present: set[str]) -> dict[str, str]:
    findings = [long for name, (long, _) in SAYS.items() if name in present] or ["The lungs are clear."]
    impression = [short for name, (_, short) in SAYS.items() if name in present] or ["No acute disease."]
    return {"findings": " ".join([*findings, "No pneumothorax is seen."]), "impression": " ".join(impression)}


@pytest.fixture
def reports() -> Callable[..., list[Prediction]]:
    """reports(n, skill=…): n studies, two a patient; `skill` is how often a finding is rightly said or left out."""

    def make(n: int, *, skill: float = 0.85, seed: int = 0) -> list[Prediction]:
        rng, made = np.random.default_rng(seed), []
        for i in range(n):
            true_rolls, said_rolls = rng.random(len(SAYS)), rng.random(len(SAYS))
            true = {name for name, roll in zip(SAYS, true_rolls, strict=True) if roll < 0.4}
            said = {name for name, roll in zip(SAYS, said_rolls, strict=True) if (name in true) == (roll < skill)}
            made.append(
                Prediction(f"c{i}", f"p{i // 2}", "chest_report", hypothesis=_sections(said), reference=_sections(true))
            )
        return made

    return make
