"""`medley notes`: write the notes that a model may read beside the films of a case table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(help="Notes beside the films: make them by a regime.", no_args_is_help=True)


@app.callback()
def notes() -> None:
    """Notes beside the films."""


@app.command("make")
def make(
    cases: Annotated[Path, typer.Argument(help="Case table (cases.parquet).")],
    regime: Annotated[
        str,
        typer.Option(
            "--regime",
            help="none: no notes · real: the table's own indication, history, note · sim: drawn from a causal model "
            "given the labels (a simulation, never a clinical result).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write (JSONL; the first line is its stamp).")],
    strength: Annotated[
        float, typer.Option("--lambda", help="How much a simulated note knows: 0 nothing of the labels, 1 the table.")
    ] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="Same seed, same notes.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Write one note a study and print how many have none, how long they are, and a few of them."""
    import json

    from medley.data.cases import read_cases
    from medley.data.notes import make_stamped_notes, write_notes

    table = read_cases(cases)
    made = make_stamped_notes(table.cases, regime, strength, seed)
    write_notes(out, made)
    written = [note for note in made.notes.values() if note is not None]
    count = len(made.notes)
    summary = {
        **made.stamp,
        "out": str(out),
        "studies": count,
        "without_note": count - len(written),
        "share_without_note": (count - len(written)) / count if count else None,
        "mean_words": sum(len(note.split()) for note in written) / len(written) if written else None,
        "examples": list(dict.fromkeys(written))[:3],
    }
    console = Console()
    if as_json:
        typer.echo(json.dumps(summary, ensure_ascii=False))
        return
    stamp = f", lambda {strength:g}, seed {seed}, simulated" if regime == "sim" else ""
    console.print(f"{out}: {count} studies, regime {regime}{stamp}", highlight=False)
    if written:
        share = f"{summary['share_without_note']:.1%} without a note"
        console.print(f"{share}, {summary['mean_words']:.1f} words a note", highlight=False)
    else:
        console.print("no study has a note", highlight=False)
    for example in summary["examples"]:
        console.print(f"  {example}", highlight=False, markup=False)
