"""The command `medley`: one file per command, registered here; errors become one line and the right exit code.

Exit: 0 all done, 1 a check failed or some cases were skipped, 2 nothing could be done. `--debug` shows the traceback.
"""

from __future__ import annotations

import errno
import shlex
import sys
from importlib import import_module
from itertools import pairwise

import typer

from medley.core.errors import MedleyError

# command -> (module, attribute, is it a group of commands); imported here, so each keeps its heavy imports inside
_COMMANDS = {
    "demo": ("medley.cli.demo", "demo", False),
    "cohort": ("medley.cli.cohort", "cohort", False),
    "index": ("medley.cli.index", "app", True),
    "split": ("medley.cli.split", "split", False),
    "check-data": ("medley.cli.check_data", "check_data", False),
    "notes": ("medley.cli.notes", "app", True),
    "preprocess": ("medley.cli.preprocess", "app", True),
    "shards": ("medley.cli.shards", "shards", False),
    "train": ("medley.cli.train", "train", False),
    "slurm": ("medley.cli.slurm", "slurm", False),
    "evaluate": ("medley.cli.evaluate", "evaluate", False),
    "score": ("medley.cli.score", "score", False),
    "compare": ("medley.cli.compare", "compare", False),
    "zero-shot": ("medley.cli.zero_shot", "zero_shot", False),
    "predict": ("medley.cli.predict", "predict", False),
    "explain": ("medley.cli.explain", "explain", False),
    "check": ("medley.cli.check", "check", False),
    "doctor": ("medley.cli.doctor", "doctor", False),
}

app = typer.Typer(
    name="medley",
    help="Medical vision-language models: trained in stages, scored honestly, explained.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback()
def _options(debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error.")) -> None:
    """`--debug` is read by `run`; it is declared here for --help."""


_CURES = {
    errno.ENOENT: "it does not exist, or nothing can be made there: check the path",
    errno.EACCES: "you may not read or write there: choose another place",
    errno.EPERM: "you may not write there: choose another place",
    errno.EROFS: "nothing can be written there: choose another place",
    errno.ENOSPC: "make room, or choose another place",
}


def _register() -> None:
    for name, (module, attribute, is_group) in _COMMANDS.items():
        command = getattr(import_module(module), attribute)
        if is_group:
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; `arguments` default to the process's own. Commands find them in their context's `obj`."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        _no_empty_places(arguments)
        app([argument for argument in arguments if argument != "--debug"], obj=shlex.join(["medley", *arguments]))
    except (MedleyError, OSError) as error:
        if debug:
            raise
        typer.secho(f"medley: {_one_line(error)}", fg="red", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.secho("medley: stopped", fg="red", err=True)
        sys.exit(130)


def _no_empty_places(arguments: list[str]) -> None:
    """Raises MedleyError for an argument that is empty: as a path it would mean the folder one stands in."""
    for before, argument in pairwise(["", *arguments]):
        if not argument and not before.startswith("-"):
            raise MedleyError(f"an argument after '{before or 'medley'}' is empty; is a shell variable not set?")


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        cure = _CURES.get(error.errno or 0)
        return f"{where}{error.strerror}" + (f"; {cure}" if cure else "")
    return " ".join(str(error).split())


_register()

if __name__ == "__main__":
    run()
