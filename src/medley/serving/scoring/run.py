"""The scorecard of a run: what it is fitted with, what it is scored on, its floors, and where all of it is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError
from medley.core.family import Family
from medley.core.files import read_json, write_json
from medley.core.records import Prediction
from medley.data.source import DataConfig, Source, open_source
from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.fitted.calibration import fit_calibration
from medley.evaluation.fitted.thresholds import fit_thresholds
from medley.evaluation.floors.paired import paired_floors, with_floors
from medley.evaluation.floors.simple import Floor, all_negative_floor, prevalence_floor
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.scorecard.body import Example
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.scorecard.files import write_scorecard
from medley.evaluation.scorecard.pictures import finding_pictures
from medley.evaluation.scorecard.tables import EXPLANATION
from medley.evaluation.scorecard.words import LEAKY
from medley.serving.explaining.run import ExplanationScores, score_run
from medley.serving.predictor import Predictor
from medley.serving.scoring.examples import marked_examples
from medley.serving.scoring.left_out import left_out_warnings, write_skipped
from medley.serving.scoring.model_floors import Floors, model_floors
from medley.serving.scoring.parts import Tick, predict_part
from medley.serving.scoring.probes import film_probes, labels_of
from medley.serving.scoring.stated import protocol_of, provenance_of

__all__ = [
    "check_has_scorecard",
    "evaluate_run",
    "fit_on_dev",
    "fitted",
    "has_scorecard",
    "other_source",
    "own_source",
    "predict_part",
]

_SCORED_TASKS = ("chest_findings",)


def has_scorecard(family: Family) -> bool:
    """Whether the answers of this family can be scored; a report cannot yet."""
    return family.task in _SCORED_TASKS


def check_has_scorecard(family: Family) -> None:
    """Refuse a family that cannot be scored, before anything of it is trained or read."""
    if not has_scorecard(family):
        raise MedleyError(
            f"{family.name}: there is no scorecard of its task, {family.task}, yet; medley predict shows what it writes"
        )


@dataclass(frozen=True)
class Scored:
    """A scorecard with what its page is made of."""

    card: Scorecard
    predictions: tuple[Prediction, ...]
    pictures: Mapping[str, bytes]
    examples: tuple[Example, ...]
    left_out: Mapping[str, str]  # case id -> why, of the studies of the part that have no readable film


def fitted(predictor: Predictor) -> bool:
    """Whether the run has all that is fitted on its dev part."""
    calibrated = predictor.calibration is not None or predictor.recipe.evaluate.calibration == "none"
    return predictor.thresholds is not None and calibrated


def fit_on_dev(predictor: Predictor, own: Source, tick: Tick = None) -> None:
    """Thresholds and calibration of every head on the run's own dev part: RUN/thresholds.json, RUN/calibration.json."""
    how, weights = predictor.recipe.evaluate, {"weights": predictor.facts["weights"]}
    dev = predict_part(predictor, own, "dev", tick)
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
    source = open_source(predictor.recipe.data, predictor.processor.image_px, progress=tick)
    began = read_json(_run(predictor) / "data.json")
    for key, now in (("table_digest", source.table.digest), ("split_digest", source.manifest.digest)):
        if began[key] != now:
            raise MedleyError(
                f"{source.table.path}: its {key.replace('_', ' ')} is {now}, the run was trained on {began[key]}; "
                "score other data with --cases and --splits"
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
    source = open_source(config, predictor.processor.image_px, tick, needed=(part,))
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
    controls: bool = False,
    say: Callable[[str], None] = lambda _: None,
    tick: Tick = None,
) -> Scored:
    """Predict a part, run its floors, score it, and write to `out`: predictions.jsonl, floors/<name>.jsonl,
    scorecard.json, tables, pictures, page, and skipped.csv where studies of the part have no readable film.

    `own` is the data that the run was trained on, which the floors that learn learn from; where it is None they are
    missing, and the scorecard says so. `controls` also trains the run's recipe on shuffled labels.
    """
    predictions = predict_part(predictor, source, part, tick)
    floors, absent = model_floors(predictor, source, part, tick)
    constants: dict[str, Floor] = {"all_negative": all_negative_floor(*_truth(predictions))}
    if own is None:
        absent |= dict.fromkeys(("thumbnail_probe", "nearest_neighbour"), "the data of the training are not at hand")
    else:
        floors |= film_probes(own, source, part, predictions)
        train_NL = labels_of(own, "train", predictor.labels)
        constants["prevalence"] = prevalence_floor(train_NL, *_truth(predictions))
        if controls:
            from medley.serving.scoring.controls import label_shuffled  # which loads all that training needs

            floors |= label_shuffled(predictor, own, source, part, say, tick)
    write_predictions(out / "predictions.jsonl", predictions)
    if predictor.calibration is not None and out.resolve().parent != _run(predictor).resolve():
        write_json(out / "calibration.json", predictor.calibration.to_json())  # `medley compare` looks beside the card
    _write_floors(out / "floors", floors)

    resampled = {"bootstrap": predictor.recipe.evaluate.bootstrap, "seed": predictor.recipe.seed}
    card = chest_findings_scorecard(
        predictions,
        thresholds=predictor.thresholds,
        calibration=predictor.calibration,
        protocol=protocol_of(predictor, source, part),
        provenance=provenance_of(predictor, command, out / "predictions.jsonl"),
        floors=constants,
        **resampled,
    )
    card = with_floors(card, paired_floors(predictions, floors, **resampled), absent)
    if predictor.facts["leaky"]:
        card = dataclasses.replace(card, warnings=(LEAKY, *card.warnings))
    resamples = predictor.recipe.evaluate.bootstrap
    explained = score_run(predictor, source, part, own=own, resamples=resamples, tick=tick)
    examples: tuple[Example, ...] = ()
    if explained is not None:
        card = _with_explanations(card, explained)
        examples = marked_examples(predictor, source, part, explained.facts["method"], explained.facts["averaged"])
    card = dataclasses.replace(card, warnings=(*left_out_warnings(source, part), *card.warnings))
    pictures = finding_pictures(predictions, card)
    scored = Scored(card, tuple(predictions), pictures, examples, source.left_out(part))
    write_skipped(out / "skipped.csv", scored.left_out)
    write_scorecard(card, out, predictions, scored.examples, scored.pictures)
    return scored


def _with_explanations(card: Scorecard, explained: ExplanationScores) -> Scorecard:
    """The card with the scores of the maps beside its own; of a label the lesions are counted, not the studies."""
    of_label = {
        label: LabelScores(metrics["pointing_game"].n, 0, 0, None, metrics)
        for label, metrics in explained.per_label.items()
    }
    return dataclasses.replace(
        card,
        metrics={**card.metrics, **explained.metrics},
        floors={**card.floors, **explained.floors},
        per_label={**card.per_label, EXPLANATION: of_label},
        provenance={**card.provenance, "explanations": explained.facts},
        warnings=(*card.warnings, *explained.warnings),
    )


def _truth(predictions: Sequence[Prediction]) -> tuple[Any, tuple[str, ...]]:
    from medley.evaluation.predictions.arrays import FUSED, head_tables

    table = head_tables(predictions)[FUSED]
    return table.labels_NL, table.names


def _write_floors(folder: Path, floors: Floors) -> None:
    """The predictions of this scorecard's floors; those of an earlier one that it does not have are taken away."""
    for name, lines in floors.items():
        write_predictions(folder / f"{name}.jsonl", lines)
    for file in folder.glob("*.jsonl"):
        if file.stem not in floors:
            file.unlink()
