"""`medley score`: the scorecard of anybody's outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medley.cli.named import named

if TYPE_CHECKING:
    from medley.evaluation.reports.of_others import TextOptions


def score(
    context: typer.Context,
    predictions: Annotated[
        Path,
        typer.Argument(
            help="predictions.jsonl, or a .csv: of findings case_id, patient_id, score/LABEL, label/LABEL; of reports "
            "(--task) case_id, patient_id, report."
        ),
    ],
    task: Annotated[
        str | None, typer.Option(help="Which task is scored, where the file holds several.", show_default=False)
    ] = None,
    train: Annotated[
        Path | None, typer.Option(help="Case table that tells the truth, the reports, the patients, and who they are.")
    ] = None,
    splits: Annotated[
        Path | None, typer.Option(help="Split manifest of --train: nothing but --part may then be scored.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="The part of --splits that the predictions are of; default: test.")
    ] = None,
    dev: Annotated[
        Path | None, typer.Option(help="The same system's predictions of the dev part, to fit thresholds on.")
    ] = None,
    thresholds: Annotated[
        str | None,
        typer.Option(help="How they are chosen on --dev: max_f1 (the default), youden, or sensitivity (of 0.9)."),
    ] = None,
    calibration: Annotated[
        str | None, typer.Option(help="Fitted on --dev: platt (the default), temperature, isotonic, or none.")
    ] = None,
    blank: Annotated[
        str | None, typer.Option(help="An empty label of --train is: mask (not known; the default) or negative.")
    ] = None,
    floor: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE: poorer answers to the same cases, as black_images=black.jsonl: the same system on black "
            "films. Repeat it."
        ),
    ] = None,
    tokens: Annotated[
        str | None, typer.Option(help="Of reports: tokens of BLEU, METEOR and CIDEr, coco (the default) or 13a.")
    ] = None,
    wordnet: Annotated[
        Path | None, typer.Option(help="Of reports: the folder of medley doctor --wordnet, for METEOR.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Of reports: DIR or DIR@LAYER of a saved encoder, for BERTScore.")
    ] = None,
    chexbert: Annotated[
        str | None,
        typer.Option(
            help="Of chest reports: WEIGHTS or WEIGHTS@TOKENIZER; CheXbert labels the texts, in place of our rules."
        ),
    ] = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            help="Of reports: NAME=COMMAND of a scorer in its own environment, called with two files; see "
            "docs/external_scorers.md. Repeat it."
        ),
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state", help="KEY=VALUE of the protocol that no file tells, as notes=none or aggregation=max. Repeat it."
        ),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of the patients; 0: no intervals.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seeds the resamples.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for scorecard.json, its page, tables, pictures and predictions.jsonl.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scorecard as JSON.")] = False,
) -> None:
    """Score anybody's outputs as our own runs are scored: with intervals, floors, and what could not be computed.

    Findings and reports of chest films, reports of brain MRI. Without --dev there are no thresholds and no calibration,
    and what needs them
    is null; without --train and --splits there are no floors that copy training reports. Exit 1 when cases of the part
    have no prediction: the others are scored, and the scorecard says so.
    """
    import json

    from medley.cli.progress import console
    from medley.cli.scores import print_scores
    from medley.core.errors import MedleyError, choose
    from medley.core.files import check_writable
    from medley.data.splits import PARTS
    from medley.evaluation.predictions.known_cases import known_cases
    from medley.evaluation.score import FittedOn, score_file, stated_protocol

    for option, given, needs, there in (
        ("--splits", splits, "--train", train),
        ("--blank", blank, "--train", train),
        ("--part", part, "--splits", splits),
        ("--thresholds", thresholds, "--dev", dev),
        ("--calibration", calibration, "--dev", dev),
    ):
        if given is not None and there is None:
            raise MedleyError(f"{option} needs {needs}, and it is not given")
    choose(part or "test", dict.fromkeys(PARTS), "part")
    if out is not None and (out / "predictions.jsonl").resolve() == predictions.resolve():
        raise MedleyError(f"--out {out} would write over {predictions}; choose another folder")
    if out is not None:
        check_writable(out / "scorecard.json")  # before the work that it will hold
    scored = score_file(
        predictions,
        task=task,
        known=None if train is None else known_cases(train, splits, blank or "mask"),
        part=part or "test",
        dev=None if dev is None else FittedOn(dev, thresholds or "max_f1", calibration or "platt"),
        floors={name: Path(file) for name, file in named("--floor", floor or (), "black_images=black.jsonl").items()},
        texts=_texts(tokens, wordnet, encoder, chexbert, scorer or ()),
        stated=stated_protocol(state or ()),
        command=str(context.obj),
        bootstrap=bootstrap,
        seed=seed,
    )
    page = None if out is None else scored.write(out)
    if as_json:
        typer.echo(json.dumps(scored.card.as_json(), ensure_ascii=False))
    else:
        print_scores(scored.card)
        for warning in scored.card.warnings:
            console.print(f"warning: {warning}", style="yellow")
    if page is not None:
        console.print(str(page))
    if scored.lacking:
        raise typer.Exit(1)


def _texts(
    tokens: str | None, wordnet: Path | None, encoder: str | None, chexbert: str | None, scorer: Sequence[str]
) -> TextOptions | None:
    """How reports are read; None where nothing is said of it."""
    import shlex

    from medley.core.errors import MedleyError
    from medley.evaluation.reports.of_others import TextOptions
    from medley.evaluation.text.bertscore import Encoder

    if not (tokens or wordnet or encoder or chexbert or scorer):
        return None
    weights, _, words = (chexbert or "").partition("@")
    folder, _, layer = (encoder or "").partition("@")
    if layer and not layer.isdecimal():
        raise MedleyError(f"--encoder {encoder}: it must be DIR or DIR@LAYER, the layer a number, as in roberta@17")
    commands: dict[str, list[str]] = {}
    for name, command in named("--scorer", scorer, "'green=python green.py'").items():
        try:
            commands[name] = shlex.split(command)
        except ValueError as error:
            raise MedleyError(f"--scorer {name}={command}: the quotes of the command do not close") from error
    return TextOptions(
        tokens=tokens or "coco",
        wordnet=wordnet,
        encoder=Encoder(Path(folder), int(layer) if layer else None) if encoder else None,
        chexbert=(Path(weights), words or "bert-base-uncased") if chexbert else None,
        scorers=commands,
    )
