"""The scorecard: what a system scored, on what, against which floors, and what could not be computed and why.

`protocol` says what was measured and must match where two scorecards are compared; `provenance` says who ran it and
may differ. Files are written whole, `scorecard.json` last, so that its presence means that all are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, nearest
from medley.core.files import read_json
from medley.evaluation.statistics import Metric


@dataclass(frozen=True)
class Protocol:
    """What was measured. None means that nobody stated it, which the scorecard warns of."""

    reader: str | None = None  # how the dataset was read, or the name of the cohort
    table: str | None = None  # digest of the case table
    split: str | None = None  # hash of the split manifest
    part: str | None = None  # the part that is scored
    label_policy: str | None = None  # what uncertain and blank labels became
    notes: str | None = None  # the regime of the notes: none, real, sim with its strength
    text_cleaning: str | None = None
    section: str | None = None
    aggregation: str | None = None  # how the images of a study became one score
    synthetic: bool = False  # made from a generated cohort: the page is stamped


@dataclass(frozen=True)
class Reliability:
    """What was said against what happened, in bins of rising score that hold as many cases each as ties allow."""

    said: tuple[float, ...]  # mean score of the bin
    happened: tuple[float, ...]  # share of positives in it
    cases: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        return {name: list(values) for name, values in vars(self).items()}


@dataclass(frozen=True)
class LabelScores:
    """One label of one head: its support, the threshold it was called at, and its metrics by name.

    `reliability` holds the bins of the `raw` scores and, where there is a calibration, of the `calibrated` ones.
    A label that is read from reports has no threshold; `said` is how many of them say it.
    """

    positives: int
    negatives: int
    unknown: int
    threshold: float | None
    metrics: Mapping[str, Metric]
    reliability: Mapping[str, Reliability] = field(default_factory=dict)
    said: int | None = None

    def as_json(self) -> dict[str, Any]:
        metrics = {name: metric.as_json() for name, metric in self.metrics.items()}
        bins = {name: reliability.as_json() for name, reliability in self.reliability.items()}
        return {**vars(self), "metrics": metrics, "reliability": bins}


@dataclass(frozen=True)
class Subgroup:
    """The system's answer on some of the patients. `labels` are those whose support lets them into its averages."""

    studies: int
    patients: int
    labels: tuple[str, ...]
    metrics: Mapping[str, Metric]  # averages as for all patients; `auroc/<label>`, recall and specificity beside them

    def as_json(self) -> dict[str, Any]:
        metrics = {name: metric.as_json() for name, metric in self.metrics.items()}
        return {**vars(self), "labels": list(self.labels), "metrics": metrics}


@dataclass(frozen=True)
class Gap:
    """How far two subgroups lie apart in one metric, over the labels that have support in both of them.

    The interval of `difference` (better minus worse) holds for all pairs of the axis at once. Where there are no two
    to hold against each other, both are None and `difference` says why.
    """

    better: str | None
    worse: str | None
    labels: tuple[str, ...]
    difference: Metric

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "labels": list(self.labels), "difference": self.difference.as_json()}


@dataclass(frozen=True)
class Axis:
    """One way to part the patients: by sex, by age band, by view, by source."""

    groups: Mapping[str, Subgroup]
    not_stated: int  # studies whose prediction does not say to which group they belong: in no group
    largest_gap: Mapping[str, Gap] = field(default_factory=dict)  # metric -> the two groups that lie furthest apart

    def as_json(self) -> dict[str, Any]:
        return {
            "groups": {name: group.as_json() for name, group in self.groups.items()},
            "not_stated": self.not_stated,
            "largest_gap": {name: gap.as_json() for name, gap in self.largest_gap.items()},
        }


@dataclass(frozen=True)
class Scorecard:
    """The content of `scorecard.json`. Metric names without a prefix are the system's answer (the fused head).

    Floors are poorer answers, which a system should be above; `ceilings` know the truth, and are only looked up to.
    """

    task: str
    protocol: Mapping[str, Any]
    provenance: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    floors: Mapping[str, Mapping[str, float | None]]
    per_label: Mapping[str, Mapping[str, LabelScores]]  # head -> label -> scores
    subgroups: Mapping[str, Axis] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    ceilings: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    # case_id -> metric -> its value for this case alone, where the metric is their mean: a table of its own, not JSON
    by_case: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The card as plain JSON values."""
        return {
            "task": self.task,
            "protocol": dict(self.protocol),
            "provenance": dict(self.provenance),
            "metrics": {name: metric.as_json() for name, metric in self.metrics.items()},
            "floors": {name: dict(floor) for name, floor in self.floors.items()},
            "ceilings": {name: dict(ceiling) for name, ceiling in self.ceilings.items()},
            "per_label": {
                head: {label: scores.as_json() for label, scores in labels.items()}
                for head, labels in self.per_label.items()
            },
            "subgroups": {name: axis.as_json() for name, axis in self.subgroups.items()},
            "warnings": list(self.warnings),
        }


def read_scorecard(path: Path | str) -> Scorecard:
    """Read `scorecard.json`, or the one in a folder. Raises MedleyError naming the file and what it lacks."""
    path = Path(path)
    path = path / "scorecard.json" if path.is_dir() else path
    content = read_json(path)
    keys = [item.name for item in fields(Scorecard) if item.name != "by_case"]
    if not isinstance(content, dict):
        raise MedleyError(f"{path} is not a scorecard: it must be an object with {', '.join(keys)}")
    for key in content:
        if key not in keys:
            raise MedleyError(f"{path}: unknown key '{key}'{nearest(key, keys)}")
    if missing := [key for key in keys if key not in (*content, "ceilings")]:
        raise MedleyError(f"{path} is not a scorecard: it lacks {', '.join(missing)}")
    try:
        return Scorecard(
            task=content["task"],
            protocol=content["protocol"],
            provenance=content["provenance"],
            metrics=_metrics(content["metrics"]),
            floors=content["floors"],
            per_label={
                head: {label: _label_scores(scores) for label, scores in labels.items()}
                for head, labels in content["per_label"].items()
            },
            subgroups={name: _axis(axis) for name, axis in content["subgroups"].items()},
            warnings=tuple(content["warnings"]),
            ceilings=content.get("ceilings", {}),  # which cards of findings lacked once
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise MedleyError(f"{path} is not a scorecard as this version writes it: {error!r}; score again") from error


def _metric(content: Mapping[str, Any]) -> Metric:
    ci95 = content["ci95"]
    return Metric(content["value"], None if ci95 is None else (ci95[0], ci95[1]), content["n"], content["error"])


def _metrics(content: Mapping[str, Any]) -> dict[str, Metric]:
    return {name: _metric(value) for name, value in content.items()}


def _label_scores(content: Mapping[str, Any]) -> LabelScores:
    bins = {
        name: Reliability(**{key: tuple(values) for key, values in bins.items()})
        for name, bins in content.get("reliability", {}).items()
    }
    return LabelScores(**{**content, "metrics": _metrics(content["metrics"]), "reliability": bins})


def _axis(content: Mapping[str, Any]) -> Axis:
    groups = {
        name: Subgroup(**{**group, "labels": tuple(group["labels"]), "metrics": _metrics(group["metrics"])})
        for name, group in content["groups"].items()
    }
    gaps = {
        name: Gap(**{**gap, "labels": tuple(gap["labels"]), "difference": _metric(gap["difference"])})
        for name, gap in content["largest_gap"].items()
    }
    return Axis(groups, content["not_stated"], gaps)
