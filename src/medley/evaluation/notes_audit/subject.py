"""What is audited, and the row that a check gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.labels import is_known
from medley.core.records import Case
from medley.core.seeds import generator

PASSED, FAILED, NOT_APPLICABLE = "passed", "failed", "not applicable"
LABELLED_PARTS = ("train", "dev")  # whose labels the audit may look at; of test it reads the notes alone

NAMES = {
    1: "no note names a finding",
    2: "text alone stays in the budget",
    3: "no word is a code for a label",
    4: "notes of other labels",
    5: "notes of other patients",
    6: "no note, and one note for all",
    7: "grey films",
    8: "order of the label columns",
    9: "one study, one note; same seed, same note",
    10: "no note in two parts",
    11: "real text that names the finding",
}

Notes = Mapping[str, str | None]
Regenerate = Callable[[Sequence[Case]], Notes]


@dataclass(frozen=True)
class Row:
    """The verdict of one check: what was measured against which bound, in words, and what to do about it."""

    number: int
    status: str  # passed | failed | not applicable
    found: str
    value: float | None = None
    bound: float | None = None
    advice: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return NAMES[self.number]

    def as_json(self) -> dict[str, Any]:
        """The row as plain JSON, with its name."""
        return {"number": self.number, "name": self.name, **{k: v for k, v in asdict(self).items() if k != "number"}}


def verdict(number: int, ok: bool, value: float | None, bound: float, found: str, advice: str, **details: Any) -> Row:
    """A row that passed or failed; advice is only for what failed."""
    return Row(number, PASSED if ok else FAILED, found, value, bound, "" if ok else advice, details)


def not_applicable(number: int, why: str) -> Row:
    """A row of a check that cannot be made here."""
    return Row(number, NOT_APPLICABLE, why)


@dataclass(frozen=True)
class Subject:
    """The notes of a case table, and what may be known of them.

    `regenerate` writes the notes of given cases anew, by the rule and the seed of these notes; None where there is no
    rule (real text). `parts` is a split: part -> case ids.
    """

    cases: tuple[Case, ...]
    labels: tuple[str, ...]
    notes: Notes
    regime: str
    regenerate: Regenerate | None = None
    parts: Mapping[str, tuple[str, ...]] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        lacking = [case.case_id for case in self.cases if case.case_id not in self.notes]
        if lacking:
            raise MedleyError(
                f"the notes lack {len(lacking)} of {len(self.cases)} cases, first '{lacking[0]}'; make them for this "
                "table with `medley notes make`"
            )
        if not self.cases or not self.labels:
            raise MedleyError("there is no case, or no label, to hold notes against")

    @cached_property
    def of_real_text(self) -> bool:
        """Whether people wrote these notes. Beside a generated film nobody did, whatever the regime is called."""
        return self.regime == "real" and not any(case.synthetic and self.notes[case.case_id] for case in self.cases)

    @cached_property
    def labelled(self) -> tuple[Case, ...]:
        """The cases whose labels may be looked at: of train and dev where there is a split, else all."""
        if self.parts is None:
            return self.cases
        allowed = {case_id for part in LABELLED_PARTS for case_id in self.parts.get(part, ())}
        return tuple(case for case in self.cases if case.case_id in allowed)

    def sample(self, most: int) -> tuple[Case, ...]:
        """About `most` of the labelled studies, by whole patients drawn by seed, in the order of the table.

        A smaller sample is part of a larger one.
        """
        if len(self.labelled) <= most:
            return self.labelled
        patients = sorted({case.patient_id for case in self.labelled})
        order = generator("notes audit", "sample", self.seed).permutation(len(patients))
        counts: dict[str, int] = {}
        for case in self.labelled:
            counts[case.patient_id] = counts.get(case.patient_id, 0) + 1
        chosen, total = set(), 0
        for index in order:
            if total >= most:
                break
            chosen.add(patients[index])
            total += counts[patients[index]]
        return tuple(case for case in self.labelled if case.patient_id in chosen)

    def texts(self, cases: Sequence[Case], notes: Notes | None = None) -> list[str]:
        """The notes of these cases; a study without one has the empty text."""
        read = self.notes if notes is None else notes
        return [read[case.case_id] or "" for case in cases]

    def truth(self, cases: Sequence[Case]) -> np.ndarray:
        """Labels [N, L] of 1, 0 and nan; an uncertain label is not known."""
        values = [[case.labels.get(label, np.nan) for label in self.labels] for case in cases]
        return np.array([[value if is_known(value) else np.nan for value in row] for row in values], float)

    def with_permuted_labels(self, cases: Sequence[Case], draw: int = 0) -> list[Case]:
        """The cases, each with all the labels of another study drawn by seed: same patients, someone else's truth.
        Another `draw`, other studies."""
        key = ("notes audit", "permute", self.seed)
        order = generator(*key, *([draw] if draw else [])).permutation(len(cases))
        return [replace(case, labels=cases[i].labels) for case, i in zip(cases, order, strict=True)]
