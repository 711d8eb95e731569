"""Nothing is written half: not on an exception, not on a full disk, not on kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medley.core.errors import MedleyError
from medley.core.files import check_writable, read_json, sha256, whole_file, whole_folder, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill_and_fail(path: Path) -> None:
    with whole_folder(path) as temporary:
        (temporary / "a").write_text("1")
        raise RuntimeError("half way")


def write_and_fail(path: Path) -> None:
    with whole_file(path) as temporary:
        temporary.write_text("ha")
        raise RuntimeError("half way")


def test_a_file_appears_whole_and_replaces_the_one_before(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_text(path, "one")
    with whole_file(path) as temporary:
        temporary.write_text("two")
        assert path.read_text() == "one", "until it is whole, the old one stands"
    assert path.read_text() == "two"
    assert names(path.parent) == ["a.txt"]


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError):
        write_and_fail(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [1.0, float("nan")]}, object()])
def test_json_that_a_reader_would_have_to_guess_is_refused_and_not_written(tmp_path, value):
    with pytest.raises((ValueError, TypeError)):
        write_json(tmp_path / "a.json", value)
    assert names(tmp_path) == []


def test_a_full_disk_leaves_the_old_file_and_says_so(tmp_path):
    """RLIMIT_FSIZE stands for the full disk: the kernel refuses the write in its middle."""
    write_text(tmp_path / "a.txt", "old")
    script = """
import resource, signal, sys
from medley.core.files import write_text, whole_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
folder = sys.argv[1]
for write in (
    lambda: write_text(folder + "/a.txt", "x" * 100_000),
    lambda: write_text(folder + "/b.txt", "x" * 100_000),
):
    try:
        write()
        sys.exit("it was written")
    except OSError as error:
        print(error.errno, error.filename)
try:
    with whole_folder(folder + "/c") as temporary:
        (temporary / "small").write_text("fits")
        (temporary / "large").write_text("x" * 100_000)
except OSError as error:
    print(error.errno, error.filename)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    named = [line.split()[1] for line in done.stdout.splitlines()]
    assert named == [str(tmp_path / name) for name in ("a.txt", "b.txt", "c")], "the place, not its temporary"
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_kill_9_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    script = f"""
import os, signal
from medley.core.files import whole_file
with whole_file({str(tmp_path / "a.txt")!r}) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "a.txt").read_text() == "old"
    assert all(name == "a.txt" or name.startswith(".a.txt.") for name in names(tmp_path))


def kill_while_writing(path: Path, how: str) -> None:
    inside = "temporary if temporary.is_file() else temporary / 'half'"
    script = f"""
import os, signal
from medley.core.files import {how}
with {how}({str(path)!r}) as temporary:
    ({inside}).write_text("half of a text that is longer than the next")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    assert len(names(path.parent)) == 1, "the killed writer left its temporary"


def test_the_next_writer_takes_over_what_a_killed_one_left(tmp_path):
    kill_while_writing(tmp_path / "a.txt", "whole_file")
    write_text(tmp_path / "a.txt", "new")
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"
    kill_while_writing(tmp_path / "b" / "run", "whole_folder")
    with whole_folder(tmp_path / "b" / "run") as temporary:
        (temporary / "a").write_text("1")
    assert names(tmp_path / "b") == ["run"]
    assert names(tmp_path / "b" / "run") == ["a"]


def test_two_living_writers_of_one_name_do_not_touch_each_other(tmp_path):
    with whole_file(tmp_path / "a.txt") as one:
        one.write_text("one")
        write_text(tmp_path / "a.txt", "two")
        assert (tmp_path / "a.txt").read_text() == "two"
        assert one.read_text() == "one"
    assert (tmp_path / "a.txt").read_text() == "one", "the last to finish"
    with whole_folder(tmp_path / "run") as one:
        (one / "a").write_text("1")
        with pytest.raises(RuntimeError, match="half way"):
            fill_and_fail(tmp_path / "run")
        assert names(one) == ["a"]
    assert names(tmp_path) == ["a.txt", "run"]


def test_errors_name_the_place_and_not_the_temporary(tmp_path):
    (tmp_path / "run").mkdir()

    def write_into_nothing() -> None:
        with whole_folder(tmp_path / "run") as temporary:
            (temporary / "films" / "a.png").write_bytes(b"")

    with pytest.raises(FileNotFoundError) as caught:
        write_into_nothing()
    assert caught.value.filename == str(tmp_path / "run" / "films" / "a.png")

    def wrapped() -> None:
        with whole_file(tmp_path / "a.png"):
            raise OSError("encoder error -2 when writing image file")

    with pytest.raises(MedleyError, match=r"cannot write .*/a\.png: encoder error"):
        wrapped()


def test_a_device_or_a_pipe_is_never_replaced_by_a_file(tmp_path):
    """As root the rename would put a file in the place of /dev/null; here a pipe stands for it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for place in (pipe, tmp_path / "link"):
        with pytest.raises(MedleyError, match=f"{place} is a device or a pipe; name a file"), whole_file(place):
            pytest.fail("the block was entered")
    assert pipe.is_fifo()
    assert (tmp_path / "link").is_symlink()
    assert {one.name for one in tmp_path.iterdir()} == {"pipe", "link"}


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(RuntimeError):
        fill_and_fail(out)
    assert names(tmp_path) == []
    out.mkdir()  # an empty one may be filled
    with whole_folder(out) as temporary:
        (temporary / "a").write_text("1")
    assert names(out) == ["a"]
    with pytest.raises(MedleyError, match="exists already"), whole_folder(out):
        pass
    with pytest.raises(MedleyError, match="exists already"), whole_folder(out / "a"):
        pass
    assert names(tmp_path) == ["run"]


def test_a_file_where_a_folder_is_needed_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(MedleyError, match="file is not a folder"):
        write_text(tmp_path / "file" / "deep" / "a.txt", "x")


@pytest.mark.parametrize(("content", "said"), [(None, "does not exist"), (b"{a", "is not JSON"), (b"\xff", "not JSON")])
def test_json_that_cannot_be_read_is_named(tmp_path, content, said):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MedleyError, match=said):
        read_json(path)


def test_sha256_is_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")


def test_whether_a_file_can_be_written_is_asked_without_touching_it(tmp_path):
    path = tmp_path / "new" / "kept.json"
    check_writable(path)
    assert list(path.parent.iterdir()) == []
    path.write_text("kept")
    check_writable(path)
    assert path.read_text() == "kept"
    with pytest.raises(MedleyError, match=r"cannot write .*deeper.json: .*kept.json is not a folder"):
        check_writable(path / "deeper.json")
