"""A map over other processes that leaves nothing behind: for decoding films and the like.

Processes are spawned, not forked: a forked polars or BLAS can hang.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

from medley.core.errors import MedleyError

Job = TypeVar("Job")
Result = TypeVar("Result")
_CHUNK = 8  # jobs that a process takes at once
_WORTH_STARTING = 4 * _CHUNK  # below it, a new process takes longer to start than the work itself


def spread(work: Callable[[Job], Result], jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """`work` of each job, in order, by `workers` processes, or in this one where there is little to do.

    `work` and its results are pickled. Raises MedleyError when a process is killed, mostly for want of memory.
    """
    with processes(workers if len(jobs) >= _WORTH_STARTING else 1) as spread_over:
        yield from spread_over(work, jobs)


@contextmanager
def processes(workers: int) -> Iterator[Callable[[Callable[[Job], Result], Sequence[Job]], Iterator[Result]]]:
    """A `spread` that may be called again and again and starts its processes once; with one worker, in this process."""
    if workers <= 1:
        yield lambda work, jobs: map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            yield lambda work, jobs: pool.map(work, jobs, chunksize=_CHUNK)
        except BrokenProcessPool as error:
            cure = "run the same command with fewer --workers"
            raise MedleyError(f"a worker process was killed, which is mostly a lack of memory; {cure}") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait_and_end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_end, daemon=True).start()
