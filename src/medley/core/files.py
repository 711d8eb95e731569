"""Nothing is written half: every output goes to a temporary name beside its place and is renamed when whole.

The temporary is `.NAME.tmp`, locked while its writer lives. What a killed writer left is therefore known by its open
lock: the next writer of the same name takes it over. Errors of writing name the place itself, not the temporary.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError


@contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    Raises MedleyError where `path` is a device or a pipe: the rename would put a file in the place of /dev/null.
    """
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise MedleyError(f"{path} is a device or a pipe; name a file, which is written whole or not at all")
    _make_parent(path)
    with _temporary(path, os.O_RDWR | os.O_CREAT) as temporary:
        yield temporary
        with temporary.open("rb") as written:  # on disk before the rename makes it visible
            os.fsync(written.fileno())
        temporary.replace(path)


@contextmanager
def whole_folder(path: Path | str) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it when the block ends well. `path` must not hold files yet."""
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise MedleyError(f"{path} exists already; choose another folder or remove it")
    _make_parent(path)
    with _temporary(path, os.O_RDONLY | os.O_DIRECTORY) as temporary:
        yield temporary
        if path.exists():
            path.rmdir()
        temporary.replace(path)


@contextmanager
def _temporary(path: Path, flags: int) -> Iterator[Path]:
    """An empty file or folder (`flags` say which) that is ours alone, gone afterwards; errors in it name `path`."""
    temporary, held = path, -1
    try:
        for middle in ("", f".{secrets.token_hex(4)}"):  # the second where the first is another living writer's
            temporary = path.with_name(f".{path.name}{middle}.tmp")
            if flags & os.O_DIRECTORY:
                temporary.mkdir(exist_ok=True)
            held = os.open(temporary, flags, 0o666)
            if middle or _lock(held, temporary):
                break
            os.close(held)
            held = -1
        _clear(temporary, held)
        yield temporary
    except OSError as error:
        raise _naming(path, temporary, error) from error
    finally:
        if held >= 0:
            if _is(held, temporary):  # not so when it was renamed, and another writer may have begun his own
                _remove(temporary)
            os.close(held)


def _lock(held: int, temporary: Path) -> bool:
    """Whether it is ours now. Not so where another writer lives, or the file system knows no locks."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return _is(held, temporary)  # that writer may have renamed it meanwhile


def _is(held: int, temporary: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(held), temporary.stat())
    except FileNotFoundError:
        return False


def _clear(temporary: Path, held: int) -> None:
    """What a killed writer left; the file or folder itself stays, with our lock on it."""
    if not temporary.is_dir():
        os.ftruncate(held, 0)
        return
    for left in temporary.iterdir():
        _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _naming(path: Path, temporary: Path, error: OSError) -> Exception:
    """The error of writing with the place that was to be written; an error of another file as it is."""
    if error.errno is None:  # of a library that wraps the system's error
        return MedleyError(f"cannot write {path}: {error}")
    where = str(path) if error.filename is None else os.fsdecode(error.filename).replace(str(temporary), str(path))
    return OSError(error.errno, error.strerror or str(error), where)


@contextmanager
def growing_file(path: Path | str) -> Iterator[Callable[[str], None]]:
    """`add(text)` for a list that must outlive its own making: what was added is on disk at once, each piece whole.

    It grows under `<name>.partial`, where a kill leaves it, and gets its name when the block ends, well or not. `path`
    must not be there yet. Where nothing was added nothing is left.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    for taken in (path, partial):
        if taken.exists():
            raise MedleyError(f"{taken} exists already; choose another place or remove it")
    _make_parent(path)
    with partial.open("xb", buffering=0) as file:

        def add(text: str) -> None:
            left, whole = text.encode("utf-8", "backslashreplace"), file.tell()
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:  # a full disk takes a part of a piece
                file.truncate(whole)
                file.seek(whole)
                raise

        try:
            yield add
        finally:
            if file.tell():
                os.fsync(file.fileno())
                partial.replace(path)
            else:
                partial.unlink()


def check_writable(path: Path | str) -> None:
    """Raises where this file could not be written, as writing it would: asked before the work that it will hold."""
    path = Path(path)
    _make_parent(path)
    with _temporary(path, os.O_RDWR | os.O_CREAT):
        pass


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next((parent for parent in path.parents if parent.exists() and not parent.is_dir()), path.parent)
        raise MedleyError(f"cannot write {path}: {file} is not a folder") from error


def write_text(path: Path | str, text: str) -> None:
    """Write a text file whole."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON whole. nan and infinity are refused: JSON has none, and a reader must not guess."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON; a file that is missing or not JSON is a MedleyError that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MedleyError(f"{path} does not exist") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise MedleyError(f"{path} is not JSON: {error}") from error


def sha256(path: Path | str) -> str:
    """Hex digest of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
