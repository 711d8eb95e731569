"""The system's answer by sex, age band, view and source: whom it serves worse, and how surely.

All subgroups see the same resamples of the patients, so the difference of two is paired. The averages of two subgroups
are not to be held against each other, for they may be over different labels: each subgroup names its own, and
`largest_gap` compares two over the labels that have support in both.

Shapes: N studies, R resamples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from medley.core.counts import counted
from medley.core.records import Prediction
from medley.evaluation import statistics
from medley.evaluation.classification import macro_labels
from medley.evaluation.findings.labels import mean_reference, proportions
from medley.evaluation.findings.metrics import Values, Weighted, fitted_metrics, ranked_metrics
from medley.evaluation.findings.reasons import as_metrics
from medley.evaluation.fitted.usable import Fits, no_fits
from medley.evaluation.predictions.arrays import Table
from medley.evaluation.scorecard.card import Axis, Gap, Subgroup
from medley.evaluation.statistics import NO_RESAMPLES, Metric

AGE_BANDS = {"0-17": 18, "18-39": 40, "40-59": 60, "60-79": 80, "80+": 121}  # band -> the first age beyond it
SMALL = 50  # studies: smaller subgroups are shown, with a warning, and held against no other
MOST = 12  # subgroups of an axis; beyond them the smallest are put together
AVERAGES = (
    *("auroc_macro", "ap_macro", "f1_macro", "recall_macro", "specificity_macro"),
    *("ece", "brier", "ece_calibrated", "brier_calibrated"),
)
GAPS = ("auroc", "recall", "specificity")  # unlike precision and F1 they do not move with the share of the ill
OTHER = "other"
IMAGE_VIEW = "image_view"


@dataclass(frozen=True)
class _Part:
    """The rows of one subgroup, and its metrics as functions of the weights of all studies."""

    table: Table
    columns: list[int]  # the labels with support in it
    fits: Fits
    patients: int
    weighted: tuple[Weighted, ...]

    @property
    def studies(self) -> int:
        return len(np.unique(self.table.study_N))

    def values(self, weights_SR: np.ndarray) -> Values:
        """What the scorecard shows of a subgroup, and what its gaps are made of."""
        return {
            (label, metric): values_R
            for of in self.weighted
            for (label, metric), values_R in of(weights_SR).items()
            if metric in (AVERAGES if label is None else GAPS)
        }


@dataclass(frozen=True)
class _Measured:
    """A subgroup with its values on all of its cases, and on the resamples."""

    part: _Part
    points: Values
    samples: Values


def subgroups(
    predictions: Sequence[Prediction], table: Table, fits: Fits, images: Table | None, *, bootstrap: int, seed: int
) -> tuple[dict[str, Axis], list[str]]:
    """(axis -> subgroups of this head's table, warnings). `bootstrap` is the number of resamples, 0 for no intervals.

    A study whose prediction does not state its group stands in none of that axis; how many these are is said. The axis
    `image_view` is image by image, where there are images, and so has no metrics at the thresholds of studies.
    """
    patient_ids = [prediction.patient_id for prediction in predictions]
    parts: dict[tuple[str, str], _Part] = {}
    not_stated: dict[str, int] = {}
    for axis, group_of in AXES.items():
        groups = [group_of(prediction.group) for prediction in predictions]
        not_stated[axis] = groups.count(None)
        for name, rows in members_of(groups).items():
            parts[axis, name] = _part(table, fits, rows, patient_ids)
    if images is not None:
        views = [str(image.get("view", "UNKNOWN")) for prediction in predictions for image in prediction.images]
        not_stated[IMAGE_VIEW] = 0
        for name, rows in members_of(views).items():
            parts[IMAGE_VIEW, name] = _part(images, None, rows, patient_ids)

    def of_weights(weights_SR: np.ndarray) -> dict[tuple[str, str, str | None, str], np.ndarray]:
        return {
            (*key, *of): values_R for key, part in parts.items() for of, values_R in part.values(weights_SR).items()
        }

    samples: dict[tuple[str, str], Values] = {key: {} for key in parts}
    if bootstrap and parts:
        drawn = statistics.bootstrap(of_weights, patient_ids, resamples=bootstrap, seed=seed)
        for (axis, name, label, metric), values_R in drawn.items():
            samples[axis, name][label, metric] = values_R
    everybody = np.ones((len(predictions), 1))
    measured = {key: _Measured(part, part.values(everybody), samples[key]) for key, part in parts.items()}

    found: dict[str, Axis] = {}
    for axis in not_stated:
        here = {name: one for (of, name), one in measured.items() if of == axis}
        gaps = {f"{metric}_macro": _largest_gap(metric, here) for metric in (GAPS if axis != IMAGE_VIEW else GAPS[:1])}
        found[axis] = Axis({name: _scored(one, seed) for name, one in here.items()}, not_stated[axis], gaps)
    return found, subgroup_warnings(predictions, found, len(macro_labels(table.labels_NL, table.names)[0]))


def age_band(age_years: Any) -> str | None:
    """The band of an age in years; None for what is no age between 0 and 120."""
    number = isinstance(age_years, int | float | np.number) and not isinstance(age_years, bool)
    if not number or not 0 <= age_years < AGE_BANDS["80+"]:
        return None
    return next(band for band, beyond in AGE_BANDS.items() if age_years < beyond)


def _stated(key: str) -> Callable[[Mapping[str, Any]], str | None]:
    return lambda group: None if group.get(key) in (None, "") else str(group[key])


AXES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "sex": _stated("sex"),
    "age": lambda group: age_band(group.get("age_years")),
    "view": _stated("view"),
    "source": _stated("source"),
}


def members_of(groups: Sequence[str | None]) -> dict[str, np.ndarray]:
    """group -> its rows [n], by name; of more than 12 groups the smallest together as `other`."""
    counts = Counter(group for group in groups if group is not None)
    if len(counts) > MOST:
        kept = {name for name, _ in counts.most_common(MOST - 1)}
        together = f"{OTHER} ({len(counts) - len(kept)})"
        groups = [group if group is None or group in kept else together for group in groups]
    names = sorted({group for group in groups if group is not None})
    return {name: np.array([row for row, group in enumerate(groups) if group == name]) for name in names}


def _part(table: Table, fits: Fits | None, rows: np.ndarray, patient_ids: Sequence[str]) -> _Part:
    own = Table(table.names, table.labels_NL[rows], table.scores_NL[rows], table.study_N[rows])
    columns, _ = macro_labels(own.labels_NL, own.names)
    weighted: tuple[Weighted, ...] = (ranked_metrics(own, columns),)
    if fits is not None:
        weighted += (fitted_metrics(own, columns, fits.rows(rows)),)
    patients = len({patient_ids[study] for study in own.study_N})
    return _Part(own, columns, no_fits(own) if fits is None else fits.rows(rows), patients, weighted)


def _scored(one: _Measured, seed: int) -> Subgroup:
    """The subgroup as the scorecard holds it. Of few cases ece is large even where all is well: hence its reference."""
    part = one.part
    measured = as_metrics(one.points, one.samples, part.table, part.columns, part.fits, part.patients)
    metrics = {metric if label is None else f"{metric}/{label}": value for (label, metric), value in measured.items()}
    for name, scores_NL in (("ece", part.table.scores_NL), ("ece_calibrated", part.fits.calibrated_NL)):
        if name in metrics:
            columns = part.fits.columns(name, part.columns)
            metrics[f"{name}_if_calibrated"] = mean_reference(part.table, scores_NL, columns, metrics[name], seed)
    for i, label in enumerate(part.table.names):
        if (label, "recall") in one.points:
            threshold, why = part.fits.thresholds_L[i], part.fits.no_threshold.get(label)
            of_label = proportions(part.table.labels_NL[:, i], part.table.scores_NL[:, i], threshold, why)
            metrics |= {f"{name}/{label}": of_label[name] for name in ("recall", "specificity")}
    labels = tuple(part.table.names[i] for i in part.columns)
    return Subgroup(studies=part.studies, patients=part.patients, labels=labels, metrics=metrics)


def _largest_gap(metric: str, groups: Mapping[str, _Measured]) -> Gap:
    """The two subgroups that lie furthest apart in the mean of a metric over the labels they share, and by how much.

    As they are the widest of several pairs, the interval is widened to hold for all of these at once (Bonferroni).
    """
    large = {name: one for name, one in groups.items() if one.part.studies >= SMALL}
    if len(large) < 2:
        return _no_gap(f"fewer than two subgroups of {SMALL} studies")
    pairs: list[tuple[str, str, list[str], float]] = []  # better, worse, labels, difference
    lacking: str | None = None
    for one, other in combinations(large, 2):
        part, columns = large[one].part, large[other].part.columns
        labels = [part.table.names[i] for i in part.columns if i in columns]
        lacking = lacking or next(filter(None, (part.fits.why_not(metric, label) for label in labels)), None)
        labels = [label for label in labels if part.fits.why_not(metric, label) is None]
        if labels:
            apart = float(_difference(large[one].points, large[other].points, labels, metric)[0])
            pairs.append((one, other, labels, apart) if apart >= 0 else (other, one, labels, -apart))
    if not pairs:
        return _no_gap(lacking or "no label has support in two subgroups")
    better, worse, labels, apart = max(pairs, key=lambda pair: pair[-1])
    n = large[better].part.studies + large[worse].part.studies
    if not large[better].samples:
        return Gap(better, worse, tuple(labels), Metric(apart, None, n, NO_RESAMPLES))
    samples_R = _difference(large[better].samples, large[worse].samples, labels, metric)
    patients = large[better].part.patients + large[worse].part.patients
    difference = statistics.with_interval(apart, samples_R, n=n, n_patients=patients)
    if difference.ci95 is not None:
        tail = 2.5 / len(pairs)
        low, high = np.percentile(samples_R[np.isfinite(samples_R)], (tail, 100 - tail))
        difference = replace(difference, ci95=(float(low), float(high)))
    return Gap(better, worse, tuple(labels), difference)


def _no_gap(why: str) -> Gap:
    return Gap(None, None, (), Metric(None, error=why))


def _difference(one: Values, other: Values, labels: Sequence[str], metric: str) -> np.ndarray:
    """Mean difference over the labels, [R]."""
    return np.mean([one[label, metric] - other[label, metric] for label in labels], axis=0)


def subgroup_warnings(predictions: Sequence[Prediction], axes: Mapping[str, Axis], n_labels: int) -> list[str]:
    """Which subgroups are small, whose averages miss labels, and who is in none."""
    warnings: list[str] = []
    if silent := [axis for axis, of in axes.items() if not of.groups]:
        warnings.append(f"no subgroups by {', '.join(silent)}: no prediction states them")
    for axis, of in axes.items():
        if of.groups and of.not_stated:
            warnings.append(f"subgroups by {axis} leave out {counted(of.not_stated, 'study')}: theirs is not stated")
        small = [f"{name} ({group.studies})" for name, group in of.groups.items() if group.studies < SMALL]
        if small:
            named = ", ".join(small)
            warnings.append(f"subgroups by {axis}: fewer than {SMALL} studies, too few to conclude from: {named}")
        kept = {name: len(group.labels) for name, group in of.groups.items()}
        if fewer := [f"{name} ({count} of {n_labels})" for name, count in kept.items() if count < n_labels]:
            warnings.append(f"subgroups by {axis}: averages that lack labels, for want of support: {', '.join(fewer)}")
    ages = [(p.case_id, p.group["age_years"]) for p in predictions if p.group.get("age_years") is not None]
    bad = [(case_id, age) for case_id, age in ages if age_band(age) is None and age == age]  # nan: not known
    if bad:
        first = f"first case '{bad[0][0]}' with {bad[0][1]!r:.30}"
        warnings.append(f"{counted(len(bad), 'study')} with an age_years that is no age from 0 to 120: {first}")
    return warnings
