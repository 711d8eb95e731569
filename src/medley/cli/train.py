"""`medley train`: run the stages of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file such as recipes/cxr_reasoner/tiny.yaml.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=C", help="Change a key of the recipe; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; default runs/<family>-<recipe>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out where it stopped.")] = False,
) -> None:
    """Train a model: every stage of the recipe, each from the best weights of the one before."""
    import os

    from medley.cli.progress import console, quiet_lightning, ticker
    from medley.training.recipe import load_recipe
    from medley.training.stages import train as run_stages

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # loader processes are forked
    quiet_lightning()
    document = load_recipe(recipe, settings or [])
    run = out or Path("runs") / f"{document.family}-{recipe.stem}"
    with ticker() as tick:
        run_stages(document, run, resume, say=console.print, tick=tick)
    console.print(f"run: {run}")
    console.print(f"next: medley evaluate {run}")
