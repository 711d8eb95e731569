"""What `medley demo` does: run each family's tiny recipe as its demo, then put what came out on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from medley.cli.progress import console, quiet_lightning, ticker
from medley.core.errors import MedleyError
from medley.core.files import write_text
from medley.core.seeds import generator


def run_demo(families: Sequence[str], out: Path, batch: int) -> Path:
    """Train, score and explain each family into OUT/<family>; returns the page OUT/index.html."""
    from medley.evaluation import page

    quiet_lightning()
    parts = []
    for family in families:
        console.rule(family)
        parts.append(_family(family, out / family, batch))
    body = page.paragraph(
        "Everything on this page was made just now on this machine from generated cases. It shows that the whole "
        "system works, and says nothing of any patient.",
        lead=True,
    )
    path = out / "index.html"
    write_text(path, page.document("Medley demo", body + "".join(parts), stamp="Generated cases, not patients"))
    return path


def _family(family: str, run: Path, batch: int) -> str:
    from medley.evaluation import page
    from medley.evaluation.headline import headline
    from medley.serving import scoring
    from medley.serving.picture import draw_answer
    from medley.serving.predictor import Request, load
    from medley.training.recipe import load_recipe
    from medley.training.stages import train

    recipe = load_recipe(find_recipe(family), demo=True)
    done = (run / "config.yaml").is_file()
    with ticker() as tick:
        train(recipe, run, resume=done, say=console.print, tick=tick)
        predictor = load(run)
        source = scoring.own_source(predictor, tick)
        scoring.fit_run_thresholds(predictor, source, run, tick)
        command = f"medley demo {family}"
        card, _ = scoring.evaluate_run(predictor, source, "test", run / "evaluation", command, tick)
    pictures = []
    chosen = generator("demo", recipe.seed).permutation(len(source.parts["test"]))[:batch]
    for index in chosen:
        case = source.parts["test"][int(index)]
        note = source.notes.get(case.case_id)
        films = [f"{image.view}={image.path}" for image in case.images]
        answer = predictor.answer(Request(films, note, case.case_id))
        picture = draw_answer(answer, note, case.labels)
        write_picture(run / "cases" / f"{case.case_id}.png", picture)
        caption = f"{case.case_id}: film and note, findings against their thresholds, and where they were read."
        words = page.folded("The differential in words", page.bullets(answer.differential.text.splitlines()))
        pictures.append(page.figure(picture, caption) + words)
    journal = sorted(run.glob("*-*/curves.png"))
    return "".join(
        [
            page.heading(family),
            page.paragraph(headline(card), lead=True),
            page.table(("metric", "value", "95 % interval"), _rows(card)),
            page.gallery([page.figure(path.read_bytes(), f"Training, stage {path.parent.name}") for path in journal]),
            page.heading("Cases of the test part"),
            *pictures,
            page.paragraph(f"The whole scorecard: {(run / 'evaluation' / 'scorecard.html').resolve()}"),
        ]
    )


def _rows(card) -> list[tuple[str, str, str]]:
    rows = []
    for name in ("auroc_macro", "image_only/auroc_macro", "text_only/auroc_macro", "f1_macro", "ece"):
        metric = card.metrics.get(name)
        if metric is not None:
            value = "null: " + str(metric.error) if metric.value is None else f"{metric.value:.3f}"
            rows.append((name, value, f"{metric.ci95[0]:.3f} to {metric.ci95[1]:.3f}" if metric.ci95 else ""))
    probe = card.floors["thumbnail_probe"]["auroc_macro"]
    rows.append(("floor: logistic regression on thumbnails", f"{probe:.3f}" if probe is not None else "null", ""))
    return rows


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
        for warning in answer.warnings:
            typer.secho(f"warning: {warning}", fg="yellow", err=True)
        typer.echo(f"picture: {picture}")
