"""Predictions of a whole part through the Predictor, and the scorecard of a run made from them."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.about import VERSION
from medley.core.errors import MedleyError
from medley.core.files import sha256, write_json
from medley.core.records import Case, Prediction
from medley.core.weights import WEIGHTS
from medley.data.policies import LabelPolicy
from medley.data.source import DataConfig, Source, batches, open_source
from medley.evaluation.findings import chest_findings_scorecard
from medley.evaluation.floors import prevalence_floor, thumbnail_probe
from medley.evaluation.predictions import write_predictions
from medley.evaluation.scorecard import Protocol, Scorecard
from medley.evaluation.scorecard_files import write_scorecard
from medley.evaluation.thresholds import Thresholds, fit_thresholds
from medley.serving.predictor import Predictor
from medley.training.checkpoint import stage_folder
from medley.training.data import aggregate

_BATCH = 64
Tick = Callable[[str, int, int], None] | None


def predict_part(predictor: Predictor, source: Source, part: str, tick: Tick = None) -> list[Prediction]:
    """One prediction a study of the part, with the labels it is scored against and its images' own scores."""
    views, how = predictor.processor.views, predictor.recipe.evaluate.aggregation
    cases = source.parts[part]
    groups = [(case, group) for case in cases for group in source.groups(case, views)]
    by_case: dict[str, list[Prediction]] = {}
    for done, chunk in enumerate(batches(groups, _BATCH), start=1):
        studies = [source.study(case, images) for case, images in chunk]
        for (case, images), prediction in zip(chunk, predictor.predictions(studies), strict=True):
            alone = ({"view": "+".join(image.view for image in images), "scores": prediction.scores},)
            by_case.setdefault(case.case_id, []).append(dataclasses.replace(prediction, images=alone))
        if tick:
            tick(f"predicting {part}", min(done * _BATCH, len(groups)), len(groups))
    return [_finish(case, by_case[case.case_id], source, predictor, how) for case in cases]


def _finish(case: Case, group: list[Prediction], source: Source, predictor: Predictor, how: str) -> Prediction:
    known = source.known_labels(case)
    age = None if np.isnan(case.age_years) else case.age_years
    about = {"sex": case.sex, "age_years": age, "view": case.images[0].view, "source": case.source or None}
    return dataclasses.replace(
        aggregate(group, how),
        images=tuple(image for prediction in group for image in prediction.images),
        labels={name: known.get(name) for name in predictor.labels},
        group={name: value for name, value in about.items() if value is not None},
    )


def fit_run_thresholds(predictor: Predictor, source: Source, run: Path, tick: Tick = None) -> Thresholds:
    """Thresholds of every head on the run's own dev part, written to RUN/thresholds.json."""
    thresholds = fit_thresholds(predict_part(predictor, source, "dev", tick))
    write_json(run / "thresholds.json", thresholds.to_json())
    predictor.thresholds = thresholds
    return thresholds


def own_source(predictor: Predictor, tick: Tick = None) -> Source:
    """The data that the run was trained on; refuses data that have changed since."""
    from medley.core.files import read_json

    source = open_source(predictor.recipe.data, predictor.processor.image_px, progress=tick)
    began = read_json(Path(predictor.facts["run"]) / "data.json")
    for key, now in (("table_digest", source.table.digest), ("split_digest", source.manifest.digest)):
        if began[key] != now:
            raise MedleyError(
                f"{source.table.path}: its {key.replace('_', ' ')} is {now}, the run was trained on {began[key]}; "
                "score other data with --cases and --splits"
            )
    return source


def other_source(predictor: Predictor, cases: Path, splits: Path, tick: Tick = None) -> Source:
    """Another table, read as the run's own: same policy, notes regime and views."""
    change = {"cohort": None, "cases": str(cases), "splits": str(splits), "labels": None, "shards": None}
    config = DataConfig.model_validate({**predictor.recipe.data.model_dump(), **change})
    source = open_source(config, predictor.processor.image_px, progress=tick)
    if not set(source.labels) & set(predictor.labels):
        raise MedleyError(f"{cases} shares no label with the model, which knows {', '.join(predictor.labels)}")
    return source


def evaluate_run(
    predictor: Predictor, source: Source, part: str, out: Path, command: str, tick: Tick = None
) -> tuple[Scorecard, list[Prediction]]:
    """Predict a part, score it, and write predictions.jsonl, scorecard.json, tables, pictures and page to `out`."""
    predictions = predict_part(predictor, source, part, tick)
    write_predictions(out / "predictions.jsonl", predictions)
    card = chest_findings_scorecard(
        predictions,
        thresholds=predictor.thresholds,
        protocol=_protocol(predictor, source, part),
        provenance=_provenance(predictor, command),
        floors=_floors(predictor, source, part),
        bootstrap=predictor.recipe.evaluate.bootstrap,
        seed=predictor.recipe.seed,
    )
    write_scorecard(card, out, predictions)
    return card, predictions


def _protocol(predictor: Predictor, source: Source, part: str) -> Protocol:
    config, notes = source.config, source.config.notes
    reader = config.cohort and f"generated cohort {config.cohort}, difficulty {config.difficulty}"
    regime = f"sim, strength {notes.strength:g}, seed {notes.seed}" if notes.regime == "sim" else notes.regime
    views = predictor.processor.views
    return Protocol(
        reader=reader or "+".join(sorted({case.source for case in source.table.cases})),
        table=source.table.digest,
        split=source.manifest.digest,
        part=part,
        label_policy=f"scored: {LabelPolicy('ignore', config.blank).describe()}; trained: {source.policy.describe()}",
        notes=regime,
        aggregation=f"{predictor.recipe.evaluate.aggregation} over groups of up to {views} views of {config.views}",
        synthetic=all(case.synthetic for case in source.table.cases),
    )


def _provenance(predictor: Predictor, command: str) -> dict[str, Any]:
    import torch

    run = Path(predictor.facts["run"])
    stage = stage_folder(run, len(predictor.recipe.stages), list(predictor.recipe.stages)[-1])
    return {
        "command": command,
        "run": str(run),
        "medley": VERSION,
        "torch": torch.__version__,
        "weights": sha256(stage / WEIGHTS)[:16],
        "training_seed": predictor.recipe.seed,
        "machine": f"{platform.machine()}, {platform.system()}, {predictor.device.type}",
    }


def _floors(predictor: Predictor, source: Source, part: str) -> dict[str, dict[str, float | None]]:
    """The constant answer, and the probe on thumbnails of the first frontal film of each study."""
    train, test = _labels(source, "train", predictor.labels), _labels(source, part, predictor.labels)
    probe = thumbnail_probe(_first_films(source, "train"), train, _first_films(source, part), test, predictor.labels)
    return {"prevalence": prevalence_floor(train, test, predictor.labels), "thumbnail_probe": probe}


def _labels(source: Source, part: str, names: tuple[str, ...]) -> np.ndarray:
    known = [source.known_labels(case) for case in source.parts[part]]
    return np.array([[np.nan if row.get(name) is None else row[name] for name in names] for row in known], float)


def _first_films(source: Source, part: str) -> np.ndarray:
    def each() -> Iterator[np.ndarray]:
        for case in source.parts[part]:
            yield source.read_film(source.groups(case, 1)[0][0]).pixels

    return np.stack(list(each()))
