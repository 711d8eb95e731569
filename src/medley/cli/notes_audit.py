"""What `medley notes audit` does: open notes, table, films and run, audit, and print the table of checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medley.cli.progress import console, ticker
from medley.core.errors import MedleyError, UnreadableImage

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from medley.core.records import Case
    from medley.data.cases import CaseTable
    from medley.data.notes import Notes
    from medley.data.source import Source
    from medley.evaluation.notes_audit.audit import Audit
    from medley.serving.predictor import Predictor

    Tick = Callable[[str, int, int], None]

_FILM_PX = 64


def audit_file(
    notes: Path,
    cases: Path,
    splits: Path | None,
    run: str | None,
    budget: tuple[float, float],
    bert: Path | None,
    films: bool,
    seed: int,
) -> Audit:
    """The audit of a file of notes. Raises MedleyError where table, notes, split and run do not belong together."""
    from medley.core.config import build_config
    from medley.data.cases import read_cases
    from medley.data.notes import read_notes
    from medley.data.source import LeakBudget
    from medley.data.splits import read_splits
    from medley.evaluation.notes_audit.audit import audit_notes
    from medley.evaluation.notes_audit.given import film_thumbnails, subject_of

    if bert is not None and not (bert / "config.json").is_file():
        raise MedleyError(f"--bert {bert}: no config.json is there; give a folder that save_pretrained wrote")
    bounds = build_config(LeakBudget, dict(zip(("macro", "label"), budget, strict=True)), "--budget")
    table, read = read_cases(cases), read_notes(notes)
    manifest = read_splits(splits, table) if splits else None
    trials, thumbnails = None, None
    unreadable: list[Case] = []
    with ticker() as tick:
        opened = _open_run(run, table, read, cases, splits, tick) if run is not None else None
        if opened is not None:
            manifest = opened[1].manifest
        subject = subject_of(table.cases, table.labels, read, manifest.parts if manifest else None, seed)
        if opened is not None:
            from medley.serving.scoring.note_trials import note_trials

            trials = note_trials(*opened, subject, "test", tick)
        elif films:
            thumbnails = film_thumbnails(subject, lambda case: _first_film(case, unreadable), tick)
    if foreign := len(read.notes.keys() - table.by_id.keys()):
        console.print(f"{foreign} of {len(read.notes)} notes are of cases that {cases} lacks, and are left out")
    if unreadable:
        console.print(f"{len(unreadable)} films cannot be read and are left out of check 4")
    stamp = {**read.stamp, "table": table.digest, "split": manifest.digest if manifest else None}
    return audit_notes(subject, bounds, thumbnails=thumbnails, trials=trials, bert=bert, about=stamp)


def _open_run(
    run: str, table: CaseTable, read: Notes, cases: Path, splits: Path | None, tick: Tick
) -> tuple[Predictor, Source]:
    """The run, and its films of the table: by the split given, else by its own where the table is the run's."""
    import dataclasses

    from medley.serving.predictor import load
    from medley.serving.scoring import run as scoring

    predictor = load(run)
    if splits is not None:
        source = scoring.other_source(predictor, cases, splits, "test", tick)
    else:
        source = scoring.own_source(predictor, tick)
        if source.table.digest != table.digest:
            raise MedleyError(f"{cases} is not the table that {run} was trained on; say its parts with --splits")
    return predictor, dataclasses.replace(source, notes=read.notes)


def _first_film(case: Case, unreadable: list[Case]) -> np.ndarray | None:
    from medley.data.preprocess.film import load_film

    if not case.images:
        return None
    try:
        return load_film(case.images[0].path, _FILM_PX, case.images[0].view).pixels
    except (UnreadableImage, FileNotFoundError):
        unreadable.append(case)
        return None


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3f}"


def _told(audit: Audit) -> str:
    """Which of the failed checks stop a training, where not all do."""
    if audit.stopping == audit.failed:
        return ""
    stopping = ", ".join(str(row.number) for row in audit.stopping)
    return f"; of real text {f'check {stopping}' if stopping else 'none of them'} stops a training"


def print_audit(audit: Audit) -> None:
    """The table of the checks on stdout, and below it what to do about those that failed."""
    import typer
    from rich.console import Console
    from rich.table import Table

    screen = Console(highlight=False, markup=False)
    table = Table("", "check", "verdict", "value", "bound", "found", box=None, pad_edge=False)
    styles = {"passed": "green", "failed": "bold red", "not applicable": "dim"}
    for row in audit.rows:
        value, bound = ("" if number is None else _number(number) for number in (row.value, row.bound))
        table.add_row(str(row.number), row.name, row.status, value, bound, row.found, style=styles[row.status])
    screen.print(table)
    for row in audit.failed:
        typer.echo(f"check {row.number}, {row.name}: {row.advice}")
    if audit.failed:
        typer.echo(f"failed: {len(audit.failed)} of {len(audit.rows)} checks{_told(audit)}")
    else:
        if audit.passed is None:
            typer.echo("nothing was checked: no note to look at")
            return
        unmade = ", ".join(str(row.number) for row in audit.rows if row.status == "not applicable")
        typer.echo("passed" + (f"; not made, and so not passed: check {unmade}" if unmade else ""))
