"""`medley zero-shot`: ask a general image-text model about the slices of a table's volumes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def zero_shot(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(help="An image-text-to-text model: a hub id such as google/medgemma-1.5-4b-it, or a folder."),
    ],
    cases: Annotated[Path, typer.Option(help="A case table of brain MRI.")],
    splits: Annotated[Path, typer.Option(help="The split manifest of --cases.")],
    out: Annotated[Path, typer.Option(help="Folder of the answers; one that was begun is gone on with.")],
    part: Annotated[str, typer.Option(help="Which part is asked: train, dev or test.")] = "test",
    sequence: Annotated[str, typer.Option(help="Which sequence is shown: flair, t1, t1c or t2.")] = "flair",
    slices: Annotated[int, typer.Option(help="Axial slices of a volume, evenly spaced; at most 64.")] = 64,
    prompt: Annotated[
        Path | None,
        typer.Option(
            help="A text file: what is said before the slices, a line ---, what is asked after them. It may hold "
            "{slices}, {sequence}, {looks} and {sides}. Default: our own neuroradiologist's instruction."
        ),
    ] = None,
    convention: Annotated[
        str, typer.Option(help="neurological: the patient's left is on the left; radiological: on the right.")
    ] = "neurological",
    black: Annotated[
        bool, typer.Option("--black", help="Show black slices instead: the floor black_images of medley score.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer; a longer one is cut, and marked.")] = 512,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0: the likeliest word each time; above: words are drawn.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Seeds the draws.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only the first cases of the part.")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda or cuda:1; default: cuda where there is one.", show_default=False)
    ] = None,
    dtype: Annotated[str, typer.Option(help="fp32, bf16 or fp16; auto: bf16 on CUDA, else fp32.")] = "auto",
    revision: Annotated[
        str | None, typer.Option(help="Commit, tag or branch of a hub id; default: its newest.", show_default=False)
    ] = None,
) -> None:
    """Reports of brains by a model that was never trained on them, from 2D slices: a baseline to be scored.

    Writes predictions.jsonl with the table's references and truth, zero_shot.json (model, revision, prompt, settings)
    and every answer as it comes: killed, the same command goes on. Score it with medley score, and compare it with a
    run's evaluation of the same cases by medley compare.

    Exit 1 when cases could not be read: skipped.csv lists them.
    """
    import os

    from medley.cli.progress import console, ticker
    from medley.core.errors import choose
    from medley.data.splits import PARTS
    from medley.serving.zero_shot.prompts import read_prompt
    from medley.serving.zero_shot.slices import slice_places

    choose(part, dict.fromkeys(PARTS), "part")
    slice_places(slices)
    words = read_prompt(prompt, sequence, slices, convention)
    from medley.serving.zero_shot.answers import check_folder
    from medley.serving.zero_shot.model import open_reader
    from medley.serving.zero_shot.run import PREDICTIONS, SKIPPED, Question, ask_part, opened_part, summary

    known, wanted = opened_part(cases, splits, part, sequence, limit)
    check_folder(out)
    reader = open_reader(model, revision, device, dtype)
    question = Question(words, sequence, slices, convention, max_tokens, temperature, seed, black)
    with ticker() as tick:
        outcome = ask_part(reader, question, known, wanted, part, out, str(context.obj), os.cpu_count() or 1, tick)
    for line in summary(outcome, max_tokens):
        console.print(line)
    typer.echo(f"{out / PREDICTIONS}")
    if outcome.skipped:
        console.print(f"skipped {len(outcome.skipped)}: {out / SKIPPED}")
        raise typer.Exit(1)
