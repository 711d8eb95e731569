"""Patients with films and labels that go together, for notes to be written about and audited."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from medley.core.labels import CHEXPERT_14
from medley.core.records import Case
from medley.core.seeds import generator
from medley.data.notes import make_notes, rewriter
from medley.evaluation.notes_audit.subject import Subject

STUDIES = 400


@dataclass(frozen=True)
class Ward:
    """Cases, and a 32x32 film of each in which every finding is a faint bright square."""

    cases: tuple[Case, ...]
    films: dict[str, np.ndarray]

    def subject(self, regime: str, strength: float = 1.0, seed: int = 1, **changes) -> Subject:
        notes = make_notes(self.cases, regime, strength, seed)
        rule = rewriter(regime, strength, seed)
        return Subject(**{"cases": self.cases, "labels": CHEXPERT_14, "notes": notes, "regime": regime}
                       | {"regenerate": rule} | changes)  # fmt: skip


@pytest.fixture(scope="session")
def ward() -> Ward:
    cases, films = [], {}
    for i in range(STUDIES):
        rng = generator("ward", i)
        labels = {label: float(rng.random() < 0.2) for label in CHEXPERT_14}
        labels["Enlarged Cardiomediastinum"] = max(labels["Cardiomegaly"], labels["Enlarged Cardiomediastinum"])
        labels["No Finding"] = float(not any(value for label, value in labels.items() if label != "No Finding"))
        film = rng.normal(0.5, 0.25, (32, 32))
        for place, label in enumerate(CHEXPERT_14):
            y, x = 8 * (place // 4), 8 * (place % 4)
            film[y : y + 6, x : x + 6] += 0.15 * labels[label]
        who = {"sex": "FM"[i % 2], "age_years": float(rng.integers(20, 90))}
        cases.append(Case(f"c{i:04d}", f"p{i // 2:04d}", str(i % 2), labels=labels, **who))
        films[f"c{i:04d}"] = film.ravel()
    return Ward(tuple(cases), films)
