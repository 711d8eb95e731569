"""`medley cohort`: write a generated cohort, with its truth, for a family."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def cohort(
    family: Annotated[str, typer.Argument(help="The family it is for: cxr_reasoner, chexquery, mavl, braingemma3d.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the cohort; it appears only when whole.")],
    cases: Annotated[int, typer.Option("--cases", help="How many studies.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")],
    difficulty: Annotated[str, typer.Option("--difficulty", help="easy, default or hard.")] = "default",
    px: Annotated[
        int | None,
        typer.Option("--px", help="Side of the square films (224) or of a volume's slices (128; half as many slices)."),
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Processes; all cores where not given.")] = None,
) -> None:
    """Generate a cohort that knows its truth: films or volumes, reports, labels, masks. Stamped synthetic."""
    from medley.core.counts import counted
    from medley.data.cohorts import cohort_of

    generate = cohort_of(family)
    sizes = {} if px is None else {"px": px}
    columns = (TextColumn("drawing {task.fields[what]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("cohort", total=cases, what=family)

        def tell(done: int) -> None:
            bar.update(task, completed=done)

        table = generate(out, cases, seed, difficulty, workers=workers, progress=tell, **sizes)
    how = f"synthetic, difficulty {difficulty}, seed {seed}"
    Console().print(f"{out / 'cases.parquet'}: {counted(len(table), 'study')}, {how}")
