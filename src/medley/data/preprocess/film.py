"""Any chest image file -> pixels under the one intensity contract, and the way back onto the original film.

    file bytes -> float32 [H, W] in [0, 1], 0 air (black), 1 densest (white)          read_film
               -> longer side = px with antialiasing, centred on black, uint8         geometry.fit
    map [px, px] -> crop the padding -> float32 [H, W]                                geometry.unfit

Shards and files take this same path, so they give the same tensors; whatever changes a pixel here, in `geometry.py`,
`raster.py` or `dicom.py` must raise `PREPROCESSING_VERSION`, which shards are keyed by. The bytes decide what a file
is, never its suffix.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medley.core.errors import UnreadableImage, choose
from medley.core.records import VIEWS, Film
from medley.data.preprocess.geometry import fit
from medley.data.preprocess.raster import read_raster
from medley.data.preprocess.raw import RawFilm

PREPROCESSING_VERSION = 1
MIN_SIDE = 16


def read_film(path: Path | str) -> RawFilm:
    """Decode one image file. Raises UnreadableImage, one line naming the file, for whatever cannot be a film."""
    path = Path(path)
    head = _first_bytes(path)
    if _is_dicom(head):
        from medley.data.preprocess.dicom import read_dicom  # pydicom is loaded only by who meets a DICOM

        film = read_dicom(path, preamble=head[128:132] == b"DICM")
    else:
        film = read_raster(path, head)
    height, width = film.pixels.shape
    if min(height, width) < MIN_SIDE:
        raise UnreadableImage(f"{path} has {width} x {height} pixels; a film needs at least {MIN_SIDE} on each side")
    if not np.isfinite(film.pixels).all():
        raise UnreadableImage(f"{path} has pixels that are nan or infinite")
    if film.pixels.min() == film.pixels.max():
        raise UnreadableImage(f"{path} has one value in every pixel; there is nothing on it")
    return film


def load_film(path: Path | str, px: int, view: str | None = None) -> Film:
    """Read one file to training size. `view`, where the case table knows it, wins over the file's header."""
    raw = read_film(path)
    pixels, placement = fit(raw.pixels, px)
    return Film(settle_view(view, raw.view), pixels, placement)


def settle_view(asked: str | None, found: str) -> str:
    """The view of the case table where it names one, else the one found in the file."""
    if asked in (None, "", "UNKNOWN"):
        return found
    return choose(asked, dict.fromkeys(VIEWS, asked), "view")


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UnreadableImage(f"{path} is a folder; name one image file")
    if path.exists() and not path.is_file():
        raise UnreadableImage(f"{path} is a pipe or a device, not a file")
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except FileNotFoundError as error:
        raise UnreadableImage(f"{path} does not exist") from error
    except OSError as error:
        raise UnreadableImage(f"{path} cannot be opened: {error.strerror}") from error
    if not head:
        raise UnreadableImage(f"{path} is empty (0 bytes)")
    return head


def _is_dicom(head: bytes) -> bool:
    """With the DICM mark, or old style without preamble: a first element of group 0002 or 0008, little endian."""
    old_style = head[:2] in (b"\x02\x00", b"\x08\x00") and head[3:4] == b"\x00" and len(head) > 132
    return head[128:132] == b"DICM" or old_style


def is_image(path: Path | str) -> bool:
    """Whether the first bytes are those of a format that `read_film` reads; says nothing of the rest of the file."""
    head = _first_bytes(Path(path))
    magic = (b"\x89PNG", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"BM")
    return _is_dicom(head) or head.startswith(magic)
