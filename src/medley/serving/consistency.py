"""Does the report say what the findings beside it say? Flags where the two part; the report is never rewritten.

The labeler of its task reads the report, and each finding is called where its probability reaches the run's threshold
(0.5 where none could be fitted). A hedge ("possible pneumonia") agrees with either. Both may be wrong, and agreeing is
no proof: one model made both from one image. What parts is where a reader should look twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medley.core.labels import BRAIN_LABELS, CHEXPERT_14, NO_FINDING
from medley.language.brain import read_brain
from medley.language.labeler import join_sections, label_text
from medley.language.negation import ABSENT, PERHAPS, PRESENT
from medley.serving.reasoning import UNFITTED

SAID, DENIED, UNMENTIONED = "said", "denied", "not mentioned"
CHECKED = tuple(name for name in CHEXPERT_14 if name != NO_FINDING)  # which follows from the others
_LESION = BRAIN_LABELS[0]
_WORDS = {SAID: "says {}, but the finding is called absent", DENIED: "denies {}, but the finding is called present"}
_WORDS |= {UNMENTIONED: "does not mention {}, but the finding is called present"}


@dataclass(frozen=True)
class Flag:
    """One finding of which the report and the findings beside it say different things."""

    label: str
    report: str  # said | denied | not mentioned
    probability: float
    threshold: float | None  # None where none was fitted, and 0.5 was taken

    @property
    def sentence(self) -> str:
        """The flag in words."""
        cut = f"threshold {self.threshold:.2f}" if self.threshold is not None else f"no threshold, against {UNFITTED}"
        return f"the report {_WORDS[self.report].format(self.label)} (p {self.probability:.2f}, {cut})"

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "text": self.sentence}


def flags_of(
    task: str, sections: Mapping[str, str], scores: Mapping[str, float], thresholds: Mapping[str, float | None]
) -> tuple[Flag, ...]:
    """What a written report and the scores beside it disagree on; nothing where no report was written.

    Labels that the labeler does not read, and No Finding, are not checked.
    """
    text = join_sections(sections)
    if not text.strip():
        return ()
    read = _brain(text) if task == "brain_report" else _chest(text)
    found = []
    for label in (name for name in read if name in scores):
        cut = thresholds.get(label)
        called = scores[label] >= (UNFITTED if cut is None else cut)
        says = _reading(read[label])
        if says is not None and called != (says == SAID):
            found.append(Flag(label, says, scores[label], cut))
    return tuple(found)


def _chest(text: str) -> dict[str, float]:
    read = label_text(text)
    return {label: read[label] for label in CHECKED}


def _brain(text: str) -> dict[str, float]:
    """What a report of a brain says of each label: 1, 0, -1 (perhaps), nan (nothing)."""
    said = read_brain(text)
    values = {PRESENT: 1.0, PERHAPS: -1.0, ABSENT: 0.0}
    read = {label: values.get(said.findings.get(label.lower(), ""), math.nan) for label in BRAIN_LABELS}
    if said.says_lesion or said.says_healthy:
        read[_LESION] = float(said.says_lesion)
    return read


def _reading(value: float) -> str | None:
    """What a value of the labeler says; None for a hedge."""
    if math.isnan(value):
        return UNMENTIONED
    return {1.0: SAID, 0.0: DENIED}.get(value)


def rates(flags: Iterable[Sequence[Flag]]) -> dict[str, float | None]:
    """Over some reports: how many there are, how many carry a flag, and the flags of each kind."""
    of_reports = list(flags)
    kinds = [flag.report for some in of_reports for flag in some]
    flagged = sum(map(bool, of_reports))
    return {
        "reports": len(of_reports),
        "flagged": flagged,
        "share_flagged": flagged / len(of_reports) if of_reports else None,
        "said_not_found": kinds.count(SAID),
        "found_and_denied": kinds.count(DENIED),
        "found_not_mentioned": kinds.count(UNMENTIONED),
    }
