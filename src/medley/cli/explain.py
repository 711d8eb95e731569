"""`medley explain`: which places of a film, and which words of the note, speak for a finding."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from medley.serving.explaining.study import Explanation

_WORDS = 8  # under the picture; explanations.json has all


def explain(
    run: Annotated[str, typer.Argument(help="A folder that medley train wrote, or a hub id.")],
    out: Annotated[Path, typer.Option(help="Folder for pictures, raw maps and explanations.json.")],
    studies: Annotated[
        list[str] | None, typer.Argument(help="Image files; views of one study are joined by +, as for medley predict.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="A finding; repeat it. Default: those at or over their thresholds, at most four."),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(help="queries, gradcam, hirescam, rollout (ViT only) or occlusion; repeat it. Default: queries."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The clinical note, the same for every STUDY given.")] = None,
    cases: Annotated[
        Path | None, typer.Option(help="A CSV with the columns study, text, case_id (the last two may be missing).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line a study, label and method.")] = False,
) -> None:
    """Pictures of what speaks for a finding: on the film as it was, and in the note where there is one.

    For each study, label and method a picture and the raw maps; explanations.json says what they are. What each method
    is worth on lesions that are known is in the run's scorecard (medley evaluate).

    Exit 1 when some studies were skipped (the others are explained), 2 when none could be.
    """
    import json

    from medley.cli.batch import read_requests
    from medley.cli.progress import console, ticker
    from medley.core.counts import counted
    from medley.core.errors import MedleyError, choose
    from medley.core.files import write_json
    from medley.core.labels import require_labels
    from medley.explain.methods import METHODS
    from medley.serving.answer import model_warnings, unread_warnings
    from medley.serving.explaining.study import check_methods
    from medley.serving.explaining.study import explain as explain_study
    from medley.serving.predictor import load

    methods = list(dict.fromkeys(method or ["queries"]))
    for name in methods:
        choose(name, METHODS, "method")
    requests = read_requests(studies or [], text, cases)
    if not requests:
        raise MedleyError("no study was named: give image files, or --cases F.csv")
    if (out / "explanations.json").exists():
        raise MedleyError(f"{out} holds explanations already, whose pictures would be mixed up; choose another --out")
    predictor = load(run)
    check_methods(predictor, methods)
    targets = list(dict.fromkeys(require_labels(target or [], predictor.labels, "--target")))
    told: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    warned: list[str] = []
    with ticker() as tick:
        for number, request in enumerate(requests):
            try:
                found = explain_study(predictor, request, targets, methods)
            except (MedleyError, OSError) as error:
                skipped.append({"case_id": request.name(), "reason": str(error)})
                continue
            finally:
                tick("explaining", number + 1, len(requests))
            warned += [f"{found[0].case_id}: {line}" for line in unread_warnings(found[0].unread, found[0].films)]
            for one in found:
                told.append({**one.as_json(), **_save(one, out, number)})
                if as_json:
                    typer.echo(json.dumps(told[-1], ensure_ascii=False))
    if not told:
        many = f"none of {len(requests)} studies could be explained; first"
        what = many if len(requests) > 1 else "the study could not be explained"
        raise MedleyError(f"{what}: {skipped[0]['reason']}")
    for study in skipped:
        console.print(f"skipped {study['case_id']}: {study['reason']}", style="red")
    model = {name: predictor.facts[name] for name in ("run", "family", "medley", "stage")}
    warnings = [*warned, *model_warnings(predictor.facts)]
    content = {"model": model, "warnings": warnings, "explanations": told, "skipped": skipped}
    write_json(out / "explanations.json", content)
    for warning in warnings:
        console.print(f"warning: {warning}", style="yellow")
    console.print(f"{counted(len(told), 'explanation')}, {counted(len(skipped), 'study')} skipped: {out}")
    if skipped:
        raise typer.Exit(1)


def _save(one: Explanation, out: Path, number: int) -> dict[str, str]:
    """The picture and the raw maps, and what they are called."""
    import numpy as np

    from medley.core.files import whole_file
    from medley.data.preprocess.film import read_film
    from medley.explain.overlay import Shown, overlay
    from medley.explain.words import strongest

    name = f"{number:05d}-{_plain(one.label)}-{one.method}"
    shown = [
        Shown(film.view, read_film(film.quality["file"]).pixels, one.heat(index), float(one.maps[index].max()))
        for index, film in enumerate(one.films)
    ]
    called = one.threshold is not None and one.probability >= one.threshold
    against = "" if one.threshold is None else f", {'called' if called else 'NOT called'} (from {one.threshold:.2f})"
    title = f"{one.case_id.replace('$', chr(92) + '$')}: {one.label} {one.probability:.2f}{against}"
    words = None if one.words is None else strongest(one.words, _WORDS)
    with whole_file(out / f"{name}.png") as temporary:
        overlay(shown, title, one.method, words).savefig(temporary, format="png", dpi=110)
    with whole_file(out / f"{name}.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **{f"film_{index}": map_hw for index, map_hw in enumerate(one.maps)})  # type: ignore[arg-type]
    return {"picture": f"{name}.png", "maps": f"{name}.npz"}


def _plain(label: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in label.lower())
