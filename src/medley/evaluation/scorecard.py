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
class LabelScores:
    """One label of one head: its support, the threshold it was called at, and its metrics by name."""

    positives: int
    negatives: int
    unknown: int
    threshold: float | None
    metrics: Mapping[str, Metric]

    def as_json(self) -> dict[str, Any]:
        metrics = {name: metric.as_json() for name, metric in self.metrics.items()}
        return {**vars(self), "metrics": metrics}


@dataclass(frozen=True)
class Scorecard:
    """The content of `scorecard.json`. Metric names without a prefix are the system's answer (the fused head)."""

    task: str
    protocol: Mapping[str, Any]
    provenance: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    floors: Mapping[str, Mapping[str, float | None]]
    per_label: Mapping[str, Mapping[str, LabelScores]]  # head -> label -> scores
    subgroups: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The card as plain JSON values."""
        return {
            "task": self.task,
            "protocol": dict(self.protocol),
            "provenance": dict(self.provenance),
            "metrics": {name: metric.as_json() for name, metric in self.metrics.items()},
            "floors": {name: dict(floor) for name, floor in self.floors.items()},
            "per_label": {
                head: {label: scores.as_json() for label, scores in labels.items()}
                for head, labels in self.per_label.items()
            },
            "subgroups": dict(self.subgroups),
            "warnings": list(self.warnings),
        }


def read_scorecard(path: Path | str) -> Scorecard:
    """Read `scorecard.json`, or the one in a folder. Raises MedleyError naming the file and what it lacks."""
    path = Path(path)
    path = path / "scorecard.json" if path.is_dir() else path
    content = read_json(path)
    keys = [item.name for item in fields(Scorecard)]
    if not isinstance(content, dict):
        raise MedleyError(f"{path} is not a scorecard: it must be an object with {', '.join(keys)}")
    for key in content:
        if key not in keys:
            raise MedleyError(f"{path}: unknown key '{key}'{nearest(key, keys)}")
    if missing := [key for key in keys if key not in content]:
        raise MedleyError(f"{path} is not a scorecard: it lacks {', '.join(missing)}")
    try:
        return Scorecard(
            task=content["task"],
            protocol=content["protocol"],
            provenance=content["provenance"],
            metrics={name: _metric(value) for name, value in content["metrics"].items()},
            floors=content["floors"],
            per_label={
                head: {label: _label_scores(scores) for label, scores in labels.items()}
                for head, labels in content["per_label"].items()
            },
            subgroups=content["subgroups"],
            warnings=tuple(content["warnings"]),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise MedleyError(f"{path} is not a scorecard as this version writes it: {error!r}; score again") from error


def _metric(content: Mapping[str, Any]) -> Metric:
    ci95 = content["ci95"]
    return Metric(content["value"], None if ci95 is None else (ci95[0], ci95[1]), content["n"], content["error"])


def _label_scores(content: Mapping[str, Any]) -> LabelScores:
    metrics = {name: _metric(value) for name, value in content["metrics"].items()}
    return LabelScores(**{**content, "metrics": metrics})
