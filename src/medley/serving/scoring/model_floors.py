"""Floors that need the model itself: what it answers when the image, or the note, tells it nothing.

black_images     every film is black: what the notes, and the habits of the train part, give away alone
shuffled_images  every study shows the films of another patient's study beside its own note: what is left when the
                 image is a real one, and the wrong one
no_note          every study is read without its note: what the note is worth to the system as it is

The first two must fall to the note alone (0.5 without notes): what stays above it does not come from the image.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from medley.core.records import Case, Prediction, Study
from medley.core.seeds import generator
from medley.data.source import Source
from medley.serving.predictor import Predictor
from medley.serving.scoring.parts import Tick, predict_part

Floors = dict[str, list[Prediction]]  # floor -> its predictions, of the same cases as the system's


def model_floors(predictor: Predictor, source: Source, part: str, tick: Tick = None) -> tuple[Floors, dict[str, str]]:
    """The predictions of each floor on the part, and floor -> the reason for those that there cannot be."""
    cases, blank = source.parts[part], source.images.blank
    floors, absent = {}, {}
    floors["black_images"] = predict_part(predictor, source, part, tick, change=blank, what="black images of")
    donors = other_patients(cases, predictor.recipe.seed)
    if donors is None:
        absent["shuffled_images"] = "one patient has more than half of the studies, so not every film can be another's"
    else:
        floors["shuffled_images"] = predict_part(
            predictor, source, part, tick, films_of=donors, what="shuffled images of"
        )
    if not predictor.reads_notes:
        absent["no_note"] = "the model reads no notes, so there is none to take away"
    elif any(source.notes.get(case.case_id) for case in cases):
        floors["no_note"] = predict_part(predictor, source, part, tick, change=_no_note, what="without notes")
    else:
        absent["no_note"] = "no study has a note, so there is none to take away"
    return floors, absent


def other_patients(cases: Sequence[Case], seed: int) -> Mapping[str, Case] | None:
    """case id -> a case of another patient, each lent out once; None where one patient has more than half of them.

    The patients are put in random order and the row of their studies is turned by as many places as the largest
    patient has studies: nobody then meets a study of his own.
    """
    by_patient: dict[str, list[Case]] = {}
    for case in cases:
        by_patient.setdefault(case.patient_id, []).append(case)
    largest = max(map(len, by_patient.values()))
    if 2 * largest > len(cases):
        return None
    names = sorted(by_patient)
    order = generator("shuffled images", seed).permutation(len(names))
    row = [case for index in order for case in by_patient[names[index]]]
    return {case.case_id: donor for case, donor in zip(row, row[largest:] + row[:largest], strict=True)}


def _no_note(study: Study) -> Study:
    return dataclasses.replace(study, note=None)
