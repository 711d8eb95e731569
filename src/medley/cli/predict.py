"""`medley predict`: answer studies with a trained run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from medley.serving.schemas import Skipped

_TOLD = 3  # of warnings and of reasons; the lists in --out hold them all


def predict(
    run: Annotated[str, typer.Argument(help="A folder that medley train wrote, or a hub id.")],
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files; views of one study are joined by +, as in pa.png+lat.png. Where a file does not say its "
            "view and you know it: PA=pa.png+LATERAL=lat.png (PA, AP, LATERAL). Of a volume, for each sequence a NIfTI "
            "file or the folder of a DICOM series, as in flair=a.nii.gz+mask=brain.nii.gz; of another folder, all "
            "studies below it."
        ),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The clinical note, the same for every STUDY given.")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="A CSV with the columns study, text, case_id (the last two may be missing).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder for predictions.jsonl, answers.jsonl, skipped.csv and a picture a study."),
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Answer with the best weights so far of a run still in training.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a study.")] = False,
) -> None:
    """Findings, a differential in words, the evidence for each study, and its report where the model writes one.

    With --out every answer is kept as it comes: a full disk or a kill costs only what was not answered yet.

    Exit 1 when some studies were skipped (the others are answered), 2 when none could be answered.
    """
    import json
    from contextlib import ExitStack

    from medley.cli.answers import answer_folder, check_out
    from medley.cli.batch import read_requests
    from medley.cli.progress import console
    from medley.core.counts import counted
    from medley.core.errors import MedleyError
    from medley.language.brain import in_short
    from medley.serving.predictor import load
    from medley.serving.schemas import Skipped

    requests = read_requests(studies or [], text, cases)
    if not requests:
        raise MedleyError("no study was named: give image files, or --cases F.csv")
    if out is not None:
        check_out(out)
    predictor = load(run, unfinished=unfinished)
    requests = predictor.one_a_study(requests)
    skipped, warned = list[Skipped](), list[tuple[str, Sequence[str]]]()
    told = 0  # of the skipped; none is told before an answer, since alone they are the one error at the end
    without = 0  # answers to which a film is missing
    with ExitStack() as stack:
        folder = stack.enter_context(answer_folder(out)) if out is not None else None
        for request, item in zip(requests, predictor.predict_many(requests), strict=True):
            if folder is not None:
                item = folder.keep(item, request.text)
            if isinstance(item, Skipped):
                skipped.append(item)
            else:
                warned.append((item.prediction.case_id, item.warnings))
                without += bool(item.unread)
                if as_json:
                    typer.echo(json.dumps(item.as_json(), ensure_ascii=False))
                elif out is None or len(requests) == 1:
                    typer.echo(f"\n{item.prediction.case_id}\n{item.differential.text}")
                    for section, written in item.prediction.hypothesis.items():
                        typer.echo(f"\n{section.capitalize()}: {written}")
                    if "structured" in item.prediction.extra:
                        typer.echo(f"\nThe report says: {in_short(item.prediction.extra['structured'])}")
                    for flag in item.flags:
                        console.print(f"look again: {flag.sentence}", style="yellow")
                    for warning in item.warnings:
                        console.print(f"warning: {warning}", style="yellow")
            if warned:
                for one in skipped[told:]:
                    console.print(f"skipped {one.case_id}: {one.reason}", style="red")
                told = len(skipped)
    if not warned:
        raise MedleyError(_nothing(skipped, out))
    if out is not None:
        if as_json or len(requests) > 1:
            for line in _warnings(warned):
                console.print(line, style="yellow")
        console.print(f"{len(warned)} answered, {len(skipped)} skipped: {out}")
    if without and len(requests) > 1:
        line = f"{counted(without, 'study')} answered without a film that cannot be read: the warnings say which"
        console.print(line, style="yellow")
    if skipped:
        raise typer.Exit(1)


def _nothing(skipped: Sequence[Skipped], out: Path | None) -> str:
    """Why no study was answered, in a line."""
    from medley.core.counts import counted

    told = [one.reason if one.case_id in one.reason else f"{one.case_id}: {one.reason}" for one in skipped[:_TOLD]]
    if len(skipped) == 1:
        return told[0]
    reasons = "; ".join(told)
    rest = len(skipped) - _TOLD
    more = f"; and {rest} more{f', listed in {out}' if out else ''}" if rest > 0 else ""
    return f"none of {counted(len(skipped), 'study')} could be answered: {reasons}{more}"


def _warnings(warned: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """What is said of all answers once, then how many carry a warning of their own, and the first of these."""
    from medley.core.counts import counted

    times = Counter(warning for _, warnings in warned for warning in dict.fromkeys(warnings))
    of_all = [warning for warning, count in times.items() if count == len(warned)] if len(warned) > 1 else []
    own = [(case_id, [w for w in warnings if w not in of_all]) for case_id, warnings in warned]
    own = [(case_id, warnings) for case_id, warnings in own if warnings]
    lines = [f"warning: {warning}" for warning in of_all]
    if own:
        answers = f"{len(own)} of {counted(len(warned), 'answer')}"
        lines.append(f"{answers} with a warning of its own (all are in answers.jsonl):")
        lines += [f"  {case_id}: {warnings[0]}" for case_id, warnings in own[:_TOLD]]
    return lines
