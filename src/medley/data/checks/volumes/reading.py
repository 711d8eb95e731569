"""What the reports of a brain table say, each read once; and whether a table is one of brains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from medley.core.labels import BRAIN_LABELS
from medley.data.cases import CaseTable
from medley.data.checks.looks import is_volume
from medley.language.brain import BrainReading, read_brain
from medley.language.negation import ABSENT, PRESENT

_LESION = BRAIN_LABELS[0]


def is_brain_table(table: CaseTable) -> bool:
    """By its volumes; one without images by its labels."""
    if any(case.images for case in table.cases):
        return any(is_volume(image) for case in table.cases for image in case.images)
    return are_of_brains(table.labels)


def are_of_brains(labels: Sequence[str]) -> bool:
    """Whether the label columns are those of a brain table: the chest has no plain Lesion."""
    return _LESION in labels


@lru_cache(maxsize=65536)
def read_report(text: str) -> BrainReading:
    """`language.brain.read_brain`, kept: several checks ask the same reports."""
    return read_brain(text)


def labels_read(text: str, labels: Sequence[str]) -> dict[str, float]:
    """BRAIN_LABELS that the text speaks of: 1, 0, or -1 where it says perhaps."""
    reading = read_report(text)
    value = {PRESENT: 1.0, ABSENT: 0.0}
    out = {
        label: value.get(reading.findings[label.lower()], -1.0) for label in labels if label.lower() in reading.findings
    }
    if _LESION in labels and reading.says_lesion:
        out[_LESION] = 1.0
    return out
