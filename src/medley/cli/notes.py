"""`medley notes`: write the notes that a model may read beside the films of a case table, and audit them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer(
    help="Notes beside the films: make them by a regime, and see whether they give the labels away.",
    no_args_is_help=True,
)


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
            "given the labels (a simulation, never a clinical result) · seed_leaky: written out of the labels, for the "
            "audit to catch.",
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

    from medley.core.counts import counted
    from medley.core.records import INPUT_SECTIONS
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
    console.print(f"{out}: {counted(count, 'study')}, regime {regime}{stamp}", highlight=False)
    if written:
        share = f"{summary['share_without_note']:.1%} without a note"
        console.print(f"{share}, {summary['mean_words']:.1f} words a note", highlight=False)
    else:
        lacking = f": the table has no {', '.join(INPUT_SECTIONS)}" if regime == "real" else ""
        console.print(f"no study has a note{lacking}", highlight=False)
    if regime == "seed_leaky":
        console.print("these notes give the labels away: they are for medley notes audit to catch", highlight=False)
    for example in summary["examples"]:
        console.print(f"  {example}", highlight=False, markup=False)


@app.command("audit")
def audit(
    notes: Annotated[Path, typer.Argument(help="File of notes (medley notes make).")],
    cases: Annotated[Path, typer.Option("--cases", help="The case table that the notes belong to.")],
    splits: Annotated[
        Path | None, typer.Option("--splits", help="Split manifest: labels of test are then left alone (check 10).")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="A trained run, asked again with other notes (checks 4 to 7, 11).")
    ] = None,
    budget_macro: Annotated[float, typer.Option(help="Largest AUROC of text alone, mean over the labels.")] = 0.70,
    budget_label: Annotated[float, typer.Option(help="Largest AUROC of text alone, each label.")] = 0.85,
    bert: Annotated[Path | None, typer.Option(help="Folder of a BERT: a third probe, frozen (check 2).")] = None,
    films: Annotated[bool, typer.Option(help="Read films for check 4; without a run it needs them.")] = True,
    seed: Annotated[int, typer.Option("--seed", help="Seeds folds, permutations and resamples.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Write the verdict to this JSON file as well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Do these notes give the labels away? Eleven checks; exit 1 where one fails.

    1 findings named · 2 text-only probes · 3 words as codes · 4 notes of permuted labels · 5 swapped notes ·
    6 no note, one note for all · 7 grey films · 8 column order · 9 determinism · 10 copies between parts ·
    11 real text that names findings. Films are read for check 4 where the notes have a rule.
    """
    import json

    from medley.cli.notes_audit import audit_file, print_audit
    from medley.core.files import write_json

    found = audit_file(notes, cases, splits, run, (budget_macro, budget_label), bert, films, seed)
    verdict = {"notes": str(notes), "cases": str(cases), "run": run, **found.as_json()}
    if out is not None:
        write_json(out, verdict)
    if as_json:
        typer.echo(json.dumps(verdict, ensure_ascii=False))
    else:
        print_audit(found)
    if found.failed:
        raise typer.Exit(1)
