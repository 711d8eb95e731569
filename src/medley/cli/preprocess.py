"""medley preprocess: images of any make, made comparable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Make images comparable: films (chest), each under its one contract.", no_args_is_help=True)


@app.callback()
def preprocess() -> None:
    """Make images comparable."""


@app.command("films")
def films(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Folder of films, one film, a case table, or a CSV of paths.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the PNG files and films.csv.")],
    px: Annotated[int, typer.Option(min=16, max=4096, help="Side of the square films in pixels.")] = 512,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """DICOM, PNG, JPEG, TIFF or BMP films -> 8-bit PNG: 0 air, 255 densest, aspect kept, padded to a square.

    films.csv tells of each where it went, its view, whether it looks like a chest film, its exposure and placement.
    Exit 1 when films were skipped (their row holds the error), 2 when none could be read.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from medley.core.counts import counted
    from medley.core.errors import MedleyError
    from medley.data.preprocess.batch import find_films, passed_over, preprocess_films

    found, others = find_films(source, out), passed_over(source, out)
    columns = (TextColumn("films"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("films", total=len(found))
        rows = preprocess_films(found, out, px, lambda done, total: bar.update(task, completed=done, total=total))
    skipped = [row for row in rows if row.error]
    doubtful = [row for row in rows if row.warnings]
    if as_json:
        counts: dict[str, Any] = {"out": str(out), "written": len(rows) - len(skipped), "with_warnings": len(doubtful)}
        counts["passed_over"] = dict(others.most_common())
        typer.echo(json.dumps(counts | {"skipped": [{"source": row.source, "error": row.error} for row in skipped]}))
    else:
        typer.echo(f"{counted(len(rows) - len(skipped), 'film')} written to {out}; films.csv tells of each")
        if doubtful:
            first = f"{doubtful[0].source}: {doubtful[0].warnings}"
            typer.echo(f"{counted(len(doubtful), 'film')} with warnings; the first: {first}")
        if others:
            kinds = ", ".join(f"{ending or 'no ending'} {number}" for ending, number in others.most_common())
            typer.echo(f"{counted(others.total(), 'file')} passed over, not of a film: {kinds}")
        if skipped:
            typer.echo(f"{counted(len(skipped), 'file')} skipped; the first: {skipped[0].error}")
    if len(skipped) == len(rows):
        raise MedleyError(f"no film of {source} could be read; {out / 'films.csv'} says why")
    if skipped:
        raise typer.Exit(1)
