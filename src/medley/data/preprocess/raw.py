"""A decoded film before it is fitted to a size: its pixels, its view, and what its header says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medley.core.errors import UnreadableImage

MAX_PIXELS = 80_000_000  # a decompression bomb; the largest detectors have 20 million, and Pillow warns from 89


@dataclass(frozen=True)
class FilmHeader:
    """What later steps need of a file's header; "" or nan = not said. Never a name or an id of the patient."""

    format: str  # DICOM, PNG, JPEG, TIFF, BMP
    bits: int  # depth that full scale was taken from
    colour: float = 0.0  # mean spread between the colour channels, in [0, 1]; 0 for greyscale
    modality: str = ""  # DICOM: CR, DX, CT, ...
    body_part: str = ""
    photometric: str = ""
    laterality: str = ""
    sex: str | None = None  # "F" or "M"
    age_years: float = math.nan


@dataclass(frozen=True)
class RawFilm:
    """A decoded file: float32 [H, W] in [0, 1], 0 air, 1 densest; `view` is one of VIEWS."""

    pixels: np.ndarray
    view: str
    header: FilmHeader


def refuse_huge(path: Path, width: int, height: int) -> None:
    """Raise before a single pixel is decoded where the header asks for more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise UnreadableImage(f"{path} claims {width} x {height} pixels; no film has more than {limit} million")


def colourfulness(rgb: np.ndarray) -> float:
    """Mean spread between the channels of uint8 [H, W, 3], in [0, 1]: 0 for a grey picture saved in colour."""
    sample = rgb[:: max(1, rgb.shape[0] // 256), :: max(1, rgb.shape[1] // 256)].astype(np.int16)
    return float((sample.max(-1) - sample.min(-1)).mean() / 255)
