"""A report system by sex, age band, view and source: whom it serves worse.

A subgroup is the same statistics with the weights of all other studies at 0, so all of them see one set of resamples.
No gap is taken between two: F1 and likeness of words move with how many of a group are ill.

Shapes: N studies, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medley.core.records import Prediction
from medley.evaluation import statistics
from medley.evaluation.findings.subgroups import AXES, members_of, subgroup_warnings
from medley.evaluation.reports.statistics import ReportStatistics
from medley.evaluation.scorecard.card import Axis, Subgroup
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.evaluation.statistics import NO_RESAMPLES, Metric, with_interval


def report_subgroups(
    predictions: Sequence[Prediction], system: ReportStatistics, *, resamples: int, seed: int
) -> tuple[dict[str, Axis], list[str]]:
    """(axis -> subgroups, warnings); `resamples` 0 for no intervals. A study that states no group is in none."""
    kind = kind_of(predictions[0].task)
    groups = {axis: [group_of(one.group) for one in predictions] for axis, group_of in AXES.items()}
    rows = {(axis, name): rows for axis, of in groups.items() for name, rows in members_of(of).items()}

    def of_weights(weights_NR: np.ndarray) -> dict[tuple[str, str, str], np.ndarray]:
        values: dict[tuple[str, str, str], np.ndarray] = {}
        for (axis, name), members in rows.items():
            here_NR = np.zeros_like(weights_NR)
            here_NR[members] = weights_NR[members]
            of_group = system.weighted(here_NR)
            values |= {(axis, name, metric): of_group[metric] for metric in kind.by_group}
        return values

    points = of_weights(np.ones((len(predictions), 1)))
    drawn = resamples > 0 and bool(rows)
    samples = statistics.bootstrap(of_weights, system.patient_ids, resamples=resamples, seed=seed) if drawn else {}
    parted: dict[str, dict[str, Subgroup]] = {axis: {} for axis in groups}
    for (axis, name), members in rows.items():
        patients = len({system.patient_ids[row] for row in members})
        metrics = {}
        for metric in kind.by_group:
            value = float(points[axis, name, metric][0])
            if np.isnan(value):
                metrics[metric] = Metric(None, None, len(members), "no study of this group gives it a value")
            elif not samples:
                metrics[metric] = Metric(value, None, len(members), NO_RESAMPLES)
            else:
                drawn_R = samples[axis, name, metric]
                metrics[metric] = with_interval(value, drawn_R, n=len(members), n_patients=patients)
        parted[axis][name] = Subgroup(len(members), patients, kind.labels, metrics)
    found = {axis: Axis(of, groups[axis].count(None)) for axis, of in parted.items()}
    return found, subgroup_warnings(predictions, found, len(kind.labels))
