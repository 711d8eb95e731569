"""Simple models of the text alone, patients kept apart: what check 2 judges and check 4 puts beside the film.

Three readers of a note, each with a logistic regression for each label, five folds by patient, scored out of fold:
its words (TF-IDF of 1 to 3 words), its outside (length, punctuation, letter case, whether there is one), and, where a
folder is given, a frozen BERT.

Shapes: N notes, L labels, F features, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.seeds import generator
from medley.evaluation.notes_audit.readers import frozen_bert, marked, outside, words_of
from medley.evaluation.notes_audit.subject import Subject

FOLDS = 5
MOST_STUDIES = 6000  # a probe learns nothing new from more, and takes minutes


def patient_folds(patient_ids: Sequence[str], seed: int) -> np.ndarray:
    """The fold 0..4 of each study; all studies of a patient share one."""
    patients, patient_N = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    return (generator("notes audit", "folds", seed).permutation(len(patients)) % FOLDS)[patient_N]


@dataclass(frozen=True)
class Probe:
    """Models fitted with each fold left out, and what they say of that fold."""

    readers: tuple[Any, ...]  # a transformer of scikit-learn for each fold
    models: tuple[tuple[Any, ...], ...]  # [K][L]; None where the fold's train part has one class only
    means: tuple[tuple[float, ...], ...]  # [K][L]; of each model's log-odds on what it was fitted on
    fold_N: np.ndarray

    def score(self, items: Any) -> np.ndarray:
        """Log-odds [N, L] of these texts or features, each study read by the models that never saw its patient; nan
        where there was nothing to fit such a model on.

        They are less each model's mean: where a fold has many of the sick the others have few, and models that only
        know how many would rank the folds the wrong way round.
        """
        scores_NL = np.full((len(self.fold_N), len(self.models[0])), np.nan)
        for fold, (reader, models, means) in enumerate(zip(self.readers, self.models, self.means, strict=True)):
            chosen = np.flatnonzero(self.fold_N == fold)
            if not len(chosen) or not any(models):
                continue
            features = reader.transform(_take(items, chosen))
            for column, model in enumerate(models):
                if model is not None:
                    scores_NL[chosen, column] = model.decision_function(features) - means[column]
        return scores_NL


def fit_probe(reader: Any, items: Any, labels_NL: np.ndarray, fold_N: np.ndarray) -> Probe:
    """Fit `reader` (a transformer of scikit-learn) and a logistic regression a label with each fold left out."""
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    readers, models, means = [], [], []
    with threadpool_limits(1):
        for fold in range(FOLDS):
            chosen = np.flatnonzero(fold_N != fold)
            readers.append(clone(reader))
            if len(chosen):
                features = readers[-1].fit_transform(_take(items, chosen))
                models.append(tuple(_fit(features, labels_N[chosen]) for labels_N in labels_NL.T))
                means.append(
                    tuple(0.0 if m is None else float(m.decision_function(features).mean()) for m in models[-1])
                )
            else:  # all patients are in this fold
                models.append((None,) * labels_NL.shape[1])
                means.append((0.0,) * labels_NL.shape[1])
    return Probe(tuple(readers), tuple(models), tuple(means), fold_N)


def _fit(features: Any, labels_N: np.ndarray) -> Any:
    from sklearn.linear_model import LogisticRegression

    known = np.flatnonzero(~np.isnan(labels_N))
    if len(np.unique(labels_N[known])) < 2:
        return None
    return LogisticRegression(C=2.0, max_iter=1000, tol=1e-3, solver="liblinear").fit(features[known], labels_N[known])


def _take(items: Any, chosen: np.ndarray) -> Any:
    return [items[i] for i in chosen] if isinstance(items, list) else items[chosen]


@dataclass(frozen=True)
class TextProbes:
    """The studies that were probed, and the fitted probe of words: check 4 hands it other notes."""

    cases: tuple
    labels_NL: np.ndarray
    fold_N: np.ndarray
    words: Probe
    scores: dict[str, np.ndarray]


def fit_text_probes(subject: Subject, bert: Path | None = None) -> TextProbes:
    """Fit every probe on a sample of the labelled studies."""
    from sklearn.preprocessing import StandardScaler

    cases = subject.sample(MOST_STUDIES)
    texts, labels_NL = subject.texts(cases), subject.truth(cases)
    fold_N = patient_folds([case.patient_id for case in cases], subject.seed)
    words = fit_probe(words_of(texts), marked(texts), labels_NL, fold_N)
    scores = {"words": score_words(words, texts)}
    features = {"outside": outside(texts)}
    if bert is not None:
        features["frozen BERT"] = frozen_bert(bert, texts)
    for name, values in features.items():
        scores[name] = fit_probe(StandardScaler(), values, labels_NL, fold_N).score(values)
    return TextProbes(cases, labels_NL, fold_N, words, scores)


def score_words(probe: Probe, texts: Sequence[str]) -> np.ndarray:
    """The probe of words on these texts."""
    return probe.score(marked(texts))
