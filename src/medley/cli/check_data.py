"""`medley check-data`: the data doctor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from medley.data.checks.doctor import Examination
    from medley.data.checks.mend import Mended

T = TypeVar("T")
_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red", "not applicable": "dim"}
_SHOWN_EXAMPLES = 3


def check_data(
    cases: Annotated[Path, typer.Argument(help="Case table (cases.parquet).")],
    splits: Annotated[
        Path | None, typer.Option(help="Split manifest: what stands in two parts is looked for with it.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe whose settings are searched for left-right flips.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="CSV with case_id and label columns that ours are held against.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for check_data.json and near_duplicates.csv (all pairs).")
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(help="Write a cleaned table here, its split, and a list of what was dropped.")
    ] = None,
    accept: Annotated[
        list[str] | None, typer.Option(help="A check whose failure is known: it is shown as a warning. Repeat it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seeds the probes' intervals.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that decode; all cores unless told.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """The data doctor: broken images, copies, leaks between parts, labels that cannot be, answers in the wrong place.

    Exit 1 when a check failed, or when --out or --fix could not be written: what was found is printed all the same.
    Nothing is changed; --fix writes a cleaned table beside the old one.
    """
    from medley.cli.progress import ticker
    from medley.data.checks.doctor import examine
    from medley.data.checks.mend import mend, refuse_itself

    if fix:
        refuse_itself(cases, fix)
    with ticker() as tick:
        found = examine(
            cases,
            splits,
            recipe=recipe,
            reference=reference,
            accept=accept or (),
            seed=seed,
            workers=workers,
            progress=tick,
        )
    if not as_json:
        _print(found)
    mended, cannot_fix = _attempt(lambda: mend(found, fix)) if fix else (None, None)
    _, cannot_write = _attempt(lambda: _write(found, out)) if out else (None, None)
    if as_json:
        typer.echo(json.dumps(found.as_json() | ({"fix": mended.as_json()} if mended else {}), ensure_ascii=False))
    else:
        _print_files(out if not cannot_write else None, mended)
    for error in (cannot_fix, cannot_write):
        if error:
            typer.secho(f"medley: {error}", fg="red", err=True)
    if found.failed or cannot_fix or cannot_write:
        raise typer.Exit(1)


def _attempt(work: Callable[[], T]) -> tuple[T | None, str | None]:
    """What was written, or why it could not be: an hour of decoding is not to be lost with it."""
    from medley.core.errors import MedleyError

    try:
        return work(), None
    except MedleyError as error:
        return None, str(error)
    except OSError as error:
        return None, f"cannot write {error.filename}: {error.strerror or error}; make room, or name another place"


def _write(found: Examination, out: Path) -> None:
    import csv
    import io

    from medley.core.files import write_json, write_text

    write_json(out / "check_data.json", found.as_json())
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["case_a", "image_a", "case_b", "image_b", "kind", "correlation", "turned"])
    for pair in found.pairs:
        sides = (pair.one.case_id, pair.one.path, pair.other.case_id, pair.other.path)
        rows.writerow([*sides, pair.kind, f"{pair.correlation:.4f}", pair.turned])
    write_text(out / "near_duplicates.csv", text.getvalue())


def _print(found: Examination) -> None:
    from rich.console import Console

    from medley.core.counts import counted

    console = Console(highlight=False, markup=False, soft_wrap=True)  # a path that is broken over two lines is no path
    width = max(len(check.name) for check in found.checks)
    for check in found.checks:
        console.print(f"{check.status:<15}", style=_COLOURS[check.status], end="")
        console.print(f"{check.name:<{width}}  {check.says}")
        if check.status in ("failed", "warning"):
            shown = check.examples[:_SHOWN_EXAMPLES]
            for example in shown:
                console.print(f"{'':<15}    {example}", style="dim")
            if len(check.examples) > len(shown):
                console.print(f"{'':<15}    and {len(check.examples) - len(shown)} more", style="dim")
            if check.todo:
                console.print(f"{'':<15}    -> {check.todo}")
    total = found.as_json()["totals"]
    console.print(
        f"{counted(len(found.table), 'study')}, {counted(len(found.looks), 'image')}: "
        f"{counted(total['failed'], 'check')} failed, {counted(total['warning'], 'warning')}, {total['ok']} ok, "
        f"{total['not applicable']} not applicable"
    )


def _print_files(out: Path | None, mended: Mended | None) -> None:
    if out:
        typer.echo(f"{out / 'check_data.json'}, {out / 'near_duplicates.csv'}")
    if mended:
        dropped = ", ".join(f"{count} x {why}" for why, count in mended.as_json()["dropped"].items()) or "nothing"
        typer.echo(f"dropped: {dropped}")
        typer.echo("written: " + ", ".join(map(str, mended.paths)))
