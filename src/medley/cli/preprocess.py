"""medley preprocess: images of any make, made comparable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Make images comparable: films (chest), brains (MRI), each under its one contract.", no_args_is_help=True
)


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


@app.command("brains")
def brains(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="Folder of volumes, one NIfTI file, a case table, or a CSV (flair,t1,t1c,t2 or path)."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder: one below it for each study, and brains.csv.")],
    shape: Annotated[str, typer.Option(help="Voxels of the grid: depth x height x width.")] = "64x128x128",
    fov: Annotated[str, typer.Option(help="Field of view in mm, in the same order, centred on the brain.")] = (
        "176x208x176"
    ),
    n4: Annotated[bool, typer.Option("--n4", help="Correct the bias field (needs the extra `brain`).")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that work at once.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Brain MRI of any make (NIfTI, DICOM series) -> uint8 NIfTI on one grid: RAS, masked, p0.5 to p99.5 = 1 to 255.

    Each study gets a folder with a file a sequence and slices.png, before and after. brains.csv tells what was done and
    warns. The same command goes on where it was ended; what is done from the same bytes and settings is kept.
    Exit 1 when studies were skipped (their row holds the error), 2 when none could be read.
    """
    from medley.cli.progress import ticker
    from medley.core.counts import counted
    from medley.core.errors import MedleyError
    from medley.core.records import VolumeGrid
    from medley.data.preprocess.volume.batch import preprocess_brains
    from medley.data.preprocess.volume.find import find_studies

    depth, height, width = _three(shape, "--shape", "whole voxels", 8, 512, "64x128x128")
    span = _three(fov, "--fov", "mm", 50, 500, "176x208x176")
    grid = VolumeGrid((int(depth), int(height), int(width)), span)
    studies, passed = find_studies(source, out)
    with ticker() as tick:
        rows = preprocess_brains(studies, out, grid, n4, workers, lambda done, total: tick("brains", done, total))
    skipped = [row for row in rows if row.error]
    doubtful = [row for row in rows if row.warnings]
    if as_json:
        counts: dict[str, Any] = {"out": str(out), "written": len(rows) - len(skipped), "with_warnings": len(doubtful)}
        counts["masks"] = {
            how: sum(row.mask == how for row in rows) for how in sorted({r.mask for r in rows if r.mask})
        }
        counts["passed_over"] = dict(passed.most_common())
        typer.echo(json.dumps(counts | {"skipped": [{"case": row.case, "error": row.error} for row in skipped]}))
    else:
        typer.echo(f"{counted(len(rows) - len(skipped), 'study')} written to {out}; brains.csv tells of each")
        if doubtful:
            first = f"{doubtful[0].case}: {doubtful[0].warnings}"
            typer.echo(f"{counted(len(doubtful), 'study')} with warnings; the first: {first}")
        if passed:
            kinds = ", ".join(f"{reason} {number}" for reason, number in passed.most_common())
            typer.echo(f"{counted(passed.total(), 'file')} passed over: {kinds}")
        for row in skipped:
            typer.echo(f"skipped {row.case}: {row.error}")
    if len(skipped) == len(rows):
        raise MedleyError(f"no study of {source} could be read; {out / 'brains.csv'} says why")
    if skipped:
        raise typer.Exit(1)


def _three(text: str, option: str, what: str, least: int, most: int, such_as: str) -> tuple[float, float, float]:
    """Depth, height and width; nan and infinity are in no range, and `whole voxels` have no fractions."""
    from medley.core.errors import MedleyError

    try:
        values = [float(part) for part in text.lower().replace(",", "x").split("x")]
    except ValueError:
        values = []
    whole = what == "mm" or all(value.is_integer() for value in values)
    if len(values) != 3 or not whole or not all(least <= value <= most for value in values):
        rule = f"depth x height x width, each {least} to {most} {what}, such as {such_as}"
        raise MedleyError(f"{option} {text}: it must be {rule}")
    return values[0], values[1], values[2]
