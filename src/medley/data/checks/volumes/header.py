"""How a volume is stored: the fields of a NIfTI header, as numbers for the probe and as words to be searched.

Nothing here has seen a brain. A folder of DICOM slices has no such fields; its words are those of its first slice.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np

from medley.data.checks.headers import Header, read_header

_TEXTS = ("descrip", "aux_file", "intent_name", "db_name")
_GZIP = b"\x1f\x8b"
FIELDS = (
    "DICOM",
    "gzip",
    "NIfTI-2",
    "big-endian",
    "bits a voxel",
    "floating point",
    "unsigned",
    "scaled by scl_slope",
    "log10 of scl_slope",
    "scl_inter is set",
    "sform code",
    "qform code",
    "units are set",
    "cal_max is set",
    "words in the header",
)


def read_volume_header(path: Path) -> tuple[dict[str, float], Header]:
    """FIELDS -> value, and the header's words, of a volume that `read_source` has read."""
    if path.is_dir():
        return dict.fromkeys(FIELDS, 0.0) | {"DICOM": 1.0}, read_header(str(_first_slice(path)), "DICOM")
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    with gzip.open(path) if packed else path.open("rb") as file:
        start = file.read(540)
    header = _parsed(start)
    texts = tuple((name, words) for name in _TEXTS if name in header and (words := _words(header[name])))
    kind = header.get_data_dtype()
    slope, inter = (_number(header[name]) for name in ("scl_slope", "scl_inter"))
    scaled = slope not in (0.0, 1.0)
    values = (
        0.0,
        float(packed),
        float(len(header.binaryblock) == 540),
        float(header.endianness == ">"),
        float(8 * kind.itemsize),
        float(kind.kind == "f"),
        float(kind.kind == "u"),
        float(scaled),
        float(np.log10(abs(slope))) if scaled else 0.0,
        float(inter != 0),
        float(header["sform_code"]),
        float(header["qform_code"]),
        float(int(header["xyzt_units"]) & 7 != 0),
        float(_number(header["cal_max"]) != 0),
        float(bool(texts)),
    )
    return dict(zip(FIELDS, values, strict=True)), Header(texts)


def _parsed(start: bytes) -> Any:
    """The header alone, unchecked: what is wrong with it, `read_source` has said."""
    import nibabel as nib

    is_first = 348 in (struct.unpack(order + "i", start[:4])[0] for order in "<>")
    return nib.Nifti1Header(start[:348], check=False) if is_first else nib.Nifti2Header(start, check=False)


def _number(field: Any) -> float:
    """A scale of nan, or none, is 0: not set."""
    value = float(field)
    return value if np.isfinite(value) else 0.0


def _words(field: Any) -> str:
    return bytes(field.tobytes()).split(b"\0")[0].decode("utf-8", errors="ignore").strip()


def _first_slice(folder: Path) -> Path:
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            with path.open("rb") as file:
                if file.read(132)[128:] == b"DICM":
                    return path
    raise AssertionError(f"{folder} was read as a series and holds no slice")
