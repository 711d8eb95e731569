"""`medley evaluate`: score a run and write its scorecard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A folder that medley train wrote, or a hub id.")],
    cases: Annotated[
        Path | None, typer.Option(help="Another case table; default: what the run was trained on.")
    ] = None,
    splits: Annotated[Path | None, typer.Option(help="The split manifest of --cases.")] = None,
    part: Annotated[str, typer.Option(help="Which part is scored: train, dev or test.")] = "test",
    out: Annotated[Path | None, typer.Option(help="Where to write; default RUN/evaluation.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scorecard as JSON.")] = False,
) -> None:
    """Predict a part, score it with intervals and floors, and write scorecard, predictions, tables and pictures.

    Thresholds are fitted on the run's own dev part, never on what is scored.
    """
    import json

    from medley.cli.progress import console, ticker
    from medley.core.errors import MedleyError, choose
    from medley.data.source import PARTS
    from medley.evaluation.headline import headline
    from medley.serving import scoring
    from medley.serving.predictor import load

    choose(part, dict.fromkeys(PARTS), "part")
    if (cases is None) != (splits is None):
        raise MedleyError("--cases and --splits go together: a table is scored by the parts of its own manifest")
    predictor = load(run)
    folder = out or Path(predictor.facts["run"]) / "evaluation"
    with ticker() as tick:
        if predictor.thresholds is None or cases is None:
            own = scoring.own_source(predictor, tick)
        if predictor.thresholds is None:
            scoring.fit_run_thresholds(predictor, own, Path(predictor.facts["run"]), tick)
        source = own if cases is None else scoring.other_source(predictor, cases, splits, tick)  # type: ignore[arg-type]
        card, _ = scoring.evaluate_run(predictor, source, part, folder, str(context.obj), tick)
    if as_json:
        typer.echo(json.dumps(card.as_json()))
        return
    console.print(headline(card))
    for name in ("auroc_macro", "image_only/auroc_macro", "text_only/auroc_macro", "ap_macro", "f1_macro", "ece"):
        metric = card.metrics.get(name)
        if metric is not None:
            interval = f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]" if metric.ci95 else ""
            shown = f"{metric.value:.3f}{interval}" if metric.value is not None else f"null: {metric.error}"
            typer.echo(f"{name:<26} {shown}")
    typer.echo(f"{folder / 'scorecard.html'}")
