"""Each film decoded once: what every check needs of it is measured here, small enough to keep for a whole dataset.

A film that cannot be read is a Look with its problem and the reader's own words; nothing stops the walk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medley.core.errors import UnreadableImage
from medley.core.files import sha256
from medley.core.records import ImageRef
from medley.core.workers import spread
from medley.data.cases import CaseTable
from medley.data.checks.fingerprint import thumbnail
from medley.data.checks.headers import Header, read_header
from medley.data.preprocess.film import read_film
from medley.data.preprocess.raw import RawFilm

MISSING, DAMAGED, CONSTANT, CHANGED = "missing", "damaged", "constant", "changed"
HISTOGRAM_BINS = 16
_FORMATS = ("DICOM", "PNG", "JPEG", "TIFF", "BMP")
_ALMOST_CONSTANT = 0.01  # standard deviation in grey scale [0, 1]: a blank page with compression noise
ACQUISITION_FEATURES = 15 + len(_FORMATS)


@dataclass(frozen=True, eq=False)
class Look:
    """What is kept of one film; compared by identity. A CHANGED film is measured all the same."""

    case_id: str
    path: str
    view: str
    problem: str = ""  # "" or one of the four above
    reason: str = ""
    file_sha256: str = ""
    pixel_sha256: str = ""  # of the decoded grey values and their shape: equal where only the container differs
    height: int = 0
    width: int = 0
    thumb: np.ndarray | None = None  # uint8 [64, 64] of the content
    acquisition: np.ndarray | None = None  # float32 [ACQUISITION_FEATURES]: how it was taken and stored
    histogram: np.ndarray | None = None  # float32 [HISTOGRAM_BINS], shares of the content
    header: Header | None = None

    @property
    def readable(self) -> bool:
        return self.thumb is not None


def look_at_all(
    table: CaseTable, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> tuple[Look, ...]:
    """A Look at every image of the table, in its order."""
    jobs = [(case.case_id, image) for case in table.cases for image in case.images]
    looks = []
    for look in spread(look_at, jobs, workers):
        looks.append(look)
        if progress:
            progress(len(looks), len(jobs))
    return tuple(looks)


def look_at(job: tuple[str, ImageRef]) -> Look:
    """One film of a case."""
    case_id, image = job
    try:
        raw = read_film(image.path)
    except UnreadableImage as error:
        return Look(case_id, image.path, image.view, _problem(image.path, str(error)), str(error))
    digest = sha256(image.path)
    problem = reason = ""
    if image.sha256 and image.sha256 != digest:
        problem, reason = CHANGED, f"{image.path} is not the file that was indexed: its sha256 differs"
    if raw.pixels.std() < _ALMOST_CONSTANT:
        problem, reason = CONSTANT, f"{image.path} is almost one grey value: standard deviation {raw.pixels.std():.4f}"
        return Look(case_id, image.path, image.view, problem, reason, digest)
    header = read_header(image.path, raw.header.format)
    thumb = thumbnail(raw.pixels)
    return Look(
        case_id,
        image.path,
        image.view,
        problem,
        reason,
        digest,
        _pixel_digest(raw.pixels),
        height=raw.pixels.shape[0],
        width=raw.pixels.shape[1],
        thumb=thumb,
        acquisition=_acquisition(raw, header),
        histogram=np.histogram(thumb, HISTOGRAM_BINS, (0, 256))[0].astype(np.float32) / thumb.size,
        header=header,
    )


def _problem(path: str, reason: str) -> str:
    if "there is nothing on it" in reason:  # read_film's words for a film of one grey value
        return CONSTANT
    return DAMAGED if Path(path).exists() else MISSING


def _pixel_digest(pixels: np.ndarray) -> str:
    grey = np.rint(pixels * 65535).astype("<u2")
    return hashlib.sha256(f"{pixels.shape}".encode() + grey.tobytes()).hexdigest()


def _acquisition(raw: RawFilm, header: Header) -> np.ndarray:
    """Size, depth, spacing, file format and background: what a scanner or a web site leaves on every film it makes."""
    pixels = raw.pixels
    height, width = pixels.shape
    edge = max(1, min(height, width) // 32)
    sides = (pixels[:edge], pixels[-edge:], pixels[:, :edge], pixels[:, -edge:])
    corners = [pixels[y, x] for y in (slice(edge), slice(-edge, None)) for x in (slice(edge), slice(-edge, None))]
    values = [
        np.log(height),
        np.log(width),
        np.log(height / width),
        raw.header.bits,
        raw.header.colour,
        header.spacing_mm,
        header.compression,
        float((pixels <= 0).mean()),
        float((pixels >= 1).mean()),
        float(np.mean([side.mean() for side in sides])),
        float(np.mean([side.std() for side in sides])),
        *(float(part.mean()) for part in corners),
    ]
    kinds = [float(raw.header.format == kind) for kind in _FORMATS]
    return np.array(values + kinds, np.float32)
