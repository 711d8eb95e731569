"""Any chest image file -> pixels under the one intensity contract, and the way back onto the original film.

    file bytes -> float32 [H, W] in [0, 1], 0 air (black), 1 densest (white)          read_film
               -> longer side = px with antialiasing, centred on black, uint8         fit
    map [px, px] -> crop the padding -> float32 [H, W]                                unfit

Pixels are quantised once, at the end of `fit`. Shards and files take this same path, so they give the same tensors;
whatever changes a pixel here must raise `PREPROCESSING_VERSION`, which shards are keyed by.

The bytes decide what a file is, never its suffix. Read are DICOM (`dicom.py`), PNG, JPEG, TIFF and BMP, upright
(EXIF orientation), colour by luma (ITU-R 601), transparency on black. 16-bit greyscale is divided by the full scale of
its depth: the PNG's sBIT chunk where there is one, else the least of 8, 10, 12, 14, 16 bits that holds its maximum
(PACS exports keep 10- to 14-bit values in 16-bit files; divided by 65535 those would be black). `header.bits` says it.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import MedleyError, UnreadableImage, choose
from medley.core.records import VIEWS, Film, Placement

PREPROCESSING_VERSION = 1
MAX_PIXELS = 80_000_000  # a decompression bomb; the largest detectors have 20 million, and Pillow warns from 89
MIN_SIDE = 16
FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_DEPTHS = (8, 10, 12, 14, 16)
_PILLOW_RAISES = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError)  # on damaged files


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


def read_film(path: Path | str) -> RawFilm:
    """Decode one image file. Raises UnreadableImage, one line naming the file, for whatever cannot be a film."""
    path = Path(path)
    head = _first_bytes(path)
    if _is_dicom(head):
        from medley.data.preprocess.dicom import read_dicom  # pydicom is loaded only by who meets a DICOM

        film = read_dicom(path, preamble=head[128:132] == b"DICM")
    else:
        film = _read_raster(path, head)
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


def refuse_huge(path: Path, width: int, height: int) -> None:
    """Raise before a single pixel is decoded where the header asks for more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 1_000_000
        raise UnreadableImage(f"{path} claims {width} x {height} pixels; no film has more than {limit} million")


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


def _read_raster(path: Path, head: bytes) -> RawFilm:
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as image:
            refuse_huge(path, *image.size)
            pictures = getattr(image, "n_frames", 1)
            if image.format in ("PNG", "TIFF") and pictures > 1:
                raise UnreadableImage(f"{path} holds {pictures} pictures; a film is one: extract it")
            kind = str(image.format)
            image.load()
            pixels, bits, colour = _grey(ImageOps.exif_transpose(image), path)
    except Image.UnidentifiedImageError as error:
        what = "it is a text file" if _is_text(head) else f"it begins with {head[:8].hex(' ')}"
        raise UnreadableImage(f"{path} is none of DICOM, {', '.join(FORMATS)}: {what}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage(f"{path} claims too many pixels: {error}") from error
    except UnreadableImage:
        raise
    except (*_PILLOW_RAISES, struct.error, zlib.error) as error:
        raise UnreadableImage(f"{path} is damaged: {error}") from error
    return RawFilm(pixels, "UNKNOWN", FilmHeader(kind, bits, colour))


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r" for byte in head)


def _grey(image: Any, path: Path) -> tuple[np.ndarray, int, float]:
    """float32 [H, W] in [0, 1], the depth in bits, and how colourful it was."""
    mode = image.mode
    if mode.startswith("I;16"):
        stored = np.asarray(image).astype(np.uint16)
        bits = _significant_bits(path, int(stored.max()))
        return stored.astype(np.float32) / (2**bits - 1), bits, 0.0
    if mode == "F":
        values = np.asarray(image, dtype=np.float32)
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise UnreadableImage(f"{path} has floating-point pixels outside [0, 1]; scale them to [0, 1] first")
        return values, 32, 0.0
    if mode in ("P", "PA", "RGBA", "LA"):
        rgba = image.convert("RGBA")
        black = rgba.copy()
        black.paste((0, 0, 0, 255), (0, 0, *rgba.size))
        black.alpha_composite(rgba)
        image = black.convert("RGB")
    elif mode not in ("1", "L", "RGB"):
        raise UnreadableImage(f"{path} has pixels of the kind {mode}; convert it to 8- or 16-bit greyscale")
    colour = colourfulness(np.asarray(image)) if image.mode == "RGB" else 0.0
    return np.asarray(image.convert("L"), dtype=np.float32) / 255, 8, colour


def colourfulness(rgb: np.ndarray) -> float:
    """Mean spread between the channels of uint8 [H, W, 3], in [0, 1]: 0 for a grey picture saved in colour."""
    sample = rgb[:: max(1, rgb.shape[0] // 256), :: max(1, rgb.shape[1] // 256)].astype(np.int16)
    return float((sample.max(-1) - sample.min(-1)).mean() / 255)


def _significant_bits(path: Path, maximum: int) -> int:
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(b"sBIT", 0, max(head.find(b"IDAT"), 0))
    if head.startswith(b"\x89PNG") and at > 0 and 2 ** head[at + 4] > maximum:
        return head[at + 4]
    return next(bits for bits in _DEPTHS if maximum < 2**bits)


def place(height: int, width: int, px: int) -> Placement:
    """Where a film of `height` x `width` lies on a square of `px`: the longer side fills it, the rest is padding."""
    if px < 1:
        raise MedleyError(f"px is {px}; a film has a side of at least 1 pixel")
    scale = px / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    return Placement(height, width, px, scale, (px - inner_height) // 2, (px - inner_width) // 2)


def inner_size(placement: Placement) -> tuple[int, int]:
    """Height and width in pixels of the film itself on its square."""
    scale = placement.scale
    return max(1, round(placement.height * scale)), max(1, round(placement.width * scale))


def fit(pixels: np.ndarray, px: int) -> tuple[np.ndarray, Placement]:
    """float [H, W] in [0, 1] -> uint8 [px, px] and its placement: aspect kept, antialiased, padded with 0, centred."""
    placement = place(pixels.shape[0], pixels.shape[1], px)
    height, width = inner_size(placement)
    square = np.zeros((px, px), np.uint8)
    top, left = placement.top, placement.left
    square[top : top + height, left : left + width] = np.rint(_resize(pixels, height, width).clip(0, 1) * 255)
    return square, placement


def unfit(map_px: np.ndarray, placement: Placement) -> np.ndarray:
    """A map over the square -> float32 [H, W] over the original film. A coarser map is first scaled to [px, px]."""
    if map_px.ndim != 2 or map_px.shape[0] != map_px.shape[1]:
        raise MedleyError(f"a map over a film is a square [px, px]; this one is {list(map_px.shape)}")
    if map_px.shape[0] != placement.px:
        map_px = _resize(map_px, placement.px, placement.px)
    (height, width), top, left = inner_size(placement), placement.top, placement.left
    return _resize(map_px[top : top + height, left : left + width], placement.height, placement.width)


def place_box(box: tuple[float, float, float, float], placement: Placement) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) in pixels of the original film -> in pixels of the square."""
    x_scale, y_scale = _scales(placement)
    left, top = placement.left, placement.top
    return (box[0] * x_scale + left, box[1] * y_scale + top, box[2] * x_scale + left, box[3] * y_scale + top)


def unplace_box(box: tuple[float, float, float, float], placement: Placement) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) in pixels of the square -> in pixels of the original film, cut off at its edges."""
    x_scale, y_scale = _scales(placement)
    xs = [min(max((x - placement.left) / x_scale, 0.0), float(placement.width)) for x in (box[0], box[2])]
    ys = [min(max((y - placement.top) / y_scale, 0.0), float(placement.height)) for y in (box[1], box[3])]
    return (xs[0], ys[0], xs[1], ys[1])


def _scales(placement: Placement) -> tuple[float, float]:
    height, width = inner_size(placement)
    return width / placement.width, height / placement.height


def _resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, with the filter widened when shrinking (antialiased); never overshoots. float32 [height, width]."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
