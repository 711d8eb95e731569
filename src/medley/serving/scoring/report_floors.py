"""Floors of a written report that need the films or the model: copies of the training report of the nearest study.

nearest_image          the study whose film is most alike: correlation of 32x32 thumbnails of the first films
nearest_findings       the study whose findings, as the model answers them, are nearest to those it answers here
nearest_true_findings  a ceiling, which knows the answer: the study whose true findings and sides are nearest

nearest_image reads thumbnails and not the model's features, so that it is what somebody could do who never trained a
model; what the model's own eye adds to looking up is nearest_findings. Among equally near studies the text that most
of them share is copied (`evaluation.reports.floors`).

Shapes: N scored studies, M training studies, L labels, F pixels of a thumbnail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np

from medley.core.labels import BRAIN_LOBES
from medley.core.records import INPUT_SECTIONS, Case, Prediction
from medley.data.images.films import Films
from medley.data.source import Source, batches
from medley.evaluation.clinical.laterality import LATERALISED, SIDES, true_sides
from medley.evaluation.floors.simple import film_likeness, thumbnails
from medley.evaluation.reports.floors import OF_TEXTS, TextFloors, nearest_report, text_floors
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.serving.predictor import Predictor
from medley.serving.scoring.parts import Tick, predict_part

NEIGHBOURS = ("nearest_image", "nearest_findings", "nearest_true_findings")
_SIDE_WEIGHT = 1e-3  # sides part studies of equal findings, and never outweigh a finding
_FILMS_AT_ONCE = 256
_STUDIES_AT_ONCE = 256


def report_floors(
    predictor: Predictor,
    own: Source | None,
    source: Source,
    part: str,
    asked: Sequence[Prediction],
    tick: Tick = None,
) -> TextFloors:
    """Every floor and ceiling that copies a report or says a constant one, for the studies of `asked`.

    `own` is the data that the run was trained on; where it is None only the constant is left, and why is said.
    """
    notes = _before_the_film(source, source.parts[part])
    if own is None:
        found = text_floors(asked, [], notes)
        why = "the data of the training are not at hand"
        lacking = [name for name in OF_TEXTS[predictor.family.task] if name not in {**found.floors, **found.ceilings}]
        return TextFloors(found.floors, found.ceilings, dict.fromkeys((*lacking, *NEIGHBOURS), why))
    train, ceilings = own.parts["train"], kind_of(predictor.family.task).ceilings
    found = text_floors(asked, train, notes, _before_the_film(own, train))
    likeness: dict[str, Iterable[np.ndarray]] = {
        "nearest_image": _of_films(own, train, source, source.parts[part]),
        "nearest_findings": _of_answers(predict_part(predictor, own, "train", tick, write=False), asked),
        "nearest_true_findings": _of_truths(own, train, source, source.parts[part]),
    }
    for name, rows in likeness.items():
        copied = nearest_report(asked, train, rows)
        if isinstance(copied, str):
            found.absent[name] = copied
        else:
            (found.ceilings if name in ceilings else found.floors)[name] = copied
    return found


def _before_the_film(source: Source, cases: Sequence[Case]) -> dict[str, str | None]:
    """The note of each case, or what the table says was written before the film, which a model without notes does not
    read: what copying by the indication is worth does not depend on the model."""
    told = {
        case.case_id: " ".join(case.text[section] for section in INPUT_SECTIONS if section in case.text)
        for case in cases
    }
    return {case_id: source.notes.get(case_id) or text for case_id, text in told.items()}


def _of_films(own: Source, train: Sequence[Case], source: Source, cases: Sequence[Case]) -> Iterator[np.ndarray]:
    """How alike each film is to each training film [M]."""
    return chain.from_iterable(film_likeness(_thumbnails(own, train), _thumbnails(source, cases)))


def _thumbnails(source: Source, cases: Sequence[Case]) -> np.ndarray:
    """[N, F] of the first film of each study, the frontal one where there is one; few films in memory at once."""
    return np.concatenate([thumbnails(source.images.first_images(some)) for some in batches(cases, _FILMS_AT_ONCE)])


def _of_answers(train: Sequence[Prediction], asked: Sequence[Prediction]) -> Iterator[np.ndarray]:
    """How near the probabilities of each study are to those of each training study [M]."""
    names = list(asked[0].scores)
    train_ML, asked_NL = (np.array([[one.scores[name] for name in names] for one in some]) for some in (train, asked))
    return _nearness(train_ML, asked_NL)


def _of_truths(own: Source, train: Sequence[Case], source: Source, cases: Sequence[Case]) -> Iterator[np.ndarray]:
    """How near the true labels of each study are to those of each training study [M]; sides decide between equals, and
    the side and lobe of a brain's lesion count as labels."""
    return _nearness(_true_findings(own, train, own.labels), _true_findings(source, cases, own.labels))


def _true_findings(source: Source, cases: Sequence[Case], labels: Sequence[str]) -> np.ndarray:
    """[N, L + sides]: 1, 0, and one half where a label is not known; then a small share for each side of a label."""
    rows = []
    for case in cases:
        known = source.known_labels(case)
        values = [known.get(name) for name in labels]
        rows.append([0.5 if value is None else float(value) for value in values] + _places(source, case))
    return np.array(rows)


def _places(source: Source, case: Case) -> list[float]:
    """What the table tells of sides: of the findings of a film, or of the pairs of side and lobe of a brain."""
    if isinstance(source.images, Films):
        sides = true_sides(case.truth, f"case '{case.case_id}'") or {}
        return [_SIDE_WEIGHT * (sides.get(name) == side) for name in LATERALISED for side in SIDES]
    pairs = {tuple(pair) for pair in case.truth.get("side_lobe") or ()}
    return [float((side, lobe) in pairs) for side in ("left", "right") for lobe in BRAIN_LOBES]


def _nearness(train_MF: np.ndarray, asked_NF: np.ndarray) -> Iterator[np.ndarray]:
    """Minus the squared distance of each row to each training row [M], by |a - b|^2 = |a|^2 - 2 ab + |b|^2."""
    for start in range(0, len(asked_NF), _STUDIES_AT_ONCE):
        rows_KF = asked_NF[start : start + _STUDIES_AT_ONCE]
        yield from 2 * rows_KF @ train_MF.T - (rows_KF**2).sum(1)[:, None] - (train_MF**2).sum(1)
