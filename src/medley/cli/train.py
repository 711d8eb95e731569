"""`medley train`: run the stages of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medley.training.recipe import Recipe


def train(
    recipe: Annotated[
        Path, typer.Argument(help="A YAML file such as recipes/cxr_reasoner/tiny.yaml, or a list of recipes.")
    ],
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
    A list of recipes (`base` and `runs`, as recipes/braingemma3d/ablations.yaml) is trained run by run into RUN/NAME,
    those that are finished already left as they are.
    Exit 1 when films that cannot be read were left out of the training: data.json counts them.
    """
    import os

    from medley.cli.progress import console, quiet_lightning, ticker
    from medley.core.config import read_yaml
    from medley.core.files import read_json

    read = read_yaml(recipe)  # a wrong path is told before anything heavy is loaded
    from medley.training.recipe import load_recipe
    from medley.training.recipe_list import is_list, load_recipe_list

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # loader processes are forked
    settings = [*(settings or []), *(["data.notes.i_know_this_leaks=true"] * i_know_this_leaks)]
    if is_list(read):
        _train_all(load_recipe_list(recipe, settings), recipe, out, stage)
        return
    document = load_recipe(recipe, settings)
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


def _train_all(recipes: dict[str, Recipe], path: Path, out: Path | None, stage: str | None) -> None:
    """Every run of a list, those that are begun resumed; exit 1 where films were left out of one."""
    from medley.cli.progress import console, quiet_lightning, ticker
    from medley.core.errors import MedleyError
    from medley.core.files import read_json
    from medley.training.stages import train as run_stages

    if stage is not None:
        raise MedleyError(f"--stage is of one recipe, and {path} is a list: name the stages that a run skips with drop")
    quiet_lightning()
    first = next(iter(recipes.values()))
    folder = out or Path("runs") / f"{first.family}-{path.stem}"
    for number, (name, document) in enumerate(recipes.items(), start=1):
        run = folder / name
        console.rule(f"{name} ({number} of {len(recipes)})")
        with ticker() as tick:
            run_stages(document, run, (run / "config.yaml").is_file(), say=console.print, tick=tick)
    names = " ".join(str(folder / name) for name in recipes)
    console.print(f"runs: {names}")
    console.print(f"next: medley evaluate {folder / next(iter(recipes))}, of each, and medley compare")
    if any(read_json(folder / name / "data.json")["films_left_out"] for name in recipes):
        raise typer.Exit(1)
