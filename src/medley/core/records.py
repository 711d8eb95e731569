"""The records that travel through Medley: Case -> Study -> (a family's Batch -> Output) -> Prediction.

A `Case` is a row of the case table: where a study lies and what is known of it. A `Study` is that case with its pixels
read and made comparable. A `Prediction` is a line of `predictions.jsonl`. All are frozen; no dicts travel between
folders.

Shapes: of a film H height, W width in pixels; of a volume S sequences, D depth (inferior to superior), H height
(posterior to anterior), W width (the patient's left to right) in voxels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

VIEWS = ("PA", "AP", "LATERAL", "UNKNOWN")  # of a chest film
SEQUENCES = ("flair", "t1", "t1c", "t2")  # of a brain MRI, as the `view` of its files
INPUT_SECTIONS = ("indication", "history", "note")  # text written before the image was read: may be model input
TARGET_SECTIONS = ("findings", "impression", "report")  # written from the image: never input


@dataclass(frozen=True)
class ImageRef:
    """One image file of a study. `path` is absolute, or relative to the folder of the case table."""

    view: str
    path: str
    sha256: str | None = None


@dataclass(frozen=True)
class Case:
    """One study: one row of `cases.parquet`. `case_id` is unique in its table; splits never part a `patient_id`."""

    case_id: str
    patient_id: str
    study_id: str
    images: tuple[ImageRef, ...] = ()
    text: Mapping[str, str] = field(default_factory=dict)  # section -> text; what the study lacks is left out
    labels: Mapping[str, float] = field(default_factory=dict)  # name -> 1, 0, -1 uncertain, nan not known
    truth: Mapping[str, Any] = field(default_factory=dict)  # what a generated case knows of itself, or boxes of readers
    sex: str | None = None  # "F" or "M"
    age_years: float = math.nan
    source: str = ""  # the dataset it came from
    synthetic: bool = False


def target_sections(case: Case) -> dict[str, str]:
    """What of the case's text was written from the image, and says anything: section -> text."""
    return {name: case.text[name].strip() for name in TARGET_SECTIONS if case.text.get(name, "").strip()}


@dataclass(frozen=True)
class Placement:
    """How an original of `height` x `width` pixels was put on a square of `px`: scaled by `scale`, then padded.

    `top` and `left` are the padding in pixels of the square. Kept so that a map goes back onto the original film.
    """

    height: int
    width: int
    px: int
    scale: float
    top: int
    left: int


@dataclass(frozen=True)
class Film:
    """One view at training size under the one intensity contract: uint8 [px, px], 0 air (black), 255 dense (white).

    `regions` says where something is known to lie on it: name (a label, or a part of the body) -> uint8 [r, r] over the
    same square, the share of each cell that it covers in 255ths. What is not known is not in it; absent is all 0.
    """

    view: str
    pixels: np.ndarray
    placement: Placement
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class VolumeGrid:
    """What a model of volumes reads: `shape` (D, H, W) in voxels over a field of view of `fov_mm` (D, H, W), centred on
    the brain."""

    shape: tuple[int, int, int]
    fov_mm: tuple[float, float, float]


@dataclass(frozen=True)
class FilmInput:
    """What a family of films reads: squares of `px` pixels, at most `views` (1 or 2) films of a study together."""

    px: int
    views: int


@dataclass(frozen=True)
class VolumeInput:
    """What a family of volumes reads: one volume a study, made of these sequences, in this order, on one grid."""

    grid: VolumeGrid
    sequences: tuple[str, ...]


ImageInput = FilmInput | VolumeInput


@dataclass(frozen=True)
class Volume:
    """One brain on a model's grid under the one intensity contract: uint8 [S, D, H, W], 0 outside the brain, 1 to 255
    from the 0.5th to the 99.5th percentile of what lies inside.

    `affine` leads from an index (d, h, w) of the grid to millimetres of the source's own space (RAS+), `source_affine`
    from an index of the source file to the same, so that a map goes back onto the original. `regions` says where
    something is known to lie: name -> uint8 [D, H, W], the share of each voxel that it covers in 255ths. What is not
    known is not in it; absent is all 0.
    """

    sequences: tuple[str, ...]
    voxels: np.ndarray
    affine: np.ndarray
    source_shape: tuple[int, int, int]
    source_affine: np.ndarray
    regions: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A case with its images read, films or one volume, ready for a family's Processor. `note` is None when there is
    none, never ""."""

    case: Case
    films: tuple[Film, ...] = ()
    note: str | None = None
    volume: Volume | None = None


@dataclass(frozen=True)
class Evidence:
    """What a model looked at for each label of one study: a patch map a film, and the share of each word."""

    maps: Mapping[str, tuple[np.ndarray, ...]]  # label -> float32 [h, w] for each film
    words: Mapping[str, Mapping[str, float]]  # label -> word -> share of the attention


@dataclass(frozen=True)
class Report:
    """What a model wrote of one study: section -> text, and its confidence in each sentence of a section."""

    sections: Mapping[str, str]
    confidence: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Prediction:
    """One line of `predictions.jsonl`; probabilities in [0, 1]. What does not apply is empty, and left out of it."""

    case_id: str
    patient_id: str
    task: str  # chest_findings | chest_report | brain_report | syndrome
    scores: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, int | None] = field(default_factory=dict)
    heads: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    images: tuple[Mapping[str, Any], ...] = ()  # one {"view", "scores"} an image
    hypothesis: Mapping[str, str] = field(default_factory=dict)  # section -> text
    reference: Mapping[str, str] = field(default_factory=dict)
    truth: Mapping[str, Any] = field(default_factory=dict)
    group: Mapping[str, Any] = field(default_factory=dict)  # sex, age_years, view, source
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The line as a plain dict: what does not apply is left out."""
        required = {"case_id", "patient_id", "task"}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
            if name in required or value
        }
