"""The words, dates and spacing in a file's header: DICOM elements, PNG text, JPEG comments and EXIF.

Ids, and names of persons, places and machines, are never read, and words leave here only to be searched for findings.
"""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_TEXT_KINDS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})  # value representations of free text
_NOT_OF_THE_FILM = re.compile(  # ids, and names of places and machines ("Mass General" is no mass)
    r".*(PatientID|PatientIDs|Address|AccessionNumber|StudyID)|(Institution|Manufacturer|Station|Software).*"
)
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "PatientBirthDate")
_SPACINGS = ("ImagerPixelSpacing", "PixelSpacing", "NominalScannedPixelSpacing")
_EXIF_TEXT = (270, 37510, 40091, 40092, 40094)  # ImageDescription, UserComment, XPTitle, XPComment, XPKeywords
_LONGEST = 4000  # characters kept of one text


@dataclass(frozen=True)
class Header:
    """`texts` are (where, words), `dates` are (which, as written); spacing 0 where the header says none."""

    texts: tuple[tuple[str, str], ...] = ()
    dates: tuple[tuple[str, str], ...] = ()
    spacing_mm: float = 0.0
    compression: float = 0.0  # mean of a JPEG's first quantisation table; 0 for other files
    damaged: tuple[str, ...] = ()  # elements whose value cannot be read, and so was not


def read_header(path: str, kind: str) -> Header:
    """The header of a film that `read_film` has read; `kind` is the format that it found."""
    return _of_dicom(path) if kind == "DICOM" else _of_raster(path)


def _of_dicom(path: str) -> Header:
    import pydicom

    damaged: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of values that are odd and can be read
        dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        elements = list(_elements(dataset, damaged))
    texts = tuple((e.keyword or str(e.tag), words) for e in elements if e.VR in _TEXT_KINDS and (words := _words(e)))
    found = {element.keyword: element.value for element in elements}
    dates = tuple((name, str(found[name]).strip()) for name in _DATES if found.get(name))
    return Header(texts, dates, _spacing_mm(found), damaged=tuple(damaged))


def _elements(dataset: Any, damaged: list[str], depth: int = 2) -> Iterator[Any]:
    """The elements of a data set and of the sequences in it; one that cannot be read is named in `damaged`."""
    from pydicom.datadict import keyword_for_tag
    from pydicom.errors import BytesLengthException

    unreadable = (BytesLengthException, RuntimeError, AttributeError, LookupError, ValueError, TypeError, struct.error)
    for tag in dataset.keys():  # noqa: SIM118 (a Dataset iterates over elements, and the first damaged one would raise)
        try:
            element = dataset[tag]
        except (*unreadable, EOFError, OverflowError):
            damaged.append(keyword_for_tag(tag) or str(tag))
            continue
        if element.VR == "SQ":
            for item in element.value if depth else ():
                yield from _elements(item, damaged, depth - 1)
        else:
            yield element


def _words(element: Any) -> str:
    if _NOT_OF_THE_FILM.fullmatch(element.keyword) or not element.value:
        return ""
    values = element.value if element.VM > 1 else [element.value]
    return " ".join(str(value) for value in values)[:_LONGEST].strip()


def _spacing_mm(found: Mapping[str, Any]) -> float:
    """Of rows; 0 where there is none, or none that is a number."""
    for name in _SPACINGS:
        try:
            return float(found[name][0])
        except (KeyError, TypeError, ValueError, IndexError):
            continue
    return 0.0


def _of_raster(path: str) -> Header:
    from PIL import Image

    with Image.open(path) as image:
        texts = [(str(key), value) for key, value in image.info.items() if isinstance(value, (str, bytes))]
        exif = image.getexif()
        texts += [(f"EXIF {tag}", exif[tag]) for tag in _EXIF_TEXT if tag in exif]
        dpi = image.info.get("dpi")
        tables = getattr(image, "quantization", None)
    words = tuple((name, _decode(name, value)) for name, value in texts if name not in ("exif", "icc_profile", "xmp"))
    spacing = 25.4 / float(dpi[0]) if dpi and float(dpi[0]) > 0 else 0.0
    first = next(iter(tables.values())) if tables else ()
    return Header(tuple(pair for pair in words if pair[1]), (), spacing, sum(first) / 64 if first else 0.0)


def _decode(name: str, value: str | bytes) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-16-le" if name.startswith("EXIF 40") else "utf-8", errors="ignore")
    return value.replace("\0", " ").strip()[:_LONGEST]
