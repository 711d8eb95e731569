"""Floors that learn from the films of the train part and know no more than their thumbnails.

thumbnail_probe    logistic regression a label on 32x32 thumbnails: what blurred brightness and shape give away
nearest_neighbour  the labels of the train film whose thumbnail is most alike: what looking it up would have answered

Both read the first film of each study, the frontal one where there is one, and never a note.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medley.core.records import Prediction
from medley.data.source import Source
from medley.evaluation.floors.simple import neighbour_scores, thumbnail_scores


def film_probes(train: Source, source: Source, part: str, asked: Sequence[Prediction]) -> dict[str, list[Prediction]]:
    """The predictions of both probes, learnt from the train part of `train`, on the studies of `asked`.

    A label that one of them cannot answer (the train part does not know it, or knows one class) is left out of its
    scores, and with it the averages that need it.
    """
    names = tuple(asked[0].scores)
    labels_NL = labels_of(train, "train", names)
    train_films, films = (of.images.first_images(of.parts[one]) for of, one in ((train, "train"), (source, part)))
    logits_NL = thumbnail_scores(train_films, labels_NL, films)
    with np.errstate(over="ignore"):  # exp of a very sure no is inf, and its probability 0
        probabilities_NL = 1 / (1 + np.exp(-logits_NL))
    return {
        "thumbnail_probe": _answers(asked, names, probabilities_NL),
        "nearest_neighbour": _answers(asked, names, neighbour_scores(train_films, labels_NL, films)),
    }


def labels_of(source: Source, part: str, names: Sequence[str]) -> np.ndarray:
    """Labels [N, L] of a part as scoring knows them: 1, 0, nan."""
    known = [source.known_labels(case) for case in source.parts[part]]
    return np.array([[np.nan if row.get(name) is None else row[name] for name in names] for row in known], float)


def _answers(asked: Sequence[Prediction], names: Sequence[str], scores_NL: np.ndarray) -> list[Prediction]:
    answered = [i for i in range(len(names)) if np.isfinite(scores_NL[:, i]).all()]
    return [
        Prediction(
            case_id=one.case_id,
            patient_id=one.patient_id,
            task=one.task,
            scores={names[i]: float(scores_N[i]) for i in answered},
            labels={names[i]: one.labels.get(names[i]) for i in answered},
        )
        for one, scores_N in zip(asked, scores_NL, strict=True)
    ]
