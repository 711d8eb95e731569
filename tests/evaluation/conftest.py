"""Studies with known truth and scores of a known quality, made without any model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from medley.core.records import Prediction

NAMES = ("No Finding", "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion", "Fracture")
PREVALENCE = np.array([0.4, 0.3, 0.25, 0.2, 0.3, 0.35, 0.01])


def _probabilities(rng: np.random.Generator, present: np.ndarray, skill: float) -> dict[str, float]:
    logits = skill * (present - 0.5) + rng.normal(size=len(present))
    return {name: float(1 / (1 + np.exp(-logit))) for name, logit in zip(NAMES, logits, strict=True)}


@pytest.fixture
def make() -> Callable[..., list[Prediction]]:
    """make(n, prefix, ...): n studies, two a patient; the fused head is best, the text-only head knows little."""

    def make(
        n: int,
        prefix: str = "t",
        *,
        heads: Sequence[str] = ("image_only", "text_only"),
        skill: float = 3.0,
        unknown: float = 0.05,
        images: bool = False,
        seed: int = 0,
    ) -> list[Prediction]:
        rng, made = np.random.default_rng(seed + len(prefix) * 1000 + n), []
        for i in range(n):
            present = (rng.random(len(NAMES)) < PREVALENCE).astype(int)
            asked = rng.random(len(NAMES)) >= unknown
            labels = {name: int(present[j]) if asked[j] else None for j, name in enumerate(NAMES)}
            skills = {"image_only": 0.6 * skill, "text_only": 0.1 * skill}
            films = [{"view": "PA", "scores": _probabilities(rng, present, skill / 2)} for _ in range(2)]
            made.append(
                Prediction(
                    case_id=f"{prefix}{i}",
                    patient_id=f"{prefix}-patient{i // 2}",
                    task="chest_findings",
                    scores=_probabilities(rng, present, skill),
                    labels=labels,
                    heads={head: _probabilities(rng, present, skills[head]) for head in heads},
                    images=tuple(films) if images else (),
                )
            )
        return made

    return make
