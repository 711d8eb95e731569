"""What a study will be, before a pixel is drawn: records that travel between sampling, drawing and writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from medley.data.cohorts.chest.film import Exposure
from medley.data.cohorts.chest.patient import Patient, Pose

ZONES = {"upper": (0.10, 0.34), "middle": (0.36, 0.64), "lower": (0.66, 0.92)}  # share of the way from apex to dome


@dataclass(frozen=True)
class Finding:
    """One thing to draw. `side` is the patient's: right, left, bilateral or midline."""

    label: str
    kind: str  # its form, e.g. an atelectasis is "plate" or "lobar"
    side: str
    zone: str  # upper, middle, lower, or a place of its own such as "perihilar"
    severity: float  # 0 to 1

    @property
    def grade(self) -> str:
        """mild, moderate or severe."""
        return "mild" if self.severity < 1 / 3 else "moderate" if self.severity < 2 / 3 else "severe"

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides of the image it is drawn on."""
        return ("right", "left") if self.side == "bilateral" else (self.side,)


@dataclass(frozen=True)
class Difficulty:
    """How much of a finding there is to see, and how much there is to be distracted by."""

    contrast: float  # of findings
    size: float
    noise: float
    nuisance: float  # spread of position, rotation, exposure


DIFFICULTIES = {
    "easy": Difficulty(contrast=2.0, size=1.3, noise=0.5, nuisance=0.6),
    "default": Difficulty(contrast=1.4, size=1.15, noise=0.8, nuisance=1.0),
    "hard": Difficulty(contrast=0.6, size=0.85, noise=1.9, nuisance=1.4),
}


@dataclass(frozen=True)
class StudyPlan:
    """All that is decided about study number `index` of the cohort `seed`."""

    seed: int
    index: int
    patient_id: str
    patient: Patient
    pose: Pose
    exposure: Exposure
    room: tuple[float, float, float, float]  # places the marker and the letters
    findings: tuple[Finding, ...]
    labels: Mapping[str, float]
    lateral: bool
    difficulty: str

    @property
    def case_id(self) -> str:
        return f"chest-{self.seed}-{self.index}"

    @property
    def dials(self) -> Difficulty:
        return DIFFICULTIES[self.difficulty]
