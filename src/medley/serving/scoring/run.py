"""The scorecard of a run: what it is fitted with, what it is scored on, and which of the two ways it is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from medley.core.errors import MedleyError
from medley.core.files import check_writable, read_json, write_json
from medley.data.source import DataConfig, Source, open_source
from medley.evaluation.fitted.calibration import fit_calibration
from medley.evaluation.fitted.thresholds import fit_thresholds
from medley.serving.predictor import Predictor
from medley.serving.scoring.beside import read_beside
from medley.serving.scoring.findings import evaluate_findings
from medley.serving.scoring.parts import Tick, predict_part
from medley.serving.scoring.reports import evaluate_reports
from medley.serving.scoring.scored import Asked, Scored

__all__ = ["evaluate_run", "fit_on_dev", "fitted", "other_source", "own_source", "predict_part"]


def fitted(predictor: Predictor) -> bool:
    """Whether the run has all that is fitted on its dev part."""
    calibrated = predictor.calibration is not None or predictor.recipe.evaluate.calibration == "none"
    return predictor.thresholds is not None and calibrated


def fit_on_dev(predictor: Predictor, own: Source, tick: Tick = None) -> None:
    """Thresholds and calibration of every head on the run's own dev part: RUN/thresholds.json, RUN/calibration.json.

    A model that writes and scores no label beside its text has nothing to fit.
    """
    how, weights = predictor.recipe.evaluate, {"weights": predictor.facts["weights"]}
    dev = predict_part(predictor, own, "dev", tick, write=False)
    if predictor.writes and not any(one.scores for one in dev):
        return
    predictor.thresholds = fit_thresholds(dev, how.thresholds, how.sensitivity).model_copy(update=weights)
    predictor.calibration = None
    if how.calibration != "none":
        predictor.calibration = fit_calibration(dev, how.calibration).model_copy(update=weights)
        write_json(_run(predictor) / "calibration.json", predictor.calibration.to_json())
    write_json(_run(predictor) / "thresholds.json", predictor.thresholds.to_json())


def _run(predictor: Predictor) -> Path:
    return Path(predictor.facts["run"])


def own_source(predictor: Predictor, tick: Tick = None) -> Source:
    """The data that the run was trained on; refuses data that have changed since."""
    source = open_source(predictor.recipe.data, predictor.reads, progress=tick)
    began = read_json(_run(predictor) / "data.json")
    for key, now in (("table_digest", source.table.digest), ("split_digest", source.manifest.digest)):
        if began[key] != now:
            drawn = " (a cohort drawn by another version or kind of processor may differ in grey levels)"
            raise MedleyError(
                f"{source.table.path}: its {key.replace('_', ' ')} is {now}, the run was trained on {began[key]}"
                f"{drawn if predictor.recipe.data.cohort else ''}; score other data with --cases and --splits"
            )
    return source


def other_source(predictor: Predictor, cases: Path, splits: Path, part: str, tick: Tick = None) -> Source:
    """Another table, of which `part` is scored, read as the run's own: same policy, notes regime and views.

    Its films are decoded once into the cache, as they are read again for each floor; a run without shards has none.
    """
    data = predictor.recipe.data
    change = {"cohort": None, "cases": str(cases), "splits": str(splits), "labels": None}
    shards = {"shards": data.shards and "auto", "notes": data.notes.model_copy(update={"file": None})}
    config = DataConfig.model_validate({**data.model_dump(), **change, **shards})
    source = open_source(config, predictor.reads, tick, needed=(part,))
    if not set(source.labels) & set(predictor.labels):
        raise MedleyError(f"{cases} shares no label with the model, which knows {', '.join(predictor.labels)}")
    return source


def evaluate_run(
    predictor: Predictor,
    source: Source,
    part: str,
    out: Path,
    command: str,
    *,
    own: Source | None,
    beside: Mapping[str, Path] | None = None,
    controls: bool = False,
    say: Callable[[str], None] = lambda _: None,
    tick: Tick = None,
) -> Scored:
    """Predict a part, run its floors, score it, and write to `out`: predictions.jsonl, floors/<name>.jsonl,
    scorecard.json, tables, pictures, page, and skipped.csv where studies of the part have no readable film.

    `own` is the data that the run was trained on, which the floors that learn learn from; where it is None they are
    missing, and the scorecard says so. `beside` are floors that others answered, by name: files of predictions, or
    folders that hold one. `controls` also trains the run's recipe on shuffled labels. Raises MedleyError before
    anything is predicted where `out` cannot be written or a case lacks one of those answers.
    """
    check_controls(predictor, controls)
    check_writable(out / "scorecard.json")
    source.require(part)
    others = read_beside(beside or {}, predictor.family.task, source.parts[part])
    asked = Asked(predictor, source, part, out, command, own, others)
    if predictor.writes:
        return evaluate_reports(asked, tick)
    return evaluate_findings(asked, controls, say, tick)


def check_controls(predictor: Predictor, controls: bool) -> None:
    """Refuse the control of shuffled labels where no number says what it must score."""
    if controls and predictor.writes:
        raise MedleyError(
            f"--controls trains on shuffled labels, which must score an AUROC of 0.5; {predictor.family.name} writes "
            "reports, of which no such number is known: the floors black_images and shuffled_images are its controls"
        )
