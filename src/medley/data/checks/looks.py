"""Each image decoded once: what every check needs of it is measured here, small enough to keep for a whole dataset.

A film is looked at by itself, the volumes of a study together (`volumes.look`). An image that cannot be read is a Look
with its problem and the reader's own words; nothing stops the walk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medley.core.errors import UnreadableImage
from medley.core.files import sha256
from medley.core.records import SEQUENCES, Case, ImageRef
from medley.core.workers import spread
from medley.data.cases import CaseTable
from medley.data.checks.fingerprint import thumbnail
from medley.data.checks.headers import Header, read_header
from medley.data.preprocess.film import read_film
from medley.data.preprocess.raw import RawFilm

if TYPE_CHECKING:
    from medley.data.checks.volumes.facts import VolumeFacts

MISSING, DAMAGED, CONSTANT, CHANGED = "missing", "damaged", "constant", "changed"
HISTOGRAM_BINS = 16
_FORMATS = ("DICOM", "PNG", "JPEG", "TIFF", "BMP")
_ALMOST_CONSTANT = 0.01  # standard deviation in grey scale [0, 1]: a blank page with compression noise
ACQUISITION_FEATURES = 15 + len(_FORMATS)


@dataclass(frozen=True, eq=False)
class Look:
    """What is kept of one image; compared by identity. A CHANGED image is measured all the same.

    A film has `thumb`, `acquisition` and `histogram`, a volume has `volume`.
    """

    case_id: str
    path: str
    view: str
    problem: str = ""  # "" or one of the four above
    reason: str = ""
    file_sha256: str = ""
    pixel_sha256: str = ""  # of the decoded values and their shape: equal where only the container differs
    height: int = 0
    width: int = 0
    thumb: np.ndarray | None = None  # uint8 [64, 64] of the content
    acquisition: np.ndarray | None = None  # float32 [ACQUISITION_FEATURES]: how it was taken and stored
    histogram: np.ndarray | None = None  # float32 [HISTOGRAM_BINS], shares of the content
    header: Header | None = None
    volume: VolumeFacts | None = None

    @property
    def readable(self) -> bool:
        return self.thumb is not None or self.volume is not None


def look_at_all(
    table: CaseTable, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> tuple[Look, ...]:
    """A Look at every image of the table, in its order."""
    folder = table.path.parent if table.path else Path()
    jobs = [job for case in table.cases for job in _jobs(case)]
    total, looks = sum(len(images) for _, images in jobs), list[Look]()
    for found in spread(partial(_look, folder), jobs, workers):
        looks += found
        if progress:
            progress(len(looks), total)
    return tuple(looks)


def is_volume(image: ImageRef) -> bool:
    """Whether an image of a case table is a sequence of a brain MRI; else it is a film."""
    return image.view in SEQUENCES


def _jobs(case: Case) -> list[tuple[Case, tuple[ImageRef, ...]]]:
    """Each film alone, in their order, and the volumes together where the first of them stands."""
    volumes = tuple(image for image in case.images if is_volume(image))
    jobs: list[tuple[Case, tuple[ImageRef, ...]]] = []
    for image in case.images:
        if not is_volume(image):
            jobs.append((case, (image,)))
        elif image is volumes[0]:
            jobs.append((case, volumes))
    return jobs


def _look(folder: Path, job: tuple[Case, Sequence[ImageRef]]) -> list[Look]:
    case, images = job
    if not is_volume(images[0]):
        return [look_at((case.case_id, images[0]))]
    from medley.data.checks.volumes.look import look_at_study

    return look_at_study(case, images, folder)


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
