"""A scorecard on disk: JSON, tables, pictures and page, all made before the first is written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from medley.core.files import whole_file, write_text
from medley.core.records import Prediction
from medley.evaluation.scorecard.body import Example, scorecard_page
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.looks import look_of
from medley.evaluation.scorecard.written import written_examples
from medley.evaluation.statistics import Metric


def metrics_csv(card: Scorecard) -> str:
    """One line a metric: name, value, interval, cases, and why it or its interval is missing."""
    header = ("metric", "value", "ci95_low", "ci95_high", "n", "error")
    return _csv(header, [(name, *_cells(metric)) for name, metric in card.metrics.items()])


def per_label_csv(card: Scorecard) -> str:
    """One line for each head, label and metric, with the label's support and threshold, and how many reports say it."""
    header = ("head", "label", "positives", "negatives", "unknown", "threshold", "said")
    rows = [
        (head, label, of.positives, of.negatives, of.unknown, of.threshold, of.said, name, *_cells(metric))
        for head, labels in card.per_label.items()
        for label, of in labels.items()
        for name, metric in of.metrics.items()
    ]
    return _csv((*header, "metric", "value", "ci95_low", "ci95_high", "n", "error"), rows)


def by_report_csv(card: Scorecard) -> str:
    """One line a study: its id, and what its report alone scores in the metrics that are means over reports."""
    names = list(next(iter(card.by_case.values())))
    return _csv(("case_id", *names), [(case_id, *of.values()) for case_id, of in card.by_case.items()])


def _cells(metric: Metric) -> tuple:
    low, high = metric.ci95 or (None, None)
    return metric.value, low, high, metric.n, metric.error


def _csv(header: tuple, rows: list[tuple]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write_scorecard(
    card: Scorecard,
    out_dir: Path | str,
    predictions: Sequence[Prediction],
    examples: Sequence[Example] = (),
    pictures: Mapping[str, bytes] | None = None,
) -> Path:
    """Write scorecard.json, metrics.csv, per_label.csv, a PNG for each picture, and scorecard.html; of reports also
    by_report.csv.

    `predictions` are those that the card was made of: curves and written examples are taken from them, and `pictures`,
    where they are not drawn yet. `examples` are maps over films with a sentence each, for the page.
    Everything is made before the first file is written. Returns the path of the page.
    """
    out_dir = Path(out_dir)
    pictures = look_of(card.task).pictures(predictions, card) if pictures is None else pictures
    page = scorecard_page(card, pictures, examples, written_examples(predictions, card))
    content = json.dumps(card.as_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name, picture in pictures.items():
        with whole_file(out_dir / f"{name}.png") as temporary:
            temporary.write_bytes(picture)
    write_text(out_dir / "metrics.csv", metrics_csv(card))
    write_text(out_dir / "per_label.csv", per_label_csv(card))
    if card.by_case:
        write_text(out_dir / "by_report.csv", by_report_csv(card))
    else:  # of another scorecard, written here before
        (out_dir / "by_report.csv").unlink(missing_ok=True)
    write_text(out_dir / "scorecard.html", page)
    write_text(out_dir / "scorecard.json", content)
    return out_dir / "scorecard.html"
