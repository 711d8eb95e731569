"""`medley explain`: which places of a film, and which words of the note, speak for a finding; and what a report was
read from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from medley.serving.explaining.reading import Reading
    from medley.serving.explaining.study import Explanation

_WORDS = 8  # under the picture; explanations.json has all


def explain(
    run: Annotated[str, typer.Argument(help="A folder that medley train wrote, or a hub id.")],
    out: Annotated[Path, typer.Option(help="Folder for pictures, raw maps and explanations.json.")],
    studies: Annotated[
        list[str] | None,
        typer.Argument(help="Image files; views or sequences of one study are joined by +, as for medley predict."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="A finding; repeat it. Default: those at or over their thresholds, at most four. Of a brain: report, "
            "sentence:2, words:left frontal, or sides (its side against the other). Default: report and sides."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="queries, gradcam, hirescam, rollout (ViT only) or occlusion; repeat it. Default: queries. Of a "
            "brain: lime, occlusion or gradient. Default: lime."
        ),
    ] = None,
    baseline: Annotated[
        str, typer.Option(help="Of a brain: what hidden parts are shown as: mean, blur, mirror or zero.")
    ] = "mean",
    text: Annotated[str | None, typer.Option(help="The clinical note, the same for every STUDY given.")] = None,
    cases: Annotated[
        Path | None,
        typer.Option(
            help="A CSV with the columns study, text, case_id (the last two may be missing); or a case table, "
            "cases.parquet, of which each STUDY names a case_id: maps are held against the masks that it knows."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line a study, label and method, and one a report read.")
    ] = False,
) -> None:
    """Pictures of what speaks for a finding: on the film as it was, and in the note where there is one; of a brain,
    what the words of its report rest on.

    For each study, label and method a picture and the raw maps; explanations.json says what they are. What each method
    is worth on lesions that are known is in the run's scorecard (medley evaluate).

    Of a brain the map is NIfTI in the space of the file that was read, to lie over it in any viewer.

    Of a family that writes a report from queries also: where every query looked (queries.png), what each sentence and
    each word was read from (report.png, words.png), and all of it as arrays (reading.npz).

    Exit 1 when some studies were skipped (the others are explained), 2 when none could be.
    """
    import json

    from medley.cli.batch import read_requests
    from medley.cli.explain_brain import explain_volume
    from medley.cli.progress import console, ticker
    from medley.core.counts import counted
    from medley.core.errors import MedleyError, choose
    from medley.core.files import write_json
    from medley.core.labels import require_labels
    from medley.core.records import VolumeInput
    from medley.explain.methods import METHODS
    from medley.serving.answer import model_warnings, unread_warnings
    from medley.serving.explaining.brain import METHODS as VOLUME_METHODS
    from medley.serving.explaining.cases import case_requests
    from medley.serving.explaining.reading import is_readable, readings
    from medley.serving.explaining.study import check_methods
    from medley.serving.explaining.study import explain as explain_study
    from medley.serving.predictor import load

    for name in method or ():
        choose(name, dict.fromkeys([*METHODS, *VOLUME_METHODS]), "method")
    of_table = cases is not None and cases.suffix == ".parquet"
    requests = [] if of_table else read_requests(studies or [], text, cases)
    if not requests and not of_table:
        raise MedleyError("no study was named: give image files, or --cases F.csv")
    if (out / "explanations.json").exists():
        raise MedleyError(f"{out} holds explanations already, whose pictures would be mixed up; choose another --out")
    predictor = load(run)
    of_brain = isinstance(predictor.reads, VolumeInput)
    methods = list(dict.fromkeys(method or (VOLUME_METHODS[:1] if of_brain else ["queries"])))
    targets = list(dict.fromkeys(target or []))
    for name in methods if of_brain else ():
        choose(name, dict.fromkeys(VOLUME_METHODS), "method of a volume")
    if not of_brain:
        check_methods(predictor, methods)
        targets = list(dict.fromkeys(require_labels(targets, predictor.labels, "--target")))
    known = {}
    if of_table and cases is not None:
        pairs = case_requests(predictor, cases, studies or [], text)
        requests, known = [request for request, _ in pairs], {request.name(): case for request, case in pairs}
    told: list[dict[str, Any]] = []
    read: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    warned: list[str] = []
    with ticker() as tick:
        for number, request in enumerate(requests):
            try:
                if of_brain:
                    of_case, how = known.get(request.name()), {"targets": targets, "methods": methods}
                    lines = explain_volume(predictor, request, of_case, out, number, baseline=baseline, **how)
                    told += lines
                    for told_line in lines if as_json else ():
                        typer.echo(json.dumps(told_line, ensure_ascii=False))
                    continue
                found = explain_study(predictor, request, targets, methods)
                written = readings(predictor, request, known.get(request.name())) if is_readable(predictor) else []
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
            for group, one_reading in enumerate(written):
                read.append({**one_reading.as_json(), **_save_reading(one_reading, out, number, group)})
                if as_json:
                    typer.echo(json.dumps(read[-1], ensure_ascii=False))
                if line := _held_line(one_reading):
                    console.print(line)
    if not told:
        many = f"none of {len(requests)} studies could be explained; first"
        what = many if len(requests) > 1 else "the study could not be explained"
        raise MedleyError(f"{what}: {skipped[0]['reason']}")
    for study in skipped:
        console.print(f"skipped {study['case_id']}: {study['reason']}", style="red")
    model = {name: predictor.facts[name] for name in ("run", "family", "medley", "stage")}
    warnings = [*warned, *model_warnings(predictor.facts)]
    content = {"model": model, "warnings": warnings, "explanations": told, "skipped": skipped}
    if read:
        content["readings"] = read
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


def _save_reading(one: Reading, out: Path, number: int, group: int) -> dict[str, Any]:
    """The pages and the raw maps of a reading, and what they are called; no page of a report that says nothing."""
    import numpy as np

    from medley.core.files import whole_file
    from medley.explain.looks import looks_page
    from medley.explain.written import report_page, words_page

    base = f"{number:05d}-" + (f"films-{group + 1}-" if group else "")
    films = [film.display for film in one.films]
    pages = {"queries": looks_page(films, one.looks, one.outlines(), one.case_id)}
    if one.sentences:
        pages["report"] = report_page(films, one.sentences, one.case_id, one.likeness)
        pages["words"] = words_page(one.sentences, one.case_id)
    for name, figure in pages.items():
        with whole_file(out / f"{base}{name}.png") as temporary:
            figure.savefig(temporary, format="png", dpi=190)
    with whole_file(out / f"{base}reading.npz") as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **one.arrays())  # type: ignore[arg-type]
    return {"pictures": [f"{base}{name}.png" for name in pages], "maps": f"{base}reading.npz"}


def _held_line(one: Reading) -> str | None:
    """How the looks of a study agree with its masks; None where it has none."""
    held = {
        kind: [look.scores for look in one.looks if look.scores and (look.probability is None) == kind]
        for kind in (True, False)
    }
    said = []
    for kind, what in ((True, "parts of the chest"), (False, "findings that are there")):
        if some := held[kind]:
            iou = sum(scores["iou"] for scores in some) / len(some)
            inside = sum(scores["pointing_game"] >= 0.5 for scores in some)
            said.append(f"{what}: IoU {iou:.2f}, peak inside {inside} of {len(some)}")
    return f"{one.case_id}: {'; '.join(said)} (maps cut at half of their range)" if said else None


def _plain(label: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in label.lower())
