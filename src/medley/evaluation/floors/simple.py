"""Floors: what an answer scores that has learned nothing, or next to nothing. A score means little without them.

A constant and calling nothing need no cases to learn from; the thumbnail probe and the nearest neighbour learn from
films alone. Floors that need the model (black images, shuffled images, no note) are predictions of their own, which
`paired_floors` reads. A floor is a plain mapping metric -> value, with `auroc/<label>` beside the macro; None where it
is not defined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.evaluation.classification import brier, ece, macro_labels, support
from medley.evaluation.ranking import auroc, average_precision

THUMBNAIL_PX = 32
THUMBNAIL_VOXELS = 8
PROBE_C = (1e-3, 1e-2, 1e-1)  # inverse penalties to choose from: a weak probe would be a flattering floor
PROBE_FOLDS = 3
NEIGHBOUR_CHUNK = 1024  # test films compared at once with every train film

Floor = dict[str, float | None]


def prevalence_floor(train_labels_NL: np.ndarray, test_labels_NL: np.ndarray, names: Sequence[str]) -> Floor:
    """The constant answer: each label's share of positives in the train part, whatever the film.

    AUROC is 0.5 by definition, average precision the test part's own share; Brier and ECE as computed. A label that
    the train part does not know has no constant, and its values are None.
    """
    train_labels_NL = np.asarray(train_labels_NL, float)
    test_labels_NL = np.asarray(test_labels_NL, float)
    _same_columns(train_labels_NL, test_labels_NL, names)
    positives_L, negatives_L, _ = support(train_labels_NL)
    scores_NL = np.full(test_labels_NL.shape, np.nan)
    known_L = positives_L + negatives_L > 0
    scores_NL[:, known_L] = positives_L[known_L] / (positives_L + negatives_L)[known_L]
    return floor_of(test_labels_NL, scores_NL, names, probabilities=True)


def all_negative_floor(labels_NL: np.ndarray, names: Sequence[str]) -> Floor:
    """Calling nothing: AUROC 0.5, recall and F1 0, specificity 1, and as accuracy the share of the healthy.

    Where findings are rare that accuracy is high: an accuracy means nothing without it. Precision is None: no call.
    """
    labels_NL = np.asarray(labels_NL, float)
    _same_columns(labels_NL, labels_NL, names)
    columns, _ = macro_labels(labels_NL, names)
    positives_L, negatives_L, _ = support(labels_NL)
    with np.errstate(invalid="ignore"):  # 0/0, a label that nobody knows, is not defined
        accuracy_L = negatives_L / (positives_L + negatives_L)
    fixed = {"auroc": 0.5, "f1": 0.0, "recall": 0.0, "specificity": 1.0, "precision": None}
    floor: Floor = {f"{metric}_macro": value if columns else None for metric, value in fixed.items()}
    floor |= {"f1_micro": floor["f1_macro"]}
    floor["accuracy_macro"] = float(accuracy_L[columns].mean()) if columns else None
    floor |= {f"accuracy/{name}": None if np.isnan(a) else float(a) for name, a in zip(names, accuracy_L, strict=True)}
    return floor


def thumbnail_probe(
    train_films: np.ndarray,
    train_labels_NL: np.ndarray,
    test_films: np.ndarray,
    test_labels_NL: np.ndarray,
    names: Sequence[str],
) -> Floor:
    """Logistic regression on 32x32 area thumbnails: what blurred brightness alone gives away.

    Films are uint8 [N, px, px] with px >= 32, labels [N, L] of 1, 0, nan. Returns AUROC and average precision,
    `auroc/<label>` and `auroc_macro` among them, of `thumbnail_scores`.
    """
    train_labels_NL, test_labels_NL = np.asarray(train_labels_NL, float), np.asarray(test_labels_NL, float)
    _same_columns(train_labels_NL, test_labels_NL, names)
    _one_row_a_film(test_films, test_labels_NL, "test")
    scores_NL = thumbnail_scores(train_films, train_labels_NL, test_films)
    return floor_of(test_labels_NL, scores_NL, names, probabilities=False)


def thumbnail_scores(train_films: np.ndarray, train_labels_NL: np.ndarray, test_films: np.ndarray) -> np.ndarray:
    """The probe's scores [N, L] (log-odds) of the test films: one probe a label, on the train part's known cases.

    A label of one class there has none: nan. The penalty is chosen by cross-validation within the train part.
    Deterministic.
    """
    from threadpoolctl import threadpool_limits

    train_labels_NL = np.asarray(train_labels_NL, float)
    _one_row_a_film(train_films, train_labels_NL, "train")
    train_NF, test_NF = thumbnails(train_films), thumbnails(test_films)
    mean_F, std_F = train_NF.mean(0), train_NF.std(0)
    std_F[std_F == 0] = 1  # a pixel that is the same in every film says nothing
    train_NF, test_NF = (train_NF - mean_F) / std_F, (test_NF - mean_F) / std_F
    with threadpool_limits(1):  # fits this small are quicker on one thread, and threads that wait for each other stall
        return _probe(train_NF, train_labels_NL, test_NF, _best_penalty(train_NF, train_labels_NL))


def _one_row_a_film(films: np.ndarray, labels_NL: np.ndarray, part: str) -> None:
    if len(films) != len(labels_NL) or not len(films):
        raise MedleyError(f"thumbnail probe: {len(films)} {part} films for {len(labels_NL)} rows of labels")


def _best_penalty(train_NF: np.ndarray, labels_NL: np.ndarray) -> float:
    """The inverse penalty with the best mean AUROC over three folds of the train part."""
    fold_N = generator("thumbnail probe").permutation(len(train_NF)) % PROBE_FOLDS
    strengths = []
    for inverse_penalty in PROBE_C:
        by_fold = []
        for fold in range(min(PROBE_FOLDS, len(train_NF))):
            out = fold_N == fold
            scores_NL = _probe(train_NF[~out], labels_NL[~out], train_NF[out], inverse_penalty)
            by_fold.append(_mean_auroc(labels_NL[out], scores_NL))
        strengths.append(np.mean(by_fold))
    return PROBE_C[int(np.argmax(strengths))]


def _probe(train_NF: np.ndarray, labels_NL: np.ndarray, test_NF: np.ndarray, inverse_penalty: float) -> np.ndarray:
    """Scores [N, L] of one logistic regression a label; nan where the train part has one class only."""
    from sklearn.linear_model import LogisticRegression

    scores_NL = np.full((len(test_NF), labels_NL.shape[1]), np.nan)
    for column, labels_N in enumerate(labels_NL.T):
        known = ~np.isnan(labels_N)
        if len(np.unique(labels_N[known])) == 2:
            probe = LogisticRegression(C=inverse_penalty, max_iter=1000, tol=1e-3)
            scores_NL[:, column] = probe.fit(train_NF[known], labels_N[known]).decision_function(test_NF)
    return scores_NL


def _mean_auroc(labels_NL: np.ndarray, scores_NL: np.ndarray) -> float:
    """Mean over the labels that have one; 0.5 where none has."""
    scored = [i for i in range(labels_NL.shape[1]) if np.isfinite(scores_NL[:, i]).all()]
    values = np.array([auroc(labels_NL[:, i], scores_NL[:, i]) for i in scored])
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.5


def neighbour_scores(train_films: np.ndarray, train_labels_NL: np.ndarray, test_films: np.ndarray) -> np.ndarray:
    """The labels [N, L] of the most similar train film, 1 or 0; nan where the train part does not know the label.

    Similar is the correlation of 32x32 thumbnails, which no change of brightness or contrast moves; of each label only
    the train films that know it are asked. Films are uint8 [N, px, px].
    """
    train_labels_NL = np.asarray(train_labels_NL, float)
    _one_row_a_film(train_films, train_labels_NL, "train")
    known_NL = ~np.isnan(train_labels_NL)
    found = []
    for alike_KM in film_likeness(thumbnails(train_films), thumbnails(test_films)):
        scores_KL = np.full((len(alike_KM), train_labels_NL.shape[1]), np.nan)
        for column in np.flatnonzero(known_NL.any(0)):
            nearest = np.where(known_NL[:, column], alike_KM, -np.inf).argmax(1)
            scores_KL[:, column] = train_labels_NL[nearest, column]
        found.append(scores_KL)
    return np.concatenate(found)


def film_likeness(train_MF: np.ndarray, test_NF: np.ndarray) -> Iterator[np.ndarray]:
    """Correlations [K, M] of K thumbnails of the test films after the other with all of the train films' M.

    No change of brightness or contrast moves them; a flat film is like none.
    """
    train_MF, test_NF = _unit_length(train_MF), _unit_length(test_NF)
    for start in range(0, len(test_NF), NEIGHBOUR_CHUNK):
        yield test_NF[start : start + NEIGHBOUR_CHUNK] @ train_MF.T


def _unit_length(films_NF: np.ndarray) -> np.ndarray:
    """Each film less its mean, at length 1, so that a product of two is their correlation; a flat film stays 0."""
    films_NF = films_NF - films_NF.mean(1, keepdims=True)
    length_N1 = np.linalg.norm(films_NF, axis=1, keepdims=True)
    return np.divide(films_NF, length_N1, out=np.zeros_like(films_NF), where=length_N1 > 0)


def thumbnails(films: np.ndarray) -> np.ndarray:
    """Films uint8 [N, px, px] as mean brightness in a 32x32 grid, float [N, 1024] in 0..1; volumes uint8 [N, D, H, W]
    in one of 8x8x8, [N, 512]."""
    from PIL import Image

    films = np.asarray(films)
    if films.ndim == 4 and films.dtype == np.uint8 and min(films.shape[1:]) >= THUMBNAIL_VOXELS:
        return np.stack([_small_volume(volume) for volume in films]).reshape(len(films), -1) / 255
    if films.ndim != 3 or films.dtype != np.uint8 or min(films.shape[1:]) < THUMBNAIL_PX:
        given = f"{films.dtype} {list(films.shape)}"
        raise MedleyError(f"thumbnails: films are {given}; they must be uint8 [N, px, px] with px >= {THUMBNAIL_PX}")
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    small = [np.asarray(Image.fromarray(film).convert("F").resize(size, Image.Resampling.BOX)) for film in films]
    return np.stack(small).reshape(len(films), -1) / 255


def _small_volume(volume_DHW: np.ndarray) -> np.ndarray:
    """Means of 8x8x8 boxes of nearly one size."""
    small, counts = volume_DHW.astype(np.float64), np.ones((1, 1, 1))
    for axis, size in enumerate(volume_DHW.shape):
        starts = np.linspace(0, size, THUMBNAIL_VOXELS, endpoint=False).astype(int)
        small = np.add.reduceat(small, starts, axis=axis)
        widths = np.diff([*starts, size]).reshape([-1 if a == axis else 1 for a in range(3)])
        counts = counts * widths
    return small / counts


def _same_columns(train_labels_NL: np.ndarray, test_labels_NL: np.ndarray, names: Sequence[str]) -> None:
    for labels_NL, part in ((train_labels_NL, "train"), (test_labels_NL, "test")):
        if labels_NL.ndim != 2 or labels_NL.shape[1] != len(names):
            raise MedleyError(f"floor: {part} labels are {list(labels_NL.shape)}; they must be [N, {len(names)}]")


def floor_of(labels_NL: np.ndarray, scores_NL: np.ndarray, names: Sequence[str], *, probabilities: bool) -> Floor:
    """Metrics of a floor's scores. A column of nan scores has no values; where the macro needs it, that is None."""
    columns, _ = macro_labels(labels_NL, names)
    metrics: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {"auroc": auroc, "ap": average_precision}
    if probabilities:
        metrics |= {"brier": _brier, "ece": ece}
    floor: Floor = {}
    for metric, of in metrics.items():
        values = []
        for column in range(len(names)):
            scored = np.isfinite(scores_NL[:, column]).all()
            values.append(float(of(labels_NL[:, column], scores_NL[:, column])) if scored else math.nan)
        macro = [values[column] for column in columns]
        averaged = metric if metric in ("brier", "ece") else f"{metric}_macro"
        floor[averaged] = None if not macro or np.isnan(macro).any() else float(np.mean(macro))
        for name, value in zip(names, values, strict=True):
            floor[f"{metric}/{name}"] = None if math.isnan(value) else value
    return floor


def _brier(labels_N: np.ndarray, scores_N: np.ndarray) -> float:
    return float(brier(labels_N[:, None], scores_N[:, None])[0])
