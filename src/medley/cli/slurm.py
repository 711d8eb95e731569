"""`medley slurm`: batch scripts that train a recipe on a cluster and score the run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def slurm(
    recipe: Annotated[Path, typer.Argument(help="A YAML file such as recipes/chexquery/paper.yaml.")],
    out: Annotated[Path, typer.Option(help="A new folder for the scripts.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="A.B=C", help="Change a key of the recipe; may be repeated.")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="The run's folder; default runs/<family>-<recipe>.")] = None,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="GPUs of a machine; default the recipe's trainer.devices; 0 uses CPUs.")
    ] = None,
    time: Annotated[str, typer.Option(help="Limit of one job; a stage that needs longer comes back.")] = "24:00:00",
    cpus: Annotated[int, typer.Option(min=1, help="CPUs of a process.")] = 8,
    memory: Annotated[str, typer.Option(help="Memory of a machine.")] = "64G",
    partition: Annotated[str | None, typer.Option(help="Partition; default the cluster's own.")] = None,
    account: Annotated[str | None, typer.Option(help="Account; default your own.")] = None,
) -> None:
    """Write the batch scripts of a recipe for Slurm: one a stage, all stages in one, the evaluation, and a submitter.

    A job whose time is nearly up saves its state, goes back into the queue and goes on in its next turn.
    """
    from medley.core.config import read_yaml

    read_yaml(recipe)  # a wrong path is told before anything heavy is loaded
    from medley.training.recipe import load_recipe
    from medley.training.slurm import Resources, write_jobs

    said = [] if gpus is None else [f"trainer.devices={gpus}"] if gpus else ["trainer.accelerator=cpu"]
    document = load_recipe(recipe, [*(settings or []), *said])
    name = f"{document.family}-{recipe.stem}"
    resources = Resources(time, cpus, memory, partition, account)
    for script in write_jobs(document, name, out, run or Path("runs") / name, resources):
        typer.echo(script)
