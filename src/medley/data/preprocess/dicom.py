"""DICOM -> the one intensity contract, by the grayscale pipeline of the standard (PS3.3 C.7.6.3, C.8.11.3, C.11).

    stored values -> Modality LUT, or slope and intercept -> VOI LUT, or window -> [0, 1] -> inverted once, if at all

- Of several VOI LUTs or windows the first is taken; a VOI LUT goes before a window. A window is LINEAR, LINEAR_EXACT
  or SIGMOID.
- Without either, 8-bit data keep their full range (they are display values already), and deeper data are spread from
  the least to the greatest value that is not padding: the stored range of a detector says nothing of the film on it.
- MONOCHROME1 and Presentation LUT Shape INVERSE say the same thing: where either stands, white and black change
  places, once. Padding is black whatever the photometric interpretation.
- A missing HighBit (5-7 % of the CheXpert Plus files, by RadHarmony) is BitsStored - 1; bits above BitsStored are old
  overlays and are dropped.
"""

from __future__ import annotations

import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import UnreadableImage
from medley.data.preprocess.raw import FilmHeader, RawFilm, colourfulness, refuse_huge

# transfer syntax -> what its pixels need. The last resort for both is GPL, so it is named here and never installed.
_LIBJPEG = "pip install python-gdcm (BSD), or pylibjpeg pylibjpeg-libjpeg (GPL-3)"
_PLUGINS = {
    "1.2.840.10008.1.2.4.51": _LIBJPEG,  # JPEG Extended, 12 bit
    "1.2.840.10008.1.2.4.57": _LIBJPEG,  # JPEG Lossless
    "1.2.840.10008.1.2.4.70": _LIBJPEG,  # JPEG Lossless, first-order prediction
    "1.2.840.10008.1.2.4.80": "pip install pyjpegls",
    "1.2.840.10008.1.2.4.81": "pip install pyjpegls",
    "1.2.840.10008.1.2.4.90": "pip install pylibjpeg pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pip install pylibjpeg pylibjpeg-openjpeg",
}
_VIEW_POSITIONS = {"PA": "PA", "AP": "AP", "LL": "LATERAL", "RL": "LATERAL", "LAT": "LATERAL", "LATERAL": "LATERAL"}
_VIEW_WORDS = {
    "PA": r"\bPA\b|POSTERO-?\s?ANTERIOR",
    "AP": r"\bAP\b|ANTERO-?\s?POSTERIOR",
    "LATERAL": r"\bLAT\b|\bLATERAL\b|\bLL\b|\bRL\b",
}


def read_dicom(path: Path, preamble: bool = True) -> RawFilm:
    """Decode one DICOM film. Raises UnreadableImage naming the file, what is wrong with it and what to do."""
    with _damage_in_one_line(path):
        dataset, stored = _decode(path, preamble)
        pixels, bits, colour = _film_values(dataset, stored, path)
        return RawFilm(pixels, find_view(dataset), _header(dataset, bits, colour))


def modality_values(path: Path) -> np.ndarray:
    """float32 [H, W] in the modality's own units, no window: a slice of a volume. Raises UnreadableImage, as above."""
    with _damage_in_one_line(path):
        dataset, stored = _decode(path)
        if stored.ndim != 2 or dataset.PhotometricInterpretation != "MONOCHROME2":
            kind = dataset.PhotometricInterpretation
            raise UnreadableImage(f"{path} has the photometric interpretation {kind}; a slice of MRI is MONOCHROME2")
        return _modality(dataset, _significant(dataset, stored))


@contextmanager
def _damage_in_one_line(path: Path) -> Iterator[None]:
    """All that pydicom was seen to raise on files with missing elements, wrong lengths and flipped bits."""
    from pydicom.errors import BytesLengthException

    damages = (BytesLengthException, RuntimeError, AttributeError, LookupError, ValueError, TypeError, OSError)
    try:
        yield
    except UnreadableImage:
        raise
    except (*damages, EOFError, OverflowError, struct.error, zlib.error) as error:
        raise UnreadableImage(f"{path} is a damaged DICOM: {error}") from error


def _decode(path: Path, preamble: bool = True) -> tuple[Any, np.ndarray]:
    """The data set, checked, and its stored values."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of lengths and delimiters: what matters is an error below
        dataset = pydicom.dcmread(path, force=not preamble)
        _check(dataset, path)
        return dataset, _stored_values(dataset, path)


def _check(dataset: Any, path: Path) -> None:
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise UnreadableImage(f"{path} {_without_pixels(dataset)}")
    if "PixelData" not in dataset:
        raise UnreadableImage(f"{path} is a DICOM with floating-point pixel data, which no film has")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        what = f"is a multi-frame DICOM of {frames} frames"
        raise UnreadableImage(f"{path} {what}; Medley reads single films; extract one frame to a file of its own")
    missing = [
        name for name in ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation") if not dataset.get(name)
    ]
    if missing:
        raise UnreadableImage(f"{path} is a DICOM that lacks {', '.join(missing)}: its pixels cannot be understood")
    refuse_huge(path, int(dataset.Columns), int(dataset.Rows))
    if dataset.get("BitsStored") is None:
        dataset.BitsStored = dataset.BitsAllocated
    if dataset.get("HighBit") is None:
        dataset.HighBit = dataset.BitsStored - 1
    if dataset.get("PixelRepresentation") is None:
        dataset.PixelRepresentation = 0
    if dataset.get("SamplesPerPixel") is None:
        dataset.SamplesPerPixel = 1
    if dataset.file_meta.get("TransferSyntaxUID") is None:  # old style, without a meta header
        implicit, little = dataset.original_encoding
        syntax = {(True, True): "1.2.840.10008.1.2", (False, True): "1.2.840.10008.1.2.1"}
        dataset.file_meta.TransferSyntaxUID = syntax.get((implicit, little), "1.2.840.10008.1.2.2")


def _without_pixels(dataset: Any) -> str:
    """What a file without pixel data is: cut short, or of a kind that has none (a report, a presentation state)."""
    modality, kind = dataset.get("Modality"), getattr(dataset.get("SOPClassUID"), "name", "")
    if not modality:
        return "is a damaged DICOM, cut short before its pixel data; fetch it again"
    if "Image Storage" in kind or "Rows" in dataset:
        return f"is a DICOM of modality {modality} without pixel data: cut short, or a header alone; fetch it again"
    return f"is a DICOM of modality {modality} without pixel data, which is no film"


def _stored_values(dataset: Any, path: Path) -> np.ndarray:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        return dataset.pixel_array
    except RuntimeError as error:  # no plug-in could decode it
        cure = _PLUGINS.get(str(syntax))
        if cure is None or not re.search("missing|support", str(error)):
            last = str(error).strip().splitlines()[-1].strip()
            raise UnreadableImage(f"{path} cannot be decoded ({syntax.name}): {last}") from error
        raise UnreadableImage(f"{path} is compressed as {syntax.name}, which needs a plug-in: {cure}") from error


def _film_values(dataset: Any, stored: np.ndarray, path: Path) -> tuple[np.ndarray, int, float]:
    """float32 [H, W] in [0, 1], the depth in bits, and how colourful it was."""
    photometric = str(dataset.PhotometricInterpretation)
    if stored.ndim == 3:  # pydicom has made RGB of the YBR kinds
        stored = stored if stored.dtype == np.uint8 else (stored >> max(0, dataset.BitsStored - 8)).astype(np.uint8)
        return _luma(stored), 8, colourfulness(stored)
    if photometric == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        coloured = apply_color_lut(stored, dataset)
        coloured = coloured if coloured.dtype == np.uint8 else (coloured >> 8).astype(np.uint8)
        return _luma(coloured[..., :3]), 8, colourfulness(coloured[..., :3])
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableImage(f"{path} has the photometric interpretation {photometric}; a film is MONOCHROME1 or 2")
    bits = int(dataset.BitsStored)
    padding = _padding(dataset, stored)
    pixels = _window(dataset, _modality(dataset, _significant(dataset, stored)), padding, path)
    if photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        pixels = 1 - pixels
    pixels[padding] = 0
    return pixels, bits, 0.0


def _luma(rgb: np.ndarray) -> np.ndarray:
    return (rgb @ np.array([0.299, 0.587, 0.114], np.float32)) / 255


def _significant(dataset: Any, stored: np.ndarray) -> np.ndarray:
    """Without the bits above BitsStored, which are old overlays."""
    bits = int(dataset.BitsStored)
    if dataset.PixelRepresentation == 0 and bits < 8 * stored.dtype.itemsize:
        return stored & (2**bits - 1)
    return stored


def _padding(dataset: Any, stored: np.ndarray) -> np.ndarray:
    """bool [H, W]: pixels that the header says are no part of the film (PS3.3 C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return (stored >= low) & (stored <= high)


def _modality(dataset: Any, stored: np.ndarray) -> np.ndarray:
    """Stored values -> the modality's own units (PS3.3 C.11.1), float32."""
    if dataset.get("ModalityLUTSequence"):
        return _look_up(dataset, dataset.ModalityLUTSequence[0], stored)[0]
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    values = stored.astype(np.float32)
    if slope is not None and intercept is not None:
        values = values * np.float32(slope) + np.float32(intercept)
    return values


def _window(dataset: Any, values: np.ndarray, padding: np.ndarray, path: Path) -> np.ndarray:
    """Modality values -> [0, 1] by VOI LUT, window, or range (PS3.3 C.11.2)."""
    if dataset.get("VOILUTSequence"):
        looked_up, depth = _look_up(dataset, dataset.VOILUTSequence[0], values)
        return looked_up / np.float32(2**depth - 1)
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is not None and width is not None:
        return _by_window(values, center, width, str(dataset.get("VOILUTFunction") or "LINEAR").upper(), path)
    if dataset.BitsStored == 8 and dataset.PixelRepresentation == 0 and values.min() >= 0 and values.max() <= 255:
        return values / np.float32(255)
    valid = values[~padding] if padding.any() and not padding.all() else values
    low, high = valid.min(), valid.max()
    return ((values - low) / max(high - low, np.finfo(np.float32).tiny)).clip(0, 1)


def _by_window(values: np.ndarray, center: float, width: float, function: str, path: Path) -> np.ndarray:
    """PS3.3 C.11.2.1.2 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT)."""
    least = {"LINEAR": 1.0, "LINEAR_EXACT": 0.0, "SIGMOID": 0.0}.get(function)
    if least is None:
        raise UnreadableImage(f"{path} has the VOI LUT function {function}; known: LINEAR, LINEAR_EXACT, SIGMOID")
    if width < least or width <= 0:
        raise UnreadableImage(f"{path} has a window of width {width:g}, which the standard forbids for {function}")
    if function == "SIGMOID":
        return 1 / (1 + np.exp((-4 * (values - center) / width).clip(-80, 80)))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:  # LINEAR of width 1 is a threshold
        return (values > center).astype(np.float32)
    return ((values - np.float32(center)) / np.float32(width) + np.float32(0.5)).clip(0, 1)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, (str, int, float)):
        return float(value)
    return float(value[0]) if len(value) else None


def _look_up(dataset: Any, item: Any, values: np.ndarray) -> tuple[np.ndarray, int]:
    """Values through a LUT item -> float32 of the same shape and the LUT's depth in bits (PS3.3 C.11.1.1)."""
    entries, first, depth = (int(number) for number in item.LUTDescriptor)
    entries = entries or 2**16  # 0 stands for 65536
    if dataset.PixelRepresentation == 1 and first >= 2**15:
        first -= 2**16  # US read where SS was meant
    data = item.LUTData
    if isinstance(data, bytes):  # VR OW
        little = dataset.file_meta.TransferSyntaxUID.is_little_endian
        table = np.frombuffer(data, ("<" if little else ">") + ("u2" if len(data) >= 2 * entries else "u1"))
    else:
        table = np.asarray(data)
    if len(table) < entries:
        raise ValueError(f"a LUT has {len(table)} of {entries} entries")
    index = (np.rint(values).astype(np.int64) - first).clip(0, entries - 1)
    return table[:entries].astype(np.float32)[index], depth


def find_view(dataset: Any) -> str:
    """PA, AP or LATERAL from ViewPosition, else the view code, else the descriptions; two answers are UNKNOWN.

    A decubitus film is taken lying on the side but is a frontal film, and "portable" is not a projection: UNKNOWN.
    """
    position = str(dataset.get("ViewPosition") or "").strip().upper()
    if position in _VIEW_POSITIONS:
        return _VIEW_POSITIONS[position]
    codes = [str(item.get("CodeMeaning") or "") for item in dataset.get("ViewCodeSequence") or ()]
    descriptions = [str(dataset.get(name) or "") for name in ("SeriesDescription", "ProtocolName")]
    for text in (position, *codes, *descriptions):
        view = _view_in(text)
        if view != "UNKNOWN":
            return view
    return "UNKNOWN"


def _view_in(text: str) -> str:
    text = text.upper().replace("_", " ")
    found = [view for view, words in _VIEW_WORDS.items() if re.search(words, text)]
    return found[0] if len(found) == 1 and "DECUB" not in text else "UNKNOWN"


def _header(dataset: Any, bits: int, colour: float) -> FilmHeader:
    sex = str(dataset.get("PatientSex") or "").strip().upper()
    return FilmHeader(
        format="DICOM",
        bits=bits,
        colour=colour,
        modality=str(dataset.get("Modality") or "").strip().upper(),
        body_part=str(dataset.get("BodyPartExamined") or "").strip().upper(),
        photometric=str(dataset.PhotometricInterpretation),
        laterality=str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip().upper(),
        sex=sex if sex in ("F", "M") else None,
        age_years=_age_years(str(dataset.get("PatientAge") or "")),
    )


def _age_years(text: str) -> float:
    """Value representation AS: 045Y, 006M, 003W, 010D. 000Y is what anonymisers write for "not known"."""
    match = re.fullmatch(r"(\d{1,3})([YMWD])", text.strip().upper())
    if not match or match[0] == "000Y":
        return math.nan
    return int(match[1]) / {"Y": 1, "M": 12, "W": 52.1775, "D": 365.25}[match[2]]
