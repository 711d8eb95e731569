"""AUROC of several scores of the same studies with patient-clustered intervals, and of their paired differences.

Shapes: N studies, L labels, R resamples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from medley.evaluation.classification import macro_labels
from medley.evaluation.ranking import auroc_of, rank
from medley.evaluation.statistics import Metric, bootstrap, with_interval
from medley.evaluation.statistics.intervals import Z95

RESAMPLES = 400
UNFITTED = "no probe could be fitted, since without one fold of the patients all known studies are of one class"


@dataclass(frozen=True)
class Aurocs:
    """AUROC of each set of scores, by label and as the macro over labels of 10 positives and 10 negatives."""

    labels: Mapping[str, Mapping[str, Metric]]  # scores -> label -> metric; labels of enough support only
    macro: Mapping[str, Metric]
    drops: Mapping[str, Metric]  # "a - b" of the macros
    label_drops: Mapping[str, Mapping[str, Metric]]
    positives: Mapping[str, int]
    negatives: Mapping[str, int]
    left_out: Mapping[str, str]  # label -> its support, or that no model could be fitted

    @property
    def why_none(self) -> str | None:
        """Why no label could be judged; None where one could."""
        return None if any(self.labels.values()) else _why_none(self.left_out)


def aurocs(
    labels_NL: np.ndarray,
    scores: Mapping[str, np.ndarray],
    names: Sequence[str],
    patient_ids: Sequence[str],
    drops: Sequence[tuple[str, str]] = (),
    seed: int = 0,
) -> Aurocs:
    """AUROCs of every array of scores [N, L] with 95 % intervals, and of the differences (a, b) named in `drops`.

    Scores [N, L, D] are D draws of the same thing: theirs is the mean of the draws' AUROCs.

    Labels are 1, 0 and nan; a score of nan says that no model could be fitted, and its label is left out with that
    reason. No Finding has its own AUROC and no part in the macro. Without a label that is left every macro is null.
    """
    columns, left_out = _columns(labels_NL, names)
    unfitted = {i for i in columns if any(np.isnan(values[:, i]).any() for values in scores.values())}
    left_out |= {names[i]: UNFITTED for i in sorted(unfitted)}
    columns = [i for i in columns if i not in unfitted]
    averaged = [i for i in columns if i in macro_labels(labels_NL, names)[0]]
    ranks = {
        (key, i): [rank(labels_NL[:, i], draw_N) for draw_N in values[:, i].reshape(len(values), -1).T]
        for key, values in scores.items()
        for i in columns
    }

    def statistics(weights: np.ndarray | None) -> dict[Any, np.ndarray]:
        each: dict[Any, np.ndarray] = {
            key: np.mean([auroc_of(draw, weights) for draw in draws], axis=0) for key, draws in ranks.items()
        }
        if averaged:
            each |= {key: np.mean([each[key, i] for i in averaged], axis=0) for key in scores}
        found = dict(each)
        for a, b in drops:
            found |= {(a, b, i): each[a, i] - each[b, i] for i in columns}
            if averaged:
                found[a, b] = each[a] - each[b]
        return found

    values = statistics(None)
    resampled = bootstrap(statistics, patient_ids, resamples=RESAMPLES, seed=seed) if values else {}
    n, n_patients = len(labels_NL), len(set(patient_ids))

    def metric(key: object) -> Metric:
        if key not in values:
            return Metric(None, n=n, error=_why_none(left_out))
        value = float(values[key])
        if math.isnan(value):
            return Metric(None, n=n, error="not defined")
        return with_interval(value, resampled[key], n=n, n_patients=n_patients)

    return Aurocs(
        labels={key: {names[i]: metric((key, i)) for i in columns} for key in scores},
        macro={key: metric(key) for key in scores},
        drops={f"{a} - {b}": metric((a, b)) for a, b in drops},
        label_drops={f"{a} - {b}": {names[i]: metric((a, b, i)) for i in columns} for a, b in drops},
        positives={name: int((labels_NL[:, i] == 1).sum()) for i, name in enumerate(names)},
        negatives={name: int((labels_NL[:, i] == 0).sum()) for i, name in enumerate(names)},
        left_out=left_out,
    )


def _why_none(left_out: Mapping[str, str]) -> str:
    unfitted = [label for label, why in left_out.items() if why == UNFITTED]
    return f"{', '.join(unfitted[:3])}: {UNFITTED}" if unfitted else "no label has 10 positives and 10 negatives"


def _columns(labels_NL: np.ndarray, names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
    """Labels with 10 of each kind, No Finding among them."""
    supported, left_out = macro_labels(labels_NL, [f"label {i}" for i in range(len(names))])
    return supported, {names[int(key.removeprefix("label "))]: why for key, why in left_out.items()}


def low(metric: Metric, of: int = 1) -> float:
    """The lower end of its 95 % interval, widened where it is one `of` several that are judged (Bonferroni).

    -inf where there is no interval: what may be anything exceeds no bound.
    """
    if metric.value is None or metric.ci95 is None:
        return -math.inf
    wider = NormalDist().inv_cdf(1 - 0.025 / of) / Z95
    return metric.value - wider * (metric.value - metric.ci95[0])


def shown(metric: Metric) -> str:
    """0.712 [0.690, 0.733]"""
    if metric.value is None:
        return f"null ({metric.error})"
    interval = f" [{metric.ci95[0]:.3f}, {metric.ci95[1]:.3f}]" if metric.ci95 else ""
    return f"{metric.value:.3f}{interval}"
