"""Predictions of findings as arrays: one table of labels and scores for each head, with columns by name.

Shapes: N rows, L labels, S studies, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Prediction

FUSED = "fused"  # the system's answer: the `scores` of a prediction; its metrics carry no prefix


@dataclass(frozen=True)
class Table:
    """Labels and scores of one head; a row is a study, or an image of one."""

    names: tuple[str, ...]
    labels_NL: np.ndarray  # 1, 0, nan not known
    scores_NL: np.ndarray
    study_N: np.ndarray  # index of the prediction that each row belongs to

    def weights(self, weights_SR: np.ndarray) -> np.ndarray:
        """Weights of the studies [S, R] as weights of the rows [N, R]; the same array where a row is a study."""
        if len(self.study_N) == len(weights_SR) and (np.diff(self.study_N) == 1).all():
            return weights_SR
        return weights_SR[self.study_N]


def head_tables(predictions: Sequence[Prediction]) -> dict[str, Table]:
    """head -> its table, `fused` first. The label list is that of the first prediction's scores.

    Raises MedleyError, naming case, head and label, where predictions do not score the same labels in the same heads,
    where a score is no probability, and where a label is neither 1, 0 nor null.
    """
    if not predictions:
        raise MedleyError("there are no predictions to score")
    first = predictions[0]
    heads = [FUSED, *(head for head in first.heads if head != FUSED)]
    for prediction in predictions:
        if odd := ({*prediction.heads} ^ {*heads}) - {FUSED}:
            pair = f"case '{prediction.case_id}' and case '{first.case_id}'"
            raise MedleyError(f"{pair} do not both have the head '{min(odd)}'; every prediction needs the same heads")
        if dict(prediction.heads.get(FUSED, prediction.scores)) != dict(prediction.scores):
            where = f"case '{prediction.case_id}'"
            raise MedleyError(f"{where}: the head 'fused' differs from 'scores', which are the fused answer; drop one")
    studies = np.arange(len(predictions))
    labels_NL = np.array([_labels(prediction, first) for prediction in predictions])
    return {head: Table(tuple(first.scores), labels_NL, _scores(predictions, first, head), studies) for head in heads}


def image_table(predictions: Sequence[Prediction]) -> Table | None:
    """One row an image, with the labels of its study; None where no prediction holds images."""
    first, labels, scores, studies = predictions[0], [], [], []
    for study, prediction in enumerate(predictions):
        for index, image in enumerate(prediction.images):
            scores.append(_row(image["scores"], first, f"case '{prediction.case_id}', image {index}"))
            labels.append(_labels(prediction, first))
            studies.append(study)
    if not scores:
        return None
    return Table(tuple(first.scores), np.array(labels), np.array(scores), np.array(studies))


def _scores(predictions: Sequence[Prediction], first: Prediction, head: str) -> np.ndarray:
    rows = []
    for prediction in predictions:
        scores = prediction.scores if head == FUSED else prediction.heads[head]
        rows.append(_row(scores, first, f"case '{prediction.case_id}', head '{head}'"))
    return np.array(rows)


def _row(scores: Mapping[str, float], first: Prediction, where: str) -> list[float]:
    if not scores:
        raise MedleyError(f"{where}: there are no scores; every prediction scores every label")
    if odd := set(scores) ^ set(first.scores):
        label, which = min(odd), "lacks" if min(odd) in first.scores else "has"
        rule = "every prediction scores the same labels in every head"
        raise MedleyError(f"{where} {which} a score of '{label}', unlike case '{first.case_id}'; {rule}")
    row = [float(scores[name]) for name in first.scores]
    for name, score in zip(first.scores, row, strict=True):
        if not 0 <= score <= 1:  # refuses nan, too
            raise MedleyError(f"{where}: the score of '{name}' is {score:g}; it must be a probability in [0, 1]")
    return row


def _labels(prediction: Prediction, first: Prediction) -> list[float]:
    values = [prediction.labels.get(name) for name in first.scores]
    row = [math.nan if value is None else float(value) for value in values]
    for name, value in zip(first.scores, row, strict=True):
        if value not in (0, 1) and not math.isnan(value):
            rule = "it must be 1, 0 or null (not known)"
            raise MedleyError(f"case '{prediction.case_id}': the label '{name}' is {value:g}; {rule}")
    return row
