"""The patient and how they were filmed: numbers in centimetres, before anything is drawn.

A `Patient` is what all studies of one person share, a `Pose` is how one film was taken, and a `Shape` is what findings
change of the anatomy itself. Sizes are typical adult ones (cardio-thoracic ratio below 0.5 in health).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from medley.core.seeds import generator

RIGHT, LEFT = -1, 1  # sign of x of the patient's sides
SIGN = {"right": RIGHT, "left": LEFT}


@dataclass(frozen=True)
class Patient:
    """What does not change between studies of one person."""

    key: str  # seeds the vessel tree and the small shapes
    sex: str
    age_years: float
    half_width_cm: float  # of the rib cage, inside
    half_depth_cm: float
    lung_height_cm: float  # apex to right dome at full inspiration
    wall_cm: float  # soft tissue of the chest wall: body habitus
    breast_cm: float  # 0 in men
    ctr: float  # cardio-thoracic ratio in health
    aorta_cm: float  # radius of the knob
    left_dome_cm: float  # how much lower the left dome stands
    bend_cm: float  # scoliosis
    rib_cm: float  # height of a rib
    rib_drop_cm: float  # how far a rib falls from the spine to its front end
    bone: float  # mineral, relative to 1


def draw_patient(*key: object) -> Patient:
    """The patient of this key."""
    rng = generator(*key, "patient")
    sex = "F" if rng.random() < 0.47 else "M"
    scale = 0.93 if sex == "F" else 1.02
    age_years = float(np.clip(rng.normal(57, 17), 18, 92).round())
    old = (age_years - 50) / 40
    return Patient(
        key="/".join(map(str, key)),
        sex=sex,
        age_years=age_years,
        half_width_cm=float(13.3 * scale * rng.uniform(0.91, 1.09)),
        half_depth_cm=float(9.0 * scale * rng.uniform(0.88, 1.15)),
        lung_height_cm=float(23.5 * scale * rng.uniform(0.9, 1.1)),
        wall_cm=float(rng.gamma(4.0, 0.55) + 0.8),
        breast_cm=float(rng.uniform(1.0, 5.0)) if sex == "F" else 0.0,
        ctr=float(rng.uniform(0.405, 0.475)),
        aorta_cm=float(1.55 + 0.35 * old + rng.normal(0, 0.15)),
        left_dome_cm=float(rng.uniform(0.4, 2.0)),
        bend_cm=float(rng.normal(0, 0.45)),
        rib_cm=float(rng.uniform(1.0, 1.35)),
        rib_drop_cm=float(rng.uniform(9.0, 13.0)),
        bone=float(np.clip(1.05 - 0.2 * old + rng.normal(0, 0.12), 0.6, 1.4)),
    )


@dataclass(frozen=True)
class Pose:
    """How one film was taken."""

    view: str  # PA or AP
    rotation_deg: float  # of the patient about the long axis; > 0 turns the front to +x
    tilt_deg: float
    field_cm: float
    centre_cm: tuple[float, float]
    inspiration: float  # 1 full
    magnification: float  # of the heart


@dataclass(frozen=True)
class Shape:
    """What findings change of the anatomy itself."""

    heart: float = 1.0  # width of the heart, relative
    mediastinum_cm: float = 0.0  # widening of the upper mediastinum, to each side
    raised_dome_cm: dict[str, float] = field(default_factory=dict)  # side -> how much


def lung_height_cm(patient: Patient, pose: Pose) -> float:
    """Apex to right dome in this breath."""
    return patient.lung_height_cm * (0.72 + 0.28 * pose.inspiration)


def sway(pose: Pose, depth_cm: float) -> float:
    """How far to +x a structure `depth_cm` in front of the rotation axis is projected."""
    return depth_cm * float(np.sin(np.radians(pose.rotation_deg)))
