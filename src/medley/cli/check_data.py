"""`medley check-data`: the data doctor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medley.data.checks.doctor import Examination
    from medley.data.checks.mend import Mended

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

    Exit 1 when a check failed. Nothing is changed; --fix writes a cleaned table beside the old one.
    """
    import json

    from medley.cli.progress import ticker
    from medley.data.checks.doctor import examine
    from medley.data.checks.mend import mend

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
    mended = mend(found, fix) if fix else None
    if out:
        _write(found, out)
    if as_json:
        typer.echo(json.dumps(found.as_json() | ({"fix": mended.as_json()} if mended else {}), ensure_ascii=False))
    else:
        _print(found, mended, out)
    if found.failed:
        raise typer.Exit(1)


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


def _print(found: Examination, mended: Mended | None, out: Path | None) -> None:
    from rich.console import Console

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
        f"{len(found.table)} studies, {len(found.looks)} images: {total['failed']} checks failed, "
        f"{total['warning']} warnings, {total['ok']} ok, {total['not applicable']} not applicable"
    )
    if out:
        console.print(f"{out / 'check_data.json'}, {out / 'near_duplicates.csv'}")
    if mended:
        dropped = ", ".join(f"{count} x {why}" for why, count in mended.as_json()["dropped"].items()) or "nothing"
        console.print(f"dropped: {dropped}")
        console.print("written: " + ", ".join(map(str, mended.paths)))
