"""`medley predict`: answer studies with a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def predict(
    run: Annotated[str, typer.Argument(help="A folder that medley train wrote, or a hub id.")],
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files; views of one study are joined by +, as in pa.png+lat.png. Where a file does not say its "
            "view and you know it: PA=pa.png+LATERAL=lat.png (PA, AP, LATERAL)."
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The clinical note, the same for every STUDY given.")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="A CSV with the columns study, text, case_id (the last two may be missing).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for predictions.jsonl, answers.jsonl, skipped.csv and heat maps.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a study.")] = False,
) -> None:
    """Findings, a differential in words, and the evidence for each study.

    Exit 1 when some studies were skipped (the others are answered), 2 when none could be answered.
    """
    import json

    from medley.cli.batch import answer_all, read_requests
    from medley.cli.progress import console
    from medley.core.errors import MedleyError
    from medley.serving.predictor import load
    from medley.serving.schemas import Skipped

    requests = read_requests(studies or [], text, cases)
    if not requests:
        raise MedleyError("no study was named: give image files, or --cases F.csv")
    predictor = load(run)
    answered, skipped = 0, list[Skipped]()
    for item in answer_all(predictor, requests, out):
        if isinstance(item, Skipped):
            skipped.append(item)
            console.print(f"skipped {item.case_id}: {item.reason}", style="red", soft_wrap=True)
            continue
        answered += 1
        if as_json:
            typer.echo(json.dumps(item.as_json(), ensure_ascii=False))
        elif out is None or len(requests) == 1:
            typer.echo(f"\n{item.prediction.case_id}\n{item.differential.text}")
            for warning in item.warnings:
                console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
    if out is not None:
        console.print(f"{answered} answered, {len(skipped)} skipped: {out}")
    if not answered:
        raise MedleyError(f"none of {len(requests)} studies could be answered; first: {skipped[0].reason}")
    if skipped:
        raise typer.Exit(1)
