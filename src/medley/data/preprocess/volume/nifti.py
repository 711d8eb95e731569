"""NIfTI-1 and NIfTI-2, plain or gzip, -> RawVolume; and arrays -> NIfTI. The bytes decide what a file is, not its name.

sform before qform, as nibabel and the standard have it. Where neither is set (both codes 0) a file does not say which
side is left: that is an error here, since everything that Medley says of a brain hangs on it.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import UnreadableImage
from medley.core.files import whole_file
from medley.data.preprocess.volume.orient import axis_codes
from medley.data.preprocess.volume.raw import MAX_VOXELS, RawVolume, checked

_MAX_BYTES = 8 * MAX_VOXELS
_GZIP = b"\x1f\x8b"
_SUFFIXES = (".nii", ".nii.gz")


def is_nifti(path: Path | str) -> bool:
    """By name; only what is so named is looked for in folders."""
    return str(path).lower().endswith(_SUFFIXES)


def stem(path: Path | str) -> str:
    """The file's name without .nii or .nii.gz."""
    name = Path(path).name
    return next((name[: -len(end)] for end in reversed(_SUFFIXES) if name.lower().endswith(end)), name)


def read_nifti(path: Path | str, labels: bool = False) -> RawVolume:
    """One 3D volume, or with `labels` a mask or segmentation. Raises UnreadableImage, one line that names the file,
    what is wrong and what to do."""
    path = Path(path)
    image = _open(path)
    shape = image.shape
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 3:
        what = f"is a 4D volume of {int(np.prod(shape[3:]))} volumes ({' x '.join(map(str, shape))})"
        raise UnreadableImage(f"{path} {what}; write the one you mean to a file of its own")
    if len(shape) < 3:
        raise UnreadableImage(f"{path} is a 2D image ({' x '.join(map(str, shape))}); a volume has 3 axes")
    affine, warnings = _affine(image, path)
    if image.get_data_dtype().kind not in "iuf":
        raise UnreadableImage(f"{path} holds {image.get_data_dtype()} (colour or complex numbers), not intensities")
    try:
        values = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged")).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UnreadableImage(f"{path} is cut off: {error}; fetch it again") from error
    return checked(RawVolume(path, values, affine, warnings), labels)


def _open(path: Path) -> Any:
    """The nibabel image, header read. Everything that nibabel was seen to raise on damaged headers is one line."""
    import nibabel as nib

    content = _content(path)
    size = {struct.unpack(order + "i", content[:4])[0] for order in "<>"}
    kind = nib.Nifti1Image if 348 in size else nib.Nifti2Image if 540 in size else None
    magic = content[344:348] if 348 in size else content[4:8]
    if kind is None:
        raise UnreadableImage(f"{path} is no NIfTI: it begins with {content[:8].hex(' ')}")
    if magic[:3] in (b"ni1", b"ni2"):
        raise UnreadableImage(f"{path} is the header of a .hdr/.img pair; convert it to one .nii.gz")
    if magic[:3] not in (b"n+1", b"n+2"):
        raise UnreadableImage(
            f"{path} is Analyze 7.5 or a damaged NIfTI: it does not say which side is left; convert it"
        )
    try:
        image = kind.from_bytes(content)
        count = int(np.prod([max(int(side), 0) for side in image.shape], dtype=np.int64))
    except (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError, ValueError, OSError) as error:
        raise UnreadableImage(f"{path} has a damaged header: {error}") from error
    if not 0 < count <= MAX_VOXELS:
        raise UnreadableImage(f"{path} claims {count} voxels; a brain has at most {MAX_VOXELS // 1_000_000} million")
    return image


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise UnreadableImage(f"{path} is a folder, not a NIfTI file")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UnreadableImage(f"{path} does not exist") from error
    except OSError as error:
        raise UnreadableImage(f"{path} cannot be opened: {error.strerror}") from error
    if not content:
        raise UnreadableImage(f"{path} is empty (0 bytes)")
    if content.startswith(_GZIP):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(_MAX_BYTES)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableImage(
                f"{path} is a gzip file that is cut off or damaged: {error}; fetch it again"
            ) from error
    if len(content) < 348:
        raise UnreadableImage(f"{path} has {len(content)} bytes, less than the header of a NIfTI; fetch it again")
    return content


def _affine(image: Any, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    sform, sform_code = image.get_sform(coded=True)
    try:
        qform, qform_code = image.get_qform(coded=True)
    except ValueError as error:  # a quaternion that is none
        if not sform_code:
            raise UnreadableImage(f"{path} has a damaged qform and no sform: {error}") from error
        qform, qform_code = None, 0
    if not sform_code and not qform_code:
        cure = "set its sform from the original (DICOM), never by guess: which side is left hangs on it"
        raise UnreadableImage(f"{path} says no orientation (sform and qform codes are 0); {cure}")
    affine = np.asarray(sform if sform_code else qform, float)
    warnings: tuple[str, ...] = ()
    if sform_code and qform_code and np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-9:
        by_sform, by_qform = axis_codes(affine), axis_codes(np.asarray(qform, float))
        if by_sform != by_qform:
            warnings = (f"sform says its axes go {by_sform}, qform {by_qform}; the sform is taken",)
    return affine, warnings


def write_nifti(path: Path | str, array: np.ndarray, affine: np.ndarray) -> None:
    """An array on a grid whose affine leads to RAS+ mm, as .nii or .nii.gz by the name; same array, same bytes."""
    import nibabel as nib

    array = np.asarray(array)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    elif array.dtype in (np.float64, np.int64):
        array = array.astype(np.float32 if array.dtype == np.float64 else np.int32)
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    content = image.to_bytes()
    if str(path).endswith(".gz"):
        content = gzip.compress(content, 6, mtime=0)
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
