"""A folder or table of any films -> 8-bit PNG under the one contract, and a table of what became of each.

No file stops the batch: what cannot be read is a row of `films.csv` with its error, and the rest is done.
"""

from __future__ import annotations

import csv
import errno
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from medley.core.errors import MedleyError, UnreadableImage, nearest
from medley.core.files import whole_file
from medley.data.preprocess.film import is_image, read_film
from medley.data.preprocess.geometry import fit
from medley.data.preprocess.quality import film_quality

_SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".tif", ".tiff", ".bmp")
_PATH_COLUMNS = ("path", "image", "file", "filename", "source")


@dataclass(frozen=True)
class FilmRow:
    """One row of films.csv: where a film came from and went, and what it looks like. `error` where it was skipped."""

    source: str
    out: str = ""
    view: str = ""
    modality: str = ""
    is_chest_film: str = ""
    exposure: str = ""
    clipped_black: str = ""
    clipped_white: str = ""
    warnings: str = ""
    height: int = 0
    width: int = 0
    px: int = 0
    scale: float = 0.0
    top: int = 0
    left: int = 0
    error: str = ""


def find_films(source: Path | str, out: Path | str | None = None) -> list[Path]:
    """Image files of a folder (all below it, by name or by first bytes; `out` left aside) or of a table's path column.

    A table is a case table (.parquet) or a CSV with a column path, image, file, filename or source.
    """
    source = Path(source)
    if source.is_dir():
        films = sorted(path for path, is_film in _below(source, out) if is_film)
    elif source.suffix == ".parquet":
        from medley.data.cases import read_cases

        films = [Path(image.path) for case in read_cases(source).cases for image in case.images]
    elif source.suffix == ".csv":
        films = _of_csv(source)
    elif source.is_file():
        films = [source]
    else:
        raise MedleyError(f"{source} does not exist; name a folder of films, one film, or a table of paths")
    if not films:
        raise MedleyError(f"{source} holds no films ({', '.join(_SUFFIXES)}, or DICOM without suffix)")
    return list(dict.fromkeys(films))


def passed_over(source: Path | str, out: Path | str | None = None) -> Counter[str]:
    """Ending -> how many files below a folder are no films by name or first bytes: an archive, a GIF, a table."""
    if not Path(source).is_dir():
        return Counter()
    return Counter(path.suffix.lower() for path, is_film in _below(Path(source), out) if not is_film)


def _below(folder: Path, out: Path | str | None) -> Iterator[tuple[Path, bool]]:
    """Every file that is not hidden, and whether it is a film."""
    aside = Path(out).resolve() if out else None
    for parent, names, files in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".") and (Path(parent) / name).resolve() != aside]
        for name in files:
            path = Path(parent) / name
            if not name.startswith("."):
                yield path, path.suffix.lower() in _SUFFIXES or _begins_as_image(path)


def _begins_as_image(path: Path) -> bool:
    try:
        return path.stat().st_size > 0 and is_image(path)
    except (OSError, UnreadableImage):  # not allowed to look, or a link to nothing: no suffix claims that it is a film
        return False


def _of_csv(table: Path) -> list[Path]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            names = list(rows.fieldnames or ())
            column = next((name for name in _PATH_COLUMNS if name in names), None)
            if column is None:
                raise MedleyError(f"{table} lacks a column path{nearest('path', names)}")
            return [table.parent / row[column] for row in rows if row[column]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MedleyError(f"{table} is not a CSV table that can be read: {error}") from error


def preprocess_films(
    films: Sequence[Path], out: Path | str, px: int, progress: Callable[[int, int], None] | None = None
) -> list[FilmRow]:
    """Write each film as OUT/<its place below their common folder>.png, [px, px] uint8, and OUT/films.csv of all.

    On a full disk films.csv tells of those that are written, and a MedleyError says where it ended.
    """
    out = Path(out)
    rows: list[FilmRow] = []
    full: OSError | None = None
    with whole_file(out / "films.csv") as temporary, temporary.open("wb", buffering=0) as table:
        _append(table, [field.name for field in fields(FilmRow)])
        for film, name in zip(films, _names(films), strict=True):
            try:
                row = _one_or_why_not(film, out, name, px)
                _append(table, [*vars(row).values()])
            except OSError as error:  # of writing: read_film has none
                (out / name).unlink(missing_ok=True)  # which its row does not tell of
                full = error
                break
            rows.append(row)
            if progress:
                progress(len(rows), len(films))
    if full is not None:
        kept = f"the {len(rows)} films before it are done and told of in {out / 'films.csv'}"
        raise MedleyError(f"cannot write {out / name}: {full.strerror or full}; {kept}") from full
    return rows


def _one_or_why_not(film: Path, out: Path, name: str, px: int) -> FilmRow:
    try:
        return _one(film, out, name, px)
    except UnreadableImage as error:
        return FilmRow(str(film), error=str(error))


def _one(film: Path, out: Path, name: str, px: int) -> FilmRow:
    from PIL import Image

    raw = read_film(film)
    quality = film_quality(raw.pixels, raw.header)
    pixels, placement = fit(raw.pixels, px)
    png = io.BytesIO()  # written by us: of a full disk, Pillow may say only "encoder error"
    Image.fromarray(np.ascontiguousarray(pixels)).save(png, format="PNG")
    with whole_file(out / name) as temporary:
        temporary.write_bytes(png.getbuffer())
    return FilmRow(
        source=str(film),
        out=name,
        view=raw.view,
        modality=raw.header.modality,
        is_chest_film=str(quality.is_chest_film).lower(),
        exposure=quality.exposure,
        clipped_black=f"{quality.clipped_black:.4f}",
        clipped_white=f"{quality.clipped_white:.4f}",
        warnings="; ".join(quality.reasons),
        **vars(placement),
    )


def _names(films: Sequence[Path]) -> list[str]:
    """Relative to the common folder, with .png for the suffix; where two films would share a name, both keep theirs."""
    absolute = [film.absolute() for film in films]
    common = Path(os.path.commonpath([film.parent for film in absolute]))
    places = [film.relative_to(common) for film in absolute]
    plain = [str(_without_suffix(place)) + ".png" for place in places]
    shared = Counter(plain)
    names = [f"{place}.png" if shared[name] > 1 else name for name, place in zip(plain, places, strict=True)]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise MedleyError(f"two films would be written to {twice}; rename one or convert their folders apart")
    return names


def _without_suffix(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in _SUFFIXES else path  # the dots of a DICOM UID are no suffix


def _append(table: BinaryIO, values: Sequence[Any]) -> None:
    """One more line, whole or not at all: a line that a full disk cuts is taken back."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    line = text.getvalue().encode()
    start = table.tell()
    if table.write(line) < len(line):
        table.truncate(start)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
