"""sha256 of every image, by threads: reading files waits on the disk, and hashlib lets go of the interpreter."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from medley.core.files import sha256
from medley.core.records import ImageRef
from medley.data.readers.reading import Reading, Remarks

_THREADS = min(16, 4 * (os.cpu_count() or 1))


def with_hashes(reading: Reading, on_done: Callable[[int], object] = lambda bytes_read: None) -> Reading:
    """The reading with `sha256` in each image. `on_done(bytes)` is called after each file, in this thread.

    A file that cannot be read is left out and counted; a case that has no image left by that goes, unless it has text.
    """
    images = [image for case in reading.cases for image in case.images]
    remarks = Remarks()
    hashes: dict[str, str] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for image, (found, size) in zip(images, pool.map(_hash, images), strict=True):
            if size < 0:
                remarks.leave_out("image cannot be read", f"{image.path}: {found}")
            else:
                hashes[image.path] = found
            on_done(max(size, 0))
    cases = []
    for case in reading.cases:
        kept = tuple(replace(image, sha256=hashes[image.path]) for image in case.images if image.path in hashes)
        if kept or not case.images or case.text:
            cases.append(replace(case, images=kept))
    lines = (*reading.remarks, *remarks.lines())
    return Reading(tuple(cases), reading.labels, lines, reading.left_out + remarks.left_out)


def digest(path: Path | str) -> str:
    """Hex sha256 of a file's bytes, or of a folder (a DICOM series): of its files' names and digests, in order."""
    path = Path(path)
    if not path.is_dir():
        return sha256(path)
    lines = [f"{file.name}\x1f{sha256(file)}" for file in sorted(path.iterdir()) if file.is_file()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _hash(image: ImageRef) -> tuple[str, int]:
    """(hex digest, bytes), or (what is wrong, -1)."""
    path = Path(image.path)
    try:
        files = path.iterdir() if path.is_dir() else (path,)
        return digest(path), sum(file.stat().st_size for file in files)
    except OSError as error:
        return error.strerror or str(error), -1
