"""The scorecard of anybody's reports: the references of a case table, the floors of its training part, scorers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError
from medley.core.files import sha256
from medley.core.records import Prediction
from medley.data.notes import make_notes
from medley.evaluation.clinical.labels import NamedLabeler, remembering
from medley.evaluation.predictions.known_cases import KnownCases
from medley.evaluation.reports.beside import Answers
from medley.evaluation.reports.external import run_scorers
from medley.evaluation.reports.floors import text_floors
from medley.evaluation.reports.scorecard import report_scorecard
from medley.evaluation.reports.tasks import CHEST
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.evaluation.text.bertscore import Encoder


@dataclass(frozen=True)
class TextOptions:
    """How reports are read, and which scorers of others are asked: name -> its command.

    `chexbert` is the file of weights that its authors give out, and a tokenizer: a hub id, or a folder.
    """

    tokens: str = "coco"
    wordnet: Path | None = None
    encoder: Encoder | None = None
    chexbert: tuple[Path, str] | None = None
    scorers: Mapping[str, Sequence[str]] = field(default_factory=dict)


def score_reports(
    predictions: list[Prediction],
    path: Path,
    known: KnownCases | None,
    floors: Answers,
    texts: TextOptions,
    how: Mapping[str, Any],
) -> tuple[list[Prediction], Scorecard, dict[str, list[Prediction]]]:
    """The predictions with their references, their scorecard, and the floors and ceilings that copy training reports.

    `floors` are the answers of the user's files, `how` what the scorecard of findings takes too. Raises MedleyError
    where no prediction of the file at `path` holds a report.
    """
    task, kind = predictions[0].task, kind_of(predictions[0].task)
    if texts.chexbert and task != CHEST:
        raise MedleyError(f"--chexbert labels reports of chest films; {path} holds {task}")
    if not any(one.hypothesis for one in predictions):
        raise MedleyError(f"{path}: no prediction has a 'hypothesis', so there is no report to score")
    floors = {name: _without_references(predictions, lines) for name, lines in floors.items()}
    predictions, remarks = known.with_references(predictions) if known else (predictions, [])
    train = known.training() if known else []
    notes = make_notes(known.table.cases, "real") if known else {}
    copied = text_floors(predictions, train, notes)
    ceilings = {name: lines for name, lines in floors.items() if name in kind.ceilings}
    card = report_scorecard(
        predictions,
        task,
        floors={**copied.floors, **{name: lines for name, lines in floors.items() if name not in ceilings}},
        ceilings={**copied.ceilings, **ceilings},
        absent={
            **copied.absent,
            **{name: why.format(name=name) for name, why in kind.absent.items() if name not in floors},
        },
        tokens=texts.tokens,
        wordnet=texts.wordnet,
        encoder=texts.encoder,
        labeler=_chexbert(*texts.chexbert) if texts.chexbert else None,
        external=run_scorers(texts.scorers, predictions),
        **how,
    )
    if not {*kind.only_blind} & set(floors):
        remarks = [*remarks, kind.no_blind]
    return predictions, replace(card, warnings=(*remarks, *card.warnings)), {**copied.floors, **copied.ceilings}


def _without_references(predictions: Sequence[Prediction], lines: Sequence[Prediction]) -> list[Prediction]:
    """A floor's lines without the references that are those of the system's file: a table's may take their place."""
    own = {one.case_id: one.reference for one in predictions}
    return [replace(line, reference={}) if line.reference == own.get(line.case_id) else line for line in lines]


def _chexbert(weights: Path, tokenizer: str) -> NamedLabeler:
    from medley.evaluation.clinical.chexbert import CheXbert

    labeler = CheXbert.load(weights, tokenizer)
    return NamedLabeler(f"chexbert, weights {sha256(weights)[:12]}", remembering(labeler))
