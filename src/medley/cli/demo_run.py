"""What `medley demo` does: run each family's tiny recipe as its demo, then put what came out on one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from medley.cli.progress import console, quiet_lightning, ticker
from medley.core.errors import MedleyError
from medley.core.files import write_text
from medley.core.records import target_sections
from medley.core.seeds import generator

if TYPE_CHECKING:
    from medley.data.source import Source
    from medley.serving.predictor import Predictor
    from medley.serving.schemas import Answer


def run_demo(families: Sequence[str], out: Path, batch: int) -> Path:
    """Train, score and explain each family into OUT/<family>; returns the page OUT/index.html."""
    from medley.evaluation.scorecard import page

    quiet_lightning()
    parts = []
    for family in families:
        console.rule(family)
        parts.append(_family(family, out / family, batch))
    lead = (
        "Everything on this page was made just now on this machine from generated cases. It shows that the whole "
        "system works, and says nothing of any patient."
    )
    path = out / "index.html"
    stamps = ["Generated cases, not patients"]
    write_text(path, page.document("Medley demo", page.paragraph(lead) + "".join(parts), stamps=stamps))
    return path


def _family(family: str, run: Path, batch: int) -> str:
    """Its part of the page: the scorecard, cases of the test part, and how it was trained."""
    from medley.evaluation.scorecard import page
    from medley.evaluation.scorecard.body import scorecard_body
    from medley.serving.predictor import load
    from medley.serving.scoring import run as scoring
    from medley.training.recipe import load_recipe
    from medley.training.stages import train

    recipe = load_recipe(find_recipe(family), demo=True)
    done = (run / "config.yaml").is_file()
    with ticker() as tick:
        train(recipe, run, resume=done, say=console.print, tick=tick)
        predictor = load(run)
        source = scoring.own_source(predictor, tick)
        scoring.fit_on_dev(predictor, source, tick)
        scored = scoring.evaluate_run(
            predictor, source, "test", run / "evaluation", f"medley demo {family}", own=source, tick=tick
        )
    curves, without = (sorted(run.glob(f"*-*/{name}.png")) for name in ("curves", "diagnostics"))
    seen = "the volume as it is, empty, with its voxels in any order, and noise, and what was written of each"
    return "".join(
        [
            page.heading(family),
            scorecard_body(scored.card, scored.pictures, scored.examples, scored.written, anchor=f"{family}-remarks"),
            page.heading("Cases of the test part"),
            *_cases(predictor, source, run, batch),
            page.heading("How it was trained"),
            page.gallery([page.figure(path.read_bytes(), f"Training, stage {path.parent.name}") for path in curves]),
            *(
                page.figure(path.read_bytes(), f"After {path.parent.name}: {seen}", whole_width=True)
                for path in without
            ),
        ]
    )


def _cases(predictor: Predictor, source: Source, run: Path, batch: int) -> Iterator[str]:
    """Studies of the test part by a keyed draw: film and note, findings, the differential in words, and where a report
    was written, that one beside the true one."""
    from medley.evaluation.scorecard import page
    from medley.serving.picture import draw_answer
    from medley.serving.predictor import Request

    drawn = generator("demo", predictor.recipe.seed).permutation(len(source.parts["test"]))[:batch]
    for index in drawn:
        case = source.parts["test"][int(index)]
        note = source.notes.get(case.case_id)
        films = [f"{image.view}={image.path}" for image in case.images]
        answer = predictor.answer(Request(films, note, case.case_id))
        picture = draw_answer(answer, note, case.labels)
        write_picture(run / "cases" / f"{case.case_id}.png", picture)
        what = "film and note, findings against their thresholds, and where they were read"
        if not answer.films:
            what = "three planes, and the findings against their thresholds"
        caption = f"{case.case_id}: {what}."
        yield page.figure(picture, caption, whole_width=True)
        if answer.prediction.hypothesis:
            yield _reports(answer, target_sections(case))
        yield page.folded("The differential in words", page.bullets(answer.differential.text.splitlines()))


def _reports(answer: Answer, true: Mapping[str, str]) -> str:
    """Section by section the true report and what was written, and where the findings part from it."""
    from medley.evaluation.scorecard import page

    written = answer.prediction.hypothesis
    rows = [(name.capitalize(), true.get(name, "–"), written.get(name, "–")) for name in {**true, **written}]
    flags = [f"Look again: {flag.sentence}." for flag in answer.flags]
    label = f"The report of {answer.prediction.case_id}"
    return page.prose_table(("", "The true report", "Written by the model"), rows, label=label) + page.bullets(flags)


def write_picture(path: Path, png: bytes) -> None:
    """Write a picture whole."""
    from medley.core.files import whole_file

    with whole_file(path) as temporary:
        temporary.write_bytes(png)


def find_recipe(family: str) -> Path:
    """The family's tiny recipe: of this checkout, or shipped inside the package."""
    places = [Path(__file__).parents[3] / "recipes", Path(__file__).parents[1] / "recipes"]
    for place in places:
        if (place / family / "tiny.yaml").is_file():
            return place / family / "tiny.yaml"
    raise MedleyError(f"{family} has no tiny.yaml; looked in {' and '.join(str(place) for place in places)}")


def answer_interactively(run: Path) -> None:
    """Ask for a film and a note until an empty line; a film that cannot be read is said and asked again."""
    from medley.serving.picture import save_answer_picture
    from medley.serving.predictor import load

    predictor = load(run)
    while study := typer.prompt("film (views joined by +, empty to stop)", default="", show_default=False):
        note = typer.prompt("note (empty for none)", default="", show_default=False) or None
        try:
            answer = predictor.predict(study, note)
        except (MedleyError, OSError) as error:
            typer.secho(str(error), fg="red", err=True)
            continue
        picture = run / "cases" / f"{Path(study).stem}.png"
        save_answer_picture(answer, note, picture)
        typer.echo(answer.differential.text)
        for section, written in answer.prediction.hypothesis.items():
            typer.echo(f"{section.capitalize()}: {written}")
        for flag in answer.flags:
            typer.echo(f"look again: {flag.sentence}")
        for warning in answer.warnings:
            typer.secho(f"warning: {warning}", fg="yellow", err=True)
        typer.echo(f"picture: {picture}")
