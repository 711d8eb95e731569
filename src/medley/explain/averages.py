"""From values of single lesions to a score: the mean over the lesions of a label, then over the labels.

Only focal labels (`lesions.FOCAL`) with ten lesions or more are averaged; the rest are shown, and left out by name.
Patients are resampled for the intervals, never lesions: two lesions of one film are not two independent cases.

Shapes: P lesions, N cases, R resamples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from medley.core.counts import counted
from medley.evaluation import statistics
from medley.evaluation.statistics import NO_RESAMPLES, Metric
from medley.explain.lesions import FOCAL

MIN_LESIONS = 10  # of a label, to be in the mean


def scored_labels(labels: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The labels that are averaged, and why the others are not."""
    counts = Counter(labels)
    kept = [label for label in FOCAL if counts[label] >= MIN_LESIONS]
    why = {
        label: f"{counted(count, 'lesion')}, fewer than {MIN_LESIONS}" if label in FOCAL else "not focal"
        for label, count in counts.items()
        if label not in kept
    }
    return kept, why


def averaged(
    values: Mapping[str, np.ndarray], labels: Sequence[str], patient_ids: Sequence[str], *, resamples: int, seed: int
) -> tuple[dict[str, Metric], dict[str, dict[str, Metric]]]:
    """Overall and per label (label -> metric) of values [P], with intervals over resamples of the patients.

    Overall is None, with the reason, where no focal label has ten lesions.
    """
    kept, _ = scored_labels(labels)
    of_label, patients = np.array(labels), len(set(patient_ids))

    def statistic(weights_PR: np.ndarray) -> dict[tuple[str | None, str], np.ndarray]:
        found: dict[tuple[str | None, str], np.ndarray] = {}
        for label in sorted(set(labels)):
            here = of_label == label
            total_R = weights_PR[here].sum(0)
            for name, values_P in values.items():
                with np.errstate(invalid="ignore"):  # a resample without this label: nan, not 0
                    found[label, name] = values_P[here] @ weights_PR[here] / total_R
        for name in values if kept else ():
            found[None, name] = np.mean([found[label, name] for label in kept], axis=0)
        return found

    points = statistic(np.ones((len(labels), 1)))
    samples = statistics.bootstrap(statistic, patient_ids, resamples=resamples, seed=seed) if resamples else {}
    overall: dict[str, Metric] = {}
    per_label: dict[str, dict[str, Metric]] = {label: {} for label in sorted(set(labels))}
    for (label, name), point_1 in points.items():
        n = int(np.isin(of_label, kept if label is None else [label]).sum())
        metric = _metric(float(point_1[0]), samples.get((label, name)), n, patients)
        (overall if label is None else per_label[label])[name] = metric
    for name in values:
        overall.setdefault(name, Metric(None, error=f"no focal finding has {MIN_LESIONS} marked lesions"))
    return overall, per_label


def mean_over_cases(
    values: Mapping[str, np.ndarray], patient_ids: Sequence[str], *, resamples: int, seed: int
) -> dict[str, Metric]:
    """The plain mean of each metric's values [N], with intervals over resamples of the patients."""

    def statistic(weights_NR: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values_N @ weights_NR / weights_NR.sum(0) for name, values_N in values.items()}

    points = statistic(np.ones((len(patient_ids), 1)))
    samples = statistics.bootstrap(statistic, patient_ids, resamples=resamples, seed=seed) if resamples else {}
    patients = len(set(patient_ids))
    return {
        name: _metric(float(point_1[0]), samples.get(name), len(patient_ids), patients)
        for name, point_1 in points.items()
    }


def _metric(value: float, samples_R: np.ndarray | None, n: int, patients: int) -> Metric:
    if not np.isfinite(value):
        return Metric(None, None, n, "not defined for some lesions")
    if samples_R is None:
        return Metric(value, None, n, NO_RESAMPLES)
    return statistics.with_interval(value, samples_R, n=n, n_patients=patients)


def macro(values: Mapping[str, np.ndarray], labels: Sequence[str]) -> dict[str, float]:
    """metric -> mean over the labels that are averaged, of all labels where none is."""
    kept = scored_labels(labels)[0] or sorted(set(labels))
    of_label = np.array(labels)
    here = [np.flatnonzero(of_label == label) for label in kept]
    return {name: float(np.mean([values_P[some].mean() for some in here])) for name, values_P in values.items()}
