"""`medley demo`: cohort, train, score, explain, and one page with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    families: Annotated[list[str] | None, typer.Argument(help="Which; all of them unless told.")] = None,
    out: Annotated[Path, typer.Option(help="Where runs and page go.")] = Path("demo"),
    batch: Annotated[int, typer.Option(min=1, max=50, help="How many cases of the test part are shown.")] = 5,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Then ask for films and notes, and answer them.")
    ] = False,
) -> None:
    """From nothing to a page: draws a cohort, trains, scores and explains each family; ≤ 5 minutes a family."""
    from medley.cli.demo_run import answer_interactively, run_demo
    from medley.families import FAMILIES, get_family

    names = families or list(FAMILIES)
    for name in names:
        get_family(name)  # a misspelt name fails before anything is trained
    page = run_demo(names, out, batch)
    typer.echo(f"{page.resolve()}")
    if interactive:
        for name in names:
            answer_interactively(out / name)
