"""Films that look like radiographs to a fingerprint, and rows to spoil: what the tests of the checks are made of."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from medley.core.records import Case, ImageRef
from medley.core.seeds import generator
from medley.data.cases import CaseTable, write_cases

FILM_PX = 160


def draw_film(number: int, px: int = FILM_PX) -> np.ndarray:
    """float [px, px] in [0, 1]: noise with the falling spectrum of radiographs, two dark lungs, a face of its own."""
    rng = generator("checks film", number)
    radius = np.hypot(np.fft.fftfreq(px)[:, None], np.fft.rfftfreq(px)[None])
    radius[0, 0] = 1
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((px, px))) / radius**1.5, (px, px))
    y, x = np.mgrid[-1 : 1 : px * 1j, -1 : 1 : px * 1j]
    lungs = sum(np.exp(-((((x - side) / 0.3) ** 2 + (y / 0.7) ** 2) ** 2)) for side in (-0.45, 0.45))
    film = 0.7 - 0.4 * lungs + 0.15 * noise / noise.std()
    return ((film - film.min()) / (film.max() - film.min())).astype(np.float32)


def save_film(path: Path, pixels: np.ndarray, **options) -> Path:
    """Write float pixels in [0, 1] as 8 bits; the suffix chooses the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(path, **options)
    return path


def a_case(number: int, **changes) -> Case:
    """One study of a patient of its own; `patient`, `image`, `labels`, `text`, ... change it."""
    image = changes.pop("image", None)
    images = (ImageRef("PA", str(image)),) if image else ()
    row = {
        "case_id": f"case{number}",
        "patient_id": f"patient{number}",
        "study_id": f"study{number}",
        "images": images,
        "source": "here",
    }
    return Case(**{**row, **changes})


def a_table(cases: list[Case], labels: tuple[str, ...] = (), path: Path | None = None) -> CaseTable:
    """In memory; with `path`, on disk as well."""
    full = [_with_labels(case, labels) for case in cases]
    return write_cases(path, full, labels) if path else CaseTable(tuple(full), labels, path)


def _with_labels(case: Case, labels: tuple[str, ...]) -> Case:
    return Case(**{**vars(case), "labels": {label: case.labels.get(label, math.nan) for label in labels}})
