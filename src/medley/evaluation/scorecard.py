"""The scorecard: what a system scored, on what, against which floors, and what could not be computed and why.

`protocol` says what was measured and must match where two scorecards are compared; `provenance` says who ran it and
may differ. Files are written whole, `scorecard.json` last, so that its presence means that all are there.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, nearest
from medley.core.files import read_json, whole_file, write_text
from medley.core.records import Prediction
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


def metrics_csv(card: Scorecard) -> str:
    """One line a metric: name, value, interval, cases, and why it or its interval is missing."""
    header = ("metric", "value", "ci95_low", "ci95_high", "n", "error")
    return _csv(header, [(name, *_cells(metric)) for name, metric in card.metrics.items()])


def per_label_csv(card: Scorecard) -> str:
    """One line for each head, label and metric, with the label's support and threshold."""
    header = ("head", "label", "positives", "negatives", "unknown", "threshold")
    rows = [
        (head, label, scores.positives, scores.negatives, scores.unknown, scores.threshold, name, *_cells(metric))
        for head, labels in card.per_label.items()
        for label, scores in labels.items()
        for name, metric in scores.metrics.items()
    ]
    return _csv((*header, "metric", "value", "ci95_low", "ci95_high", "n", "error"), rows)


def _cells(metric: Metric) -> tuple:
    low, high = metric.ci95 or (None, None)
    return metric.value, low, high, metric.n, metric.error


def _csv(header: tuple, rows: list[tuple]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write_scorecard(card: Scorecard, out_dir: Path | str, predictions: Sequence[Prediction]) -> Path:
    """Write scorecard.json, metrics.csv, per_label.csv, roc.png, pr.png, reliability.png and scorecard.html.

    `predictions` are those that the card was made of: the curves are drawn from them. Everything is made before the
    first file is written. Returns the path of the page.
    """
    from medley.evaluation.pictures import finding_pictures
    from medley.evaluation.scorecard_page import scorecard_page

    out_dir = Path(out_dir)
    pictures = finding_pictures(predictions, card)
    page = scorecard_page(card, pictures)
    content = json.dumps(card.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name, picture in pictures.items():
        with whole_file(out_dir / f"{name}.png") as temporary:
            temporary.write_bytes(picture)
    write_text(out_dir / "metrics.csv", metrics_csv(card))
    write_text(out_dir / "per_label.csv", per_label_csv(card))
    write_text(out_dir / "scorecard.html", page)
    write_text(out_dir / "scorecard.json", content)
    return out_dir / "scorecard.html"
