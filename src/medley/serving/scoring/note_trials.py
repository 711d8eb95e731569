"""Ask a run the same studies again with other notes, and with grey films: what checks 4 to 7 of the audit read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Prediction, Study
from medley.data.source import Source
from medley.evaluation.notes_audit.behaviour import Trials
from medley.evaluation.notes_audit.subject import Notes, Subject
from medley.serving.predictor import Predictor
from medley.serving.scoring.model_floors import other_patients
from medley.serving.scoring.parts import Tick, predict_part

CANNED = "Chest film requested. Cough for two weeks."
_GREY = 127


def note_trials(predictor: Predictor, source: Source, subject: Subject, part: str, tick: Tick = None) -> Trials:
    """The run's answers on a part with the subject's notes, changed in every way that can be.

    Raises MedleyError where one patient has more than half of the studies: notes cannot be swapped then.
    """
    cases = source.parts[part]
    donors = other_patients(cases, subject.seed)
    if donors is None:
        raise MedleyError(f"one patient has more than half of the {part} part's studies: notes cannot be swapped")
    others: dict[str, Notes] = {
        "own": subject.notes,
        "swapped": {case_id: subject.notes[donor.case_id] for case_id, donor in donors.items()},
        "no_note": {case.case_id: None for case in cases},
        "canned": {case.case_id: CANNED for case in cases},
    }
    if subject.regenerate is not None:
        others["permuted"] = subject.regenerate(subject.with_permuted_labels(cases))
    found: dict[str, list[Prediction]] = {}
    for name, notes in others.items():
        change = _with_notes(notes)
        found[name] = predict_part(predictor, source, part, tick, change=change, what=f"notes '{name}' of")
    own = _with_notes(subject.notes)
    found["grey"] = predict_part(predictor, source, part, tick, change=lambda s: _grey(own(s)), what="grey films of")
    return Trials(found, _thresholds(predictor))


def _with_notes(notes: Mapping[str, str | None]) -> Callable[[Study], Study]:
    return lambda study: dataclasses.replace(study, note=notes[study.case.case_id])


def _grey(study: Study) -> Study:
    films = tuple(dataclasses.replace(film, pixels=np.full_like(film.pixels, _GREY)) for film in study.films)
    return dataclasses.replace(study, films=films)


def _thresholds(predictor: Predictor) -> dict[str, float]:
    if predictor.thresholds is None:
        return {}
    of_head = predictor.thresholds.values.get("fused", {})
    return {label: value for label, value in of_head.items() if value is not None}
