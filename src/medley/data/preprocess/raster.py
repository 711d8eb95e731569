"""PNG, JPEG, TIFF and BMP -> grey pixels in [0, 1], upright, colour by luma (ITU-R 601), transparency on black.

16-bit greyscale is divided by the full scale of its depth: the PNG's sBIT chunk where there is one, else the least of
8, 10, 12, 14, 16 bits that holds its maximum (PACS exports keep 10- to 14-bit values in 16-bit files; divided by 65535
those would be black). `header.bits` says it.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import UnreadableImage
from medley.data.preprocess.raw import FilmHeader, RawFilm, colourfulness, refuse_huge

FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
_DEPTHS = (8, 10, 12, 14, 16)
_PILLOW_RAISES = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError)  # on damaged files


def read_raster(path: Path, head: bytes) -> RawFilm:
    """Decode one file whose first bytes are `head`. Raises UnreadableImage for whatever cannot be a film."""
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


def _significant_bits(path: Path, maximum: int) -> int:
    with path.open("rb") as file:
        head = file.read(4096)
    at = head.find(b"sBIT", 0, max(head.find(b"IDAT"), 0))
    if head.startswith(b"\x89PNG") and at > 0 and 2 ** head[at + 4] > maximum:
        return head[at + 4]
    return next(bits for bits in _DEPTHS if maximum < 2**bits)
