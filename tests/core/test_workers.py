"""Work spread over processes: the same answers in the same order, and nothing that outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medley.core.errors import MedleyError
from medley.core.workers import processes, spread


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_come_in_the_order_of_the_jobs(workers):
    assert list(spread(abs, range(-50, 0), workers)) == list(range(50, 0, -1))


def test_few_jobs_are_not_worth_a_process():
    assert list(spread(os.getppid, [], 2)) == []
    assert set(spread(_pid, range(5), 2)) == {os.getpid()}


def _pid(_: int) -> int:
    return os.getpid()


def _end(_: int) -> None:
    os._exit(1)


def test_processes_are_kept_from_one_call_to_the_next():
    with processes(1) as spread_over:
        assert set(spread_over(_pid, range(40))) == set(spread_over(_pid, range(40))) == {os.getpid()}
    with processes(2) as spread_over:
        first, second = set(spread_over(_pid, range(40))), set(spread_over(_pid, range(40)))
    assert os.getpid() not in first
    assert first & second


def test_a_killed_worker_is_one_line():
    with pytest.raises(MedleyError, match="a worker process was killed"):
        list(spread(_end, range(100), 2))


def test_workers_end_with_a_parent_that_was_killed():
    script = """
import multiprocessing, os, signal, time
from medley.core.workers import processes
if __name__ == "__main__":
    with processes(2) as spread_over:
        jobs = spread_over(time.sleep, [0.01] * 16 + [600.0] * 16)
        for _ in range(16):
            next(jobs)
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
"""
    parent = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    assert parent.returncode == -signal.SIGKILL
    children = [int(pid) for pid in parent.stdout.split()]
    assert len(children) == 2
    deadline = time.monotonic() + 20
    while alive := [pid for pid in children if _alive(pid)]:
        assert time.monotonic() < deadline, f"{alive} go on without their parent"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rsplit(")", 1)[1].split()[0] != "Z"  # dead, but nobody has asked for its exit code
