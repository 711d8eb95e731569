"""The one console and the one progress bar of the command line; both write to stderr, results go to stdout."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

# Names of files may hold brackets, and a path that is broken over two lines cannot be copied.
console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def quiet_lightning() -> None:
    """Lightning greets, advertises, and warns of its own use of torch; a user of Medley can act on none of it."""
    import lightning.pytorch  # noqa: F401 (it sets its own level when it is imported)

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"lightning\.")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*", module=r"lightning\.")


@contextmanager
def ticker() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each thing that is being made: call it with (what, done, total). Where nobody looks nothing is said."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, int] = {}

        def tick(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        yield tick
