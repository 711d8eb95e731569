"""What scoring a part comes to, and the parts of it that findings and reports have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medley.core.files import write_json
from medley.core.records import Prediction
from medley.data.source import Source
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.scorecard.body import Example
from medley.evaluation.scorecard.card import LabelScores, Scorecard
from medley.evaluation.scorecard.files import write_scorecard
from medley.evaluation.scorecard.looks import look_of
from medley.evaluation.scorecard.tables import EXPLANATION
from medley.evaluation.scorecard.words import LEAKY
from medley.evaluation.scorecard.written import Written, written_examples
from medley.serving.explaining.run import ExplanationScores
from medley.serving.predictor import Predictor
from medley.serving.scoring.examples import marked_examples
from medley.serving.scoring.left_out import left_out_warnings, write_skipped
from medley.serving.scoring.model_floors import Floors
from medley.serving.scoring.stated import protocol_of, provenance_of


@dataclass(frozen=True)
class Scored:
    """A scorecard with what its page is made of."""

    card: Scorecard
    predictions: tuple[Prediction, ...]
    pictures: Mapping[str, bytes]
    examples: tuple[Example, ...]
    written: tuple[Written, ...]  # reports beside the true ones
    left_out: Mapping[str, str]  # case id -> why, of the studies of the part that have no readable film


@dataclass(frozen=True)
class Asked:
    """What is scored, on whose data it may learn its floors, and where it is written."""

    predictor: Predictor
    source: Source
    part: str
    out: Path
    command: str
    own: Source | None  # the data that the run was trained on; None where they are not at hand
    beside: Floors = field(default_factory=dict)  # what others answered to the same cases

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return Path(self.predictor.facts["run"])

    @property
    def resampled(self) -> dict[str, int]:
        """How intervals are made: the resamples and their seed."""
        return {"bootstrap": self.predictor.recipe.evaluate.bootstrap, "seed": self.predictor.recipe.seed}


def write_answers(asked: Asked, predictions: list[Prediction], floors: Floors) -> dict[str, Any]:
    """The predictions of the system and of its floors, before they are scored; what the card says of them and of
    itself: thresholds, calibration, protocol, provenance."""
    predictor, out = asked.predictor, asked.out
    write_predictions(out / "predictions.jsonl", predictions)
    if predictor.calibration is not None and out.resolve().parent != asked.run.resolve():
        write_json(out / "calibration.json", predictor.calibration.to_json())  # `medley compare` looks beside the card
    _write_floors(out / "floors", floors)
    return {
        "thresholds": predictor.thresholds,
        "calibration": predictor.calibration,
        "protocol": protocol_of(predictor, asked.source, asked.part),
        "provenance": provenance_of(predictor, asked.command, out / "predictions.jsonl"),
        **asked.resampled,
    }


def with_explanations(card: Scorecard, explained: ExplanationScores | None) -> Scorecard:
    """The card with the scores of the maps beside its own; of a label the lesions are counted, not the studies."""
    if explained is None:
        return card
    of_label = {
        label: LabelScores(metrics["pointing_game"].n, 0, 0, None, metrics)
        for label, metrics in explained.per_label.items()
    }
    facts = {**card.provenance.get("explanations", {}), **explained.facts}
    return dataclasses.replace(
        card,
        metrics={**card.metrics, **explained.metrics},
        floors={**card.floors, **explained.floors},
        per_label={**card.per_label, **({EXPLANATION: of_label} if of_label else {})},
        provenance={**card.provenance, "explanations": facts},
        warnings=(*card.warnings, *explained.warnings),
    )


def write_scored(
    asked: Asked,
    card: Scorecard,
    predictions: list[Prediction],
    explained: ExplanationScores | None,
) -> Scored:
    """The card with what must be read before all else of its warnings, its pictures and examples; all of it written to
    disk."""
    source, part = asked.source, asked.part
    first = (*left_out_warnings(source, part), *([LEAKY] if asked.predictor.facts["leaky"] else []))
    card = dataclasses.replace(card, warnings=(*first, *card.warnings))
    examples: tuple[Example, ...] = explained.examples if explained else ()
    if explained is not None and explained.facts.get("averaged"):
        method, labels = explained.facts["method"], explained.facts["averaged"]
        examples = marked_examples(asked.predictor, source, part, method, labels)
    pictures = look_of(card.task).pictures(predictions, card)
    written = tuple(written_examples(predictions, card))
    scored = Scored(card, tuple(predictions), pictures, examples, written, source.left_out(part))
    write_skipped(asked.out / "skipped.csv", scored.left_out)
    write_scorecard(card, asked.out, predictions, examples, pictures)
    return scored


def _write_floors(folder: Path, floors: Floors) -> None:
    """The predictions of this scorecard's floors; those of an earlier one that it does not have are taken away."""
    for name, lines in floors.items():
        write_predictions(folder / f"{name}.jsonl", lines)
    for file in folder.glob("*.jsonl"):
        if file.stem not in floors:
            file.unlink()
