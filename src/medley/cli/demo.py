"""`medley demo`: cohort, train, score, explain, and one page with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_UNTUNED = ("braingemma3d",)  # it trains, and its tiny recipe has not been measured yet


def demo(
    families: Annotated[
        list[str] | None, typer.Argument(help="Which; unless told, all but those whose recipe is not tuned yet.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where runs and page go.")] = Path("demo"),
    batch: Annotated[int, typer.Option(min=1, max=50, help="How many cases of the test part are shown.")] = 5,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Then ask for films and notes, and answer them.")
    ] = False,
) -> None:
    """From nothing to a page: draws a cohort, trains, scores and explains each family; ≤ 5 minutes a family."""
    from medley.cli.demo_run import answer_interactively, run_demo
    from medley.families import FAMILIES, get_family

    names = families or [name for name in FAMILIES if name not in _UNTUNED]
    for name in names:
        get_family(name)  # a misspelt name fails before anything is trained
    page = run_demo(names, out, batch)
    typer.echo(f"{page.resolve()}")
    if interactive:
        for name in names:
            answer_interactively(out / name)
