"""Check 2: how well do simple models of the text alone tell the labels, patients kept apart?

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
from medley.data.source import LeakBudget
from medley.evaluation.notes_audit.aurocs import Aurocs, aurocs, low, shown
from medley.evaluation.notes_audit.readers import frozen_bert, marked, outside, words_of
from medley.evaluation.notes_audit.subject import Row, Subject, not_applicable, verdict
from medley.evaluation.statistics import Metric

FOLDS = 5
MOST_STUDIES = 6000  # a probe learns nothing new from more, and takes minutes
ENOUGH = 50  # positives, and negatives, from which on a label is judged by its value, not by its interval


def patient_folds(patient_ids: Sequence[str], seed: int) -> np.ndarray:
    """The fold 0..4 of each study; all studies of a patient share one."""
    patients, patient_N = np.unique(np.asarray(patient_ids, dtype=str), return_inverse=True)
    return (generator("notes audit", "folds", seed).permutation(len(patients)) % FOLDS)[patient_N]


@dataclass(frozen=True)
class Probe:
    """Models fitted with each fold left out, and what they say of that fold."""

    readers: tuple[Any, ...]  # a transformer of scikit-learn for each fold
    models: tuple[tuple[Any, ...], ...]  # [K][L]; None where the fold's train part has one class only
    fold_N: np.ndarray

    def score(self, items: Any) -> np.ndarray:
        """Log-odds [N, L] of these texts or features, each study read by the models that never saw its patient."""
        scores_NL = np.zeros((len(self.fold_N), len(self.models[0])))
        for fold, (reader, models) in enumerate(zip(self.readers, self.models, strict=True)):
            chosen = np.flatnonzero(self.fold_N == fold)
            if not len(chosen) or not any(models):
                continue
            features = reader.transform(_take(items, chosen))
            for column, model in enumerate(models):
                if model is not None:
                    scores_NL[chosen, column] = model.decision_function(features)
        return scores_NL


def fit_probe(reader: Any, items: Any, labels_NL: np.ndarray, fold_N: np.ndarray) -> Probe:
    """Fit `reader` (a transformer of scikit-learn) and a logistic regression a label with each fold left out."""
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    readers, models = [], []
    with threadpool_limits(1):
        for fold in range(FOLDS):
            chosen = np.flatnonzero(fold_N != fold)
            readers.append(clone(reader))
            if len(chosen):
                features = readers[-1].fit_transform(_take(items, chosen))
                models.append(tuple(_fit(features, labels_N[chosen]) for labels_N in labels_NL.T))
            else:  # all patients are in this fold
                models.append((None,) * labels_NL.shape[1])
    return Probe(tuple(readers), tuple(models), fold_N)


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


def text_in_budget(subject: Subject, probes: TextProbes, budget: LeakBudget) -> Row:
    """Check 2. The macro AUROC of every probe is at most `budget.macro`, that of each label at most `budget.label`.

    A label with 50 positives and 50 negatives is judged by its value; one with 10 of each by the lower end of its
    interval, since small numbers give large AUROCs by chance; one with fewer is not judged, and named.
    """
    patients = [case.patient_id for case in probes.cases]
    table = aurocs(probes.labels_NL, probes.scores, subject.labels, patients, seed=subject.seed)
    if not any(metric.value is not None for metric in next(iter(table.labels.values())).values()):
        return not_applicable(2, f"no label has 10 positives and 10 negatives among {len(patients)} studies")
    support = {label: min(table.positives[label], table.negatives[label]) for label in subject.labels}
    over, found = False, []
    for probe, by_label in table.labels.items():
        macro, ordered = table.macro[probe], sorted(by_label, key=lambda label: -(by_label[label].value or 0.0))
        worst = [label for label in ordered if judged(by_label[label], support[label]) > budget.label]
        over |= bool(worst) or judged(macro, max(support[label] for label in by_label)) > budget.macro
        most = ", ".join(f"{label} {shown(by_label[label])}" for label in (worst or ordered)[:3])
        count = f"{len(worst)} labels over {budget.label:g}, most" if worst else "most"
        found.append(f"{probe}: macro {shown(macro)}, {count} {most}")
    values = [metric.value for metric in table.macro.values() if metric.value is not None]
    return verdict(
        2,
        not over,
        max(values) if values else None,
        budget.macro,
        "; ".join(found),
        "weaken what the notes know (`medley notes make --lambda`), or raise the recipe's data.notes.leak_budget and "
        "say why",
        **_details(table, budget, len(patients), "frozen BERT" in probes.scores),
    )


def judged(metric: Metric, support: int) -> float:
    """What is held against the budget: the value, or with little support the lower end of its interval."""
    if metric.value is None:
        return -np.inf
    return metric.value if support >= ENOUGH else low(metric)


def _details(table: Aurocs, budget: LeakBudget, studies: int, bert: bool) -> dict[str, Any]:
    return {
        "studies": studies,
        "bound_macro": budget.macro,
        "bound_label": budget.label,
        "macro": {probe: metric.as_json() for probe, metric in table.macro.items()},
        "labels": {p: {label: m.as_json() for label, m in by.items()} for p, by in table.labels.items()},
        "not_judged": dict(table.left_out),
        "frozen_bert": "read" if bert else "not run: no folder of a BERT was given (--bert)",
    }
