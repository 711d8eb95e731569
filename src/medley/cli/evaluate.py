"""`medley evaluate`: score a run and write its scorecard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medley.cli.named import named


def evaluate(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A folder that medley train wrote, or a hub id.")],
    cases: Annotated[
        Path | None, typer.Option(help="Another case table; default: what the run was trained on.")
    ] = None,
    splits: Annotated[Path | None, typer.Option(help="The split manifest of --cases.")] = None,
    part: Annotated[str, typer.Option(help="Which part is scored: train, dev or test.")] = "test",
    controls: Annotated[
        bool, typer.Option("--controls", help="Also train the recipe on shuffled labels, which must score 0.5.")
    ] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Score the best weights so far of a run still in training.")
    ] = False,
    floor: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=RUN or NAME=FILE: another system's answers to the same cases, as slices_2d=runs/slices_2d. "
            "Repeat it."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; default RUN/evaluation.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scorecard as JSON.")] = False,
) -> None:
    """Predict a part, score it with intervals beside its floors, and write scorecard, predictions, tables and page.

    Thresholds and calibration are fitted on the run's own dev part, never on what is scored. The floors are the same
    studies with black images, with another patient's images and without notes; what learns from thumbnails alone; and
    answers that are always the same. Of a model that writes reports they are also the training reports of the studies
    with the nearest film, note and findings.

    Exit 1 when studies without a readable film were left out: skipped.csv lists them, the scorecard counts them.
    """
    import json

    from medley.cli.progress import console, quiet_lightning, ticker
    from medley.cli.scores import print_scores
    from medley.core.errors import MedleyError, choose
    from medley.data.source import PARTS
    from medley.serving.predictor import load
    from medley.serving.scoring import run as scoring

    choose(part, dict.fromkeys(PARTS), "part")
    if (cases is None) != (splits is None):
        raise MedleyError("--cases and --splits go together: a table is scored by the parts of its own manifest")
    beside = {name: Path(file) for name, file in named("--floor", floor or (), "slices_2d=runs/slices_2d").items()}
    predictor = load(run, unfinished=unfinished)
    scoring.check_controls(predictor, controls)
    folder = out or Path(predictor.facts["run"]) / "evaluation"
    if controls:
        quiet_lightning()
    how: dict[str, Any] = {"beside": beside, "controls": controls, "say": console.print}
    with ticker() as tick:
        own = None
        try:
            own = scoring.own_source(predictor, tick)
        except MedleyError as error:  # another table is scored without them, if need be, and the scorecard says so
            if cases is None or controls or not (scoring.fitted(predictor) or predictor.writes):
                raise
            console.print(f"without the floors that learn from the data of the training: {error}")
        if own is not None and not scoring.fitted(predictor):
            scoring.fit_on_dev(predictor, own, tick)
        source = scoring.other_source(predictor, cases, splits, part, tick) if cases and splits else own
        assert source is not None
        scored = scoring.evaluate_run(predictor, source, part, folder, str(context.obj), own=own, tick=tick, **how)
    card = scored.card
    if as_json:
        typer.echo(json.dumps(card.as_json()))
        raise typer.Exit(1 if scored.left_out else 0)
    print_scores(card)
    for warning in card.warnings:
        console.print(f"warning: {warning}", style="yellow")
    typer.echo(f"{folder / 'scorecard.html'}")
    if scored.left_out:
        console.print(f"skipped: {folder / 'skipped.csv'}", soft_wrap=True)
        raise typer.Exit(1)
