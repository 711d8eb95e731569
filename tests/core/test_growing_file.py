"""A list that grows is never lost: not to an error, not to a full disk, not to kill -9."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medley.core.errors import MedleyError
from medley.core.files import growing_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_growing_list_is_on_disk_at_once_and_named_at_the_end_also_of_an_error(tmp_path):
    path = tmp_path / "new" / "list.jsonl"

    def grow_and_fail() -> None:
        with growing_file(path) as add:
            add("one\n")
            add("zwei ä \udcff\n")
            assert (path.parent / "list.jsonl.partial").read_text() == "one\nzwei ä \\udcff\n", "before it ends"
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        grow_and_fail()
    assert names(path.parent) == ["list.jsonl"]
    assert path.read_text().splitlines()[0] == "one"
    with pytest.raises(MedleyError, match="exists already"), growing_file(path):
        raise AssertionError("not reached")
    with growing_file(tmp_path / "nothing.csv"):
        pass
    assert names(tmp_path) == ["new"], "where nothing was added nothing is left"


GROW = """
import resource, signal, sys, time
from pathlib import Path
from medley.core.files import growing_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, how = Path(sys.argv[1]), sys.argv[2]
if how == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (25, 25))
with growing_file(path) as add:
    for _ in range(4):
        add("123456789\\n")
    print("waiting", flush=True)
    time.sleep(60)
"""


def test_a_full_disk_leaves_whole_pieces_and_a_kill_leaves_them_under_the_partial_name(tmp_path):
    full, killed = tmp_path / "full.txt", tmp_path / "killed.txt"
    done = subprocess.run([sys.executable, "-c", GROW, str(full), "full"], capture_output=True, text=True, check=False)
    assert "OSError" in done.stderr
    assert full.read_text() == "123456789\n" * 2, "the third went only half way, and is taken back"
    process = subprocess.Popen([sys.executable, "-c", GROW, str(killed), "kill"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not killed.exists()
    assert (tmp_path / "killed.txt.partial").read_text() == "123456789\n" * 4
