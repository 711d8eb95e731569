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
    stage: Annotated[
        str | None, typer.Option(help="Train this stage alone, from the one before it in --out; mostly with --resume.")
    ] = None,
    i_know_this_leaks: Annotated[
        bool, typer.Option("--i-know-this-leaks", help="Train on notes that fail the audit; marks the run as leaky.")
    ] = False,
) -> None:
    """Train a model: every stage of the recipe, each from the best weights of the one before.

    A run that is told to end (SIGTERM) saves its state after the step at hand, and --resume goes on from there.
    Notes are audited first (train and dev parts): where they give the labels away, nothing is trained.
    Exit 1 when films that cannot be read were left out of the training: data.json counts them.
    """
    import os

    from medley.cli.progress import console, quiet_lightning, ticker
    from medley.core.config import read_yaml
    from medley.core.files import read_json

    read_yaml(recipe)  # a wrong path is told before anything heavy is loaded
    from medley.training.recipe import load_recipe

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # loader processes are forked
    document = load_recipe(recipe, [*(settings or []), *(["data.notes.i_know_this_leaks=true"] * i_know_this_leaks)])
    from medley.training.stages import train as run_stages

    quiet_lightning()
    run = out or Path("runs") / f"{document.family}-{recipe.stem}"
    with ticker() as tick:
        run_stages(document, run, resume, say=console.print, tick=tick, only=stage)
    console.print(f"run: {run}")
    later = list(document.stages)[list(document.stages).index(stage) + 1 :] if stage else []
    console.print(f"next: the same with --resume --stage {later[0]}" if later else f"next: medley evaluate {run}")
    if read_json(run / "data.json")["films_left_out"]:
        raise typer.Exit(1)
