"""The scorecard of a run that answers with findings: predictions, floors, maps, page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from medley.core.records import Prediction
from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.floors.paired import paired_floors, with_floors
from medley.evaluation.floors.simple import Floor, all_negative_floor, prevalence_floor
from medley.evaluation.predictions.arrays import FUSED, head_tables
from medley.serving.explaining.run import score_run
from medley.serving.scoring.beside import with_truth_of
from medley.serving.scoring.model_floors import model_floors
from medley.serving.scoring.parts import Tick, predict_part
from medley.serving.scoring.probes import film_probes, labels_of
from medley.serving.scoring.scored import Asked, Scored, with_explanations, write_answers, write_scored


def evaluate_findings(asked: Asked, controls: bool, say: Callable[[str], None], tick: Tick) -> Scored:
    """Floors: the constants, the model with its images or notes taken away, thumbnails; with `controls` also the run's
    recipe trained on shuffled labels."""
    predictor, source, part, own = asked.predictor, asked.source, asked.part, asked.own
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

    floors |= with_truth_of(asked.beside, predictions)
    stated = write_answers(asked, predictions, floors)
    card = chest_findings_scorecard(predictions, floors=constants, **stated)
    card = with_floors(card, paired_floors(predictions, floors, **asked.resampled), absent)
    explained = score_run(predictor, source, part, own=own, resamples=asked.resampled["bootstrap"], tick=tick)
    card = with_explanations(card, explained)
    return write_scored(asked, card, predictions, explained)


def _truth(predictions: Sequence[Prediction]) -> tuple[Any, tuple[str, ...]]:
    table = head_tables(predictions)[FUSED]
    return table.labels_NL, table.names
