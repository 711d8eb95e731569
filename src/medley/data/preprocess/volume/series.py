"""A folder of DICOM slices, one MR series, -> RawVolume.

Slices are sorted by where they lie (ImagePositionPatient), never by file name or instance number; their distance is
that of their positions, never SliceThickness or SpacingBetweenSlices. Values are in the modality's own units, without
any window. A folder that holds more than one series is refused: which one was meant is not ours to guess.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.counts import counted
from medley.core.errors import UnreadableImage
from medley.data.preprocess.volume.orient import LPS_TO_RAS
from medley.data.preprocess.volume.raw import RawVolume, checked

_HEAD_PARTS = ("BRAIN", "HEAD", "SKULL", "NEURO", "CRANI")
_UNEVEN = 0.05  # share of the usual distance by which two neighbours may differ from it
_DAMAGES = (RuntimeError, AttributeError, LookupError, ValueError, TypeError, OSError, EOFError, OverflowError)


def is_series(folder: Path | str) -> bool:
    """Whether a folder holds DICOM itself: its first files are looked at, not its subfolders."""
    files = [path for path in sorted(Path(folder).iterdir()) if path.is_file() and not path.name.startswith(".")]
    return any(begins_as_dicom(path) for path in files[:3])


def begins_as_dicom(path: Path) -> bool:
    """Whether a file has DICOM's mark."""
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def read_series(folder: Path | str) -> RawVolume:
    """The one series of a folder as a volume. Raises UnreadableImage, one line naming what is wrong and what to do."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UnreadableImage(f"{folder} is one DICOM image; name the folder that holds its whole series")
    headers, others = _headers(folder)
    if not headers:
        raise UnreadableImage(f"{folder} holds no DICOM image")
    first = headers[0][1]
    if len({str(header.get("Modality") or "") for _, header in headers}) > 1:
        _one_series(headers, folder)  # of several machines: which they are says more than that one is no MRI
    _of_a_head(first, folder)
    _one_series(headers, folder)
    order, affine = _geometry(headers, folder)
    values = np.stack([_slice(headers[place][0]) for place in order], axis=2)
    remarks = (f"{counted(others, 'file')} of {folder.name} hold no image and were passed over",) if others else ()
    return checked(RawVolume(folder, values, affine, remarks))


def series_said(folder: Path) -> str:
    """What the first image of a folder says of its series."""
    headers, _ = _headers(folder, most=1)
    return _said(headers[0][1]) if headers else ""


def _said(header: Any) -> str:
    return " ".join(str(header.get(name) or "") for name in ("SeriesDescription", "ProtocolName")).strip()


def _headers(folder: Path, most: int | None = None) -> tuple[list[tuple[Path, Any]], int]:
    """(file, its header) of every image of the folder, and how many other DICOM objects lie there."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    found, others = list[tuple[Path, Any]](), 0
    for path in sorted(folder.iterdir()):
        if most is not None and len(found) >= most:
            break
        if not path.is_file() or path.name.startswith(".") or path.name.upper() == "DICOMDIR":
            continue
        if path.stat().st_size == 0:
            raise UnreadableImage(f"{path} is of 0 bytes; fetch the series again, or delete the file if it is no slice")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pydicom's, of lengths and delimiters: what matters is an error below
                header = pydicom.dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            continue  # a text or a picture beside the series
        except (*_DAMAGES, struct.error, zlib.error) as error:
            raise UnreadableImage(f"{path} is a damaged DICOM: {error}") from error
        if "Rows" in header:
            found.append((path, header))
        else:
            others += 1
    return found, others


def _one_series(headers: Sequence[tuple[Path, Any]], folder: Path) -> None:
    series = Counter(str(header.get("SeriesInstanceUID") or "") for _, header in headers)
    if len(series) > 1:
        names = {str(header.get("SeriesInstanceUID") or ""): _name(header) for _, header in headers}
        listed = ", ".join(f"{names[uid]} ({counted(count, 'image')})" for uid, count in series.most_common(4))
        raise UnreadableImage(f"{folder} holds {len(series)} series: {listed}; put each into a folder of its own")


def _name(header: Any) -> str:
    said = str(header.get("SeriesDescription") or "").strip() or str(header.get("Modality") or "unnamed")
    return f"'{said}'"


def _of_a_head(header: Any, folder: Path) -> None:
    modality = str(header.get("Modality") or "").strip().upper()
    if modality != "MR":
        raise UnreadableImage(f"{folder}: the header says modality {modality or '(none)'}, which is no MRI")
    part = str(header.get("BodyPartExamined") or "").strip().upper()
    if part and not any(word in part for word in _HEAD_PARTS):
        raise UnreadableImage(f"{folder}: the header says body part {part}, which is no brain")
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise UnreadableImage(f"{folder} holds enhanced multi-frame DICOM; convert it to NIfTI with dcm2niix")


def _geometry(headers: Sequence[tuple[Path, Any]], folder: Path) -> tuple[list[int], np.ndarray]:
    """Places in `headers` from the first slice to the last, and the affine of [column, row, slice] to RAS+ mm."""
    needed = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    for path, header in headers:
        lacking = [name for name in needed if not header.get(name)]
        if lacking:
            raise UnreadableImage(f"{path} lacks {', '.join(lacking)}: where the slice lies is not said")
    if len(headers) < 2:
        raise UnreadableImage(f"{folder} holds 1 slice, a 2D image; a volume needs the whole series")
    first = headers[0][1]
    sizes = {(int(header.Rows), int(header.Columns), *map(float, header.PixelSpacing)) for _, header in headers}
    turns = np.array([[float(value) for value in header.ImageOrientationPatient] for _, header in headers])
    if len(sizes) > 1 or np.abs(turns - turns[0]).max() > 1e-3:
        what = "slices of several sizes" if len(sizes) > 1 else "slices of several orientations"
        raise UnreadableImage(f"{folder} holds {what}: a localizer, or two series under one number; part them")
    along_row, along_column = turns[0, :3], turns[0, 3:]
    positions = np.array([[float(value) for value in header.ImagePositionPatient] for _, header in headers])
    heights = positions @ np.cross(along_row, along_column)
    order = np.argsort(heights, kind="stable")
    _even([heights[place] for place in order], [headers[place] for place in order], folder)
    step = (positions[order[-1]] - positions[order[0]]) / (len(order) - 1)
    row_mm, column_mm = (float(value) for value in first.PixelSpacing)  # between rows, between columns
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2] = along_row * column_mm, along_column * row_mm, step
    affine[:3, 3] = positions[order[0]]
    return [int(place) for place in order], LPS_TO_RAS @ affine


def _even(heights: Sequence[float], headers: Sequence[tuple[Path, Any]], folder: Path) -> None:
    """Raises UnreadableImage where two slices lie at one place, or one is missing."""
    steps = np.diff(heights)
    usual = float(np.median(steps))
    if steps.min() < 0.01 or usual < 0.01:
        at = int(np.argmin(steps))
        pair = f"{headers[at][0].name} and {headers[at + 1][0].name}"
        raise UnreadableImage(f"{folder}: {pair} lie at one place: several echoes or time points; keep one of them")
    worst = int(np.argmax(np.abs(steps - usual)))
    if abs(steps[worst] - usual) > _UNEVEN * usual:
        pair = f"{headers[worst][0].name} and {headers[worst + 1][0].name}"
        what = f"{steps[worst]:.2f} mm lie between {pair} and {usual:.2f} between the others"
        raise UnreadableImage(f"{folder}: {what}: slices are missing; fetch the whole series")


def _slice(path: Path) -> np.ndarray:
    """float32 [column, row] in the modality's own units."""
    from medley.data.preprocess.dicom import modality_values

    return modality_values(path).T
