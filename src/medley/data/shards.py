"""Films decoded once: memory-mapped uint8 at training size, so that an epoch reads pages instead of JPEGs.

    DIR/shards.json          size and preprocessing version: one folder holds one kind of film
    DIR/shard-00000.npy      uint8 [n, px, px]
    DIR/shard-00000.json     one row a film: key, view found in the file, height and width of the original
    DIR/skipped.csv          what could not be read in the last run

A film's key is the sha256 of its bytes where the case table knows it, else of path, size and modification time: the
same image in two tables is stored once, and a changed file is a new film. A shard is finished when its JSON file is
there, which is renamed into place after its pixels; so a run that is killed loses the shard it was writing and no
other, and a table that has grown only adds. Decoding is `film.load_film` itself: shards and files give equal tensors.
"""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.files import read_json, sha256, whole_file, write_json, write_text
from medley.core.records import Film, ImageRef
from medley.core.workers import processes
from medley.data.cases import CaseTable
from medley.data.preprocess.film import PREPROCESSING_VERSION, read_film, settle_view
from medley.data.preprocess.geometry import fit, place

FILMS_PER_SHARD = 4096
_SHARD_BYTES = 32 * 2**20  # what a kill may lose, and all that is held in memory: 128 films of 512 px


@dataclass(frozen=True)
class Skipped:
    """A film that is in no shard, and why."""

    case_id: str
    path: str
    reason: str


@dataclass(frozen=True)
class ShardReport:
    """What `build_shards` did: `added` films decoded now, `kept` ones found finished, `skipped` ones not readable."""

    out: Path
    px: int
    added: int
    kept: int
    skipped: tuple[Skipped, ...]
    shards: int


@dataclass(frozen=True)
class _Row:
    shard: int
    row: int
    view: str
    height: int
    width: int


def image_key(image: ImageRef) -> str:
    """The name of an image's content: its sha256 where known, else one of path, size and modification time."""
    if image.sha256:
        return image.sha256
    try:
        stat = Path(image.path).stat()
    except FileNotFoundError as error:
        raise UnreadableImage(f"{image.path} does not exist") from error
    identity = f"{Path(image.path).absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    return "stat-" + hashlib.sha256(identity.encode()).hexdigest()


def build_shards(
    table: CaseTable,
    out: Path | str,
    px: int,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    wait: bool = False,
) -> ShardReport:
    """Decode every film of the table that `out` lacks. `progress(done, total)` is called after each film.

    Unreadable films are skipped, reported and listed in skipped.csv. Raises MedleyError when the folder holds another
    size or version, another run is writing it (unless this one is to `wait` for it), or the disk is full; finished
    shards stay.
    """
    out = Path(out)
    if px < 1 or workers < 1:
        raise MedleyError(f"px is {px} and workers is {workers}; both must be at least 1")
    out.mkdir(parents=True, exist_ok=True)
    with _alone_in(out, wait):
        _claim(out, px)
        for leftover in out.glob(".*.tmp"):
            leftover.unlink()
        finished = _read_rows(out, px)
        images, skipped = _wanted(table)
        todo = [(key, image) for key, (_, image) in images.items() if key not in finished]
        case_of = {image.path: case_id for case_id, image in images.values()}
        kept, added = len(images) - len(todo), 0
        numbers = _free_numbers(out)
        size = max(1, min(FILMS_PER_SHARD, _SHARD_BYTES // px**2))
        with processes(workers) as spread_over:
            for start in range(0, len(todo), size):
                part = todo[start : start + size]
                films = spread_over(_decode, [(image, px) for _, image in part])
                rows: list[tuple[str, str, int, int]] = []
                pixels = np.empty((len(part), px, px), np.uint8)
                for done, ((key, image), film) in enumerate(zip(part, films, strict=True), start=start + 1):
                    if isinstance(film, str):
                        skipped.append(Skipped(case_of[image.path], image.path, film))
                    else:
                        pixels[len(rows)] = film.pixels
                        rows.append((key, film.view, film.placement.height, film.placement.width))
                    if progress:
                        progress(done, len(todo))
                if rows:
                    _write_shard(out, next(numbers), pixels[: len(rows)], rows, kept + added)
                    added += len(rows)
        _write_skipped(out, skipped)
        return ShardReport(out, px, added, kept, tuple(skipped), len(list(out.glob("shard-*.json"))))


def _wanted(table: CaseTable) -> tuple[dict[str, tuple[str, ImageRef]], list[Skipped]]:
    """Key -> (case_id, image) in the table's order, and what has no file at all."""
    images: dict[str, tuple[str, ImageRef]] = {}
    skipped = []
    for case in table.cases:
        for image in case.images:
            try:
                images.setdefault(image_key(image), (case.case_id, image))
            except UnreadableImage as error:
                skipped.append(Skipped(case.case_id, image.path, str(error)))
    return images, skipped


def _decode(job: tuple[ImageRef, int]) -> Film | str:
    """The film with the view of its own header, or why there is none."""
    image, px = job
    try:
        raw = read_film(image.path)
        if image.sha256 and sha256(image.path) != image.sha256:
            raise UnreadableImage(f"{image.path} is not the file of the case table: its sha256 differs")
    except UnreadableImage as error:
        return str(error)
    return Film(raw.view, *fit(raw.pixels, px))


def _write_shard(out: Path, number: int, pixels: np.ndarray, rows: Sequence[tuple], safe: int) -> None:
    """Pixels first, rows last: the rows are what makes the shard finished."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(pixels))
    shard = out / f"shard-{number:05d}.npy"
    try:
        with whole_file(shard) as temporary, temporary.open("wb") as file:
            file.write(header.getvalue())
            file.write(pixels.data)  # not np.save, whose error on a full disk has no errno
        write_text(shard.with_suffix(".json"), json.dumps(rows, separators=(",", ":")))
    except OSError as error:
        rest = f"{safe} films in finished shards are kept; make room and run the same command again"
        raise MedleyError(f"cannot write {shard}: {error.strerror or error}; {rest}") from error


def _read_rows(out: Path, px: int) -> dict[str, _Row]:
    """Key -> where its film lies, of all finished shards; a shard whose pixels are gone or cut short is an error."""
    found: dict[str, _Row] = {}
    for path in sorted(out.glob("shard-*.json")):
        number = int(path.stem.removeprefix("shard-"))
        rows = read_json(path)
        shape = _open_pixels(path.with_suffix(".npy")).shape
        if shape != (len(rows), px, px):
            what = f"{path.with_suffix('.npy')} holds {list(shape)} and not {[len(rows), px, px]}"
            raise MedleyError(f"{what}; remove {path} and run medley shards again")
        for row, (key, view, height, width) in enumerate(rows):
            found[key] = _Row(number, row, view, height, width)
    return found


def _open_pixels(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        cure = f"remove {path.with_suffix('.json')} and run medley shards again"
        raise MedleyError(f"{path} is missing or cut short: {error}; {cure}") from error


def _free_numbers(out: Path) -> Iterator[int]:
    taken = {path.stem for path in out.glob("shard-*.json")}
    number = 0
    while True:
        if f"shard-{number:05d}" not in taken:
            yield number
        number += 1


def _claim(out: Path, px: int) -> None:
    index = out / "shards.json"
    if not index.exists():
        strangers = [path.name for path in out.iterdir() if not path.name.startswith(".")]
        if strangers:
            raise MedleyError(f"{out} holds other files ({strangers[0]}); choose an empty folder for shards")
        write_json(index, {"px": px, "preprocessing_version": PREPROCESSING_VERSION})
    _require_size(out, px)


def _require_size(out: Path, px: int | None) -> int:
    if not (out / "shards.json").is_file():
        raise MedleyError(f"{out} holds no shards; medley shards cases.parquet --out {out} --px {px or 'N'} makes them")
    index = read_json(out / "shards.json")
    if index["preprocessing_version"] != PREPROCESSING_VERSION:
        versions = f"{index['preprocessing_version']}, and this Medley has version {PREPROCESSING_VERSION}"
        raise MedleyError(f"{out} was made by preprocessing version {versions}; make the shards again elsewhere")
    if px is not None and index["px"] != px:
        raise MedleyError(f"{out} holds films of {index['px']} px, not {px}; use that size or another folder")
    return index["px"]


@contextmanager
def _alone_in(out: Path, wait: bool) -> Iterator[None]:
    """Two runs in one folder would take the same shard numbers. The kernel drops the lock when a run is killed."""
    folder = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise MedleyError(f"another medley shards is writing {out}; wait for it, or choose another folder") from error
    finally:
        os.close(folder)


def _write_skipped(out: Path, skipped: Sequence[Skipped]) -> None:
    if not skipped:
        (out / "skipped.csv").unlink(missing_ok=True)
        return
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["case_id", "path", "reason"])
    rows.writerows([one.case_id, one.path, one.reason] for one in skipped)
    write_text(out / "skipped.csv", text.getvalue())


@dataclass(frozen=True)
class Shards:
    """Reading side. Pixels stay on disk until touched; a worker process opens its own maps (it pickles as a path)."""

    path: Path
    px: int
    _rows: dict[str, _Row] = field(repr=False)
    _pixels: dict[int, np.ndarray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, image: ImageRef) -> bool:
        try:
            return image_key(image) in self._rows
        except UnreadableImage:  # there is no such file
            return False

    def __reduce__(self) -> tuple[Any, ...]:
        return open_shards, (self.path, self.px)

    def film(self, image: ImageRef) -> Film:
        """The film of one image, equal to `load_film(image.path, px, image.view)`; its pixels are a read-only view."""
        row = self._rows.get(image_key(image))
        if row is None:
            cure = f"medley shards cases.parquet --out {self.path} --px {self.px} adds it, or lists it in skipped.csv"
            raise MedleyError(f"{image.path} is not in the shards {self.path}; {cure}")
        if row.shard not in self._pixels:
            self._pixels[row.shard] = _open_pixels(self.path / f"shard-{row.shard:05d}.npy")
        pixels = self._pixels[row.shard][row.row]
        return Film(settle_view(image.view, row.view), pixels, place(row.height, row.width, self.px))


def open_shards(path: Path | str, px: int | None = None) -> Shards:
    """Open a folder of shards. Raises MedleyError where there are none, or of another size than `px`."""
    path = Path(path).resolve()
    px = _require_size(path, px)
    return Shards(path, px, _read_rows(path, px))
