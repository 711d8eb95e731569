"""medley shards: decode the films of a case table once, for training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def shards(
    cases: Annotated[Path, typer.Argument(help="Case table: cases.parquet of medley index or medley cohort.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the shards; run again after a stop or when the table has grown.")
    ],
    px: Annotated[
        int, typer.Option(min=16, max=4096, help="Side of the square films in pixels: the model's image_px.")
    ],
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that decode; all cores unless told.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Decode every film of a case table once, into memory-mapped uint8 at training size.

    Finished shards are kept: after a stop, and when the table has grown, the same command does what is missing.
    Exit 1 when films were skipped (DIR/skipped.csv lists them), 2 when nothing could be done.
    """
    import os

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from medley.core.counts import counted
    from medley.core.errors import MedleyError
    from medley.data.cases import read_cases
    from medley.data.shards import build_shards

    table = read_cases(cases)
    columns = (TextColumn("films"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("films", total=None)
        report = build_shards(
            table,
            out,
            px,
            workers or os.cpu_count() or 1,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
    stored = report.added + report.kept
    if as_json:
        result = {"out": str(report.out), "px": px, "added": report.added, "kept": report.kept, "shards": report.shards}
        typer.echo(json.dumps(result | {"skipped": [vars(one) for one in report.skipped]}))
    else:
        films, shards = counted(stored, "film"), counted(report.shards, "shard")
        typer.echo(f"{films} of {px} px in {shards} under {out} ({report.added} new)")
        if report.skipped:
            listed = f"{counted(len(report.skipped), 'film')} skipped, listed in {out / 'skipped.csv'}"
            typer.echo(f"{listed}; the first: {report.skipped[0].reason}")
    if stored == 0:
        raise MedleyError(f"no film of {cases} could be read" if report.skipped else f"{cases} names no images")
    if report.skipped:
        raise typer.Exit(1)
