"""What a reader hands back, how it counts what it leaves out, and how it opens tables: shared by all readers."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from medley.core.errors import MedleyError, choose, nearest
from medley.core.records import Case


@dataclass(frozen=True)
class Reading:
    """A dataset as read: `remarks` are one-line notes for the user, `left_out` counts rows that could not be used."""

    cases: tuple[Case, ...]
    labels: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    left_out: int = 0


class Remarks:
    """Counts by reason, keeping the first example of each: `image not on disk: 14 rows left out, first a.png`."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], tuple[int, str]] = {}
        self._plain: list[str] = []
        self.left_out = 0

    def leave_out(self, reason: str, example: str) -> None:
        """One row could not be used."""
        self.left_out += 1
        self.count(reason, example, "row left out")

    def damaged(self, example: str, characters: int) -> None:
        """Text whose bytes are not UTF-8; what could not be read stands as U+FFFD."""
        reason = "damaged text (bytes that are not UTF-8 stand as U+FFFD)"
        self.count(reason, example, "character", characters)

    def count(self, reason: str, example: str, unit: str = "row", times: int = 1) -> None:
        """Something worth saying, counted; the row stays. `unit` is in the singular; its first word takes the s."""
        before, first = self._counts.get((reason, unit), (0, example))
        self._counts[reason, unit] = (before + times, first)

    def say(self, line: str) -> None:
        """One remark about the whole dataset."""
        self._plain.append(line)

    def lines(self) -> tuple[str, ...]:
        """All remarks, one line each, in the order in which they first came up."""
        counted = []
        for (reason, unit), (number, first) in self._counts.items():
            noun, _, rest = unit.partition(" ")
            plural = noun if number == 1 else "studies" if noun == "study" else noun + "s"
            counted.append(f"{reason}: {number} {plural} {rest}".rstrip() + f", first {first}")
        return (*self._plain, *counted)


def root_of(roots: Mapping[str, Path], name: str, known: Mapping[str, str]) -> Path:
    """The folder given by this name. Raises MedleyError for an unknown name, and where it is not given or not there."""
    root = optional_root(roots, name, known)
    if root is None:
        raise MedleyError(f"this reader needs --root {name}=DIR: {known[name]}")
    return root


def optional_root(roots: Mapping[str, Path], name: str, known: Mapping[str, str]) -> Path | None:
    """As `root_of`; None where it is not given."""
    for given in roots:
        choose(given, dict(known), "root")
    if name in roots and not roots[name].is_dir():
        raise MedleyError(f"--root {name}: {roots[name]} is not a folder")
    return roots.get(name)


def find_table(root: Path, patterns: Iterable[str]) -> Path | None:
    """The file under `root` that matches the first pattern with a match; two matches are an error that names both."""
    for pattern in patterns:
        found = sorted(root.glob(pattern))
        if len({path.name.removesuffix(".gz") for path in found}) > 1:
            raise MedleyError(f"{root} holds {found[0].name} and {found[1].name}; name one with --csv or keep one")
        if found:
            return found[0]
    return None


def require_table(root: Path, patterns: Iterable[str], what: str) -> Path:
    """As `find_table`; none is a MedleyError that says what was looked for."""
    patterns = list(patterns)
    table = find_table(root, patterns)
    if table is None:
        raise MedleyError(f"{root} holds no {what} ({', '.join(patterns)}); name it with --csv or mend --root")
    return table


def read_rows(path: Path, needed: Iterable[str], remarks: Remarks) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, row) of a CSV or CSV.gz with a header; values stripped, blanks are "".

    Bytes that are not UTF-8 are replaced by U+FFFD and counted; rows longer than the header are left out and counted.
    Raises MedleyError when the file, or a column of `needed`, is missing: it names the column and the nearest there is.
    """
    try:
        with _open_text(path) as file:
            reader = csv.DictReader(file, restval="", strict=True)
            columns = [column.strip() for column in reader.fieldnames or ()]
            reader.fieldnames = columns
            require_columns(columns, needed, path)
            width = len(columns)
            for row in reader:
                if None in row:
                    example = f"{path.name} line {reader.line_num}"
                    remarks.leave_out(f"more fields than the header's {width}", example)
                    continue
                clean = {name: value.strip() for name, value in row.items() if isinstance(value, str)}
                if any("\0" in value for value in clean.values()):
                    raise MedleyError(f"{path} line {reader.line_num} holds a NUL byte: it is damaged; fetch it again")
                damaged = sum(value.count("\ufffd") for value in clean.values())
                if damaged:
                    remarks.damaged(f"{path.name} line {reader.line_num}", damaged)
                yield reader.line_num, clean
    except csv.Error as error:
        hint = "is a quote not closed, or not doubled inside a text?"
        raise MedleyError(f"{path} line {reader.line_num} is not CSV: {error}; {hint}") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise MedleyError(f"{path} is not a whole gzip file: {error}; fetch it again") from error


def _open_text(path: Path) -> IO[str]:
    if not path.is_file():
        raise MedleyError(f"{path} does not exist")
    with path.open("rb") as file:
        start = file.read(512)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise MedleyError(f"{path} is UTF-16; save it as CSV in UTF-8")
    if start[:2] == b"\x1f\x8b":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    if b"\0" in start:
        raise MedleyError(f"{path} is no text: it begins with {start[:8].hex(' ')}; a CSV table is needed")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def require_columns(columns: list[str], needed: Iterable[str], path: Path) -> None:
    """Raises MedleyError for a header that is none, or naming the first column that is not there and the nearest."""
    if not columns:
        raise MedleyError(f"{path} is empty; a header line with column names is needed")
    if len(columns) == 1 and (";" in columns[0] or "\t" in columns[0]):
        raise MedleyError(f"{path}: its columns are parted by ';' or tabs; save it with commas")
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise MedleyError(f"{path} names the column '{twice[0]}' twice; rename one")
    for name in needed:
        if name not in columns:
            raise MedleyError(f"{path} lacks the column '{name}'{nearest(name, columns)}")


def header_of(path: Path) -> list[str]:
    """The column names of a CSV or CSV.gz. Raises MedleyError where there is no header."""
    with _open_text(path) as file:
        columns = [column.strip() for column in next(csv.reader(file), [])]
    require_columns(columns, (), path)
    return columns


def find_image(candidates: Iterable[Path], name: str, remarks: Remarks) -> Path | None:
    """The first candidate that is a file with bytes in it; otherwise the row is counted as left out by reason."""
    reason = "image not on disk"
    for path in candidates:
        if path.is_file():
            if path.stat().st_size:
                return path
            reason = "image file of 0 bytes"
    remarks.leave_out(reason, name)
    return None
