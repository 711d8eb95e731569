"""The picture of an answer, for the command line, the demo and the page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from medley.core.files import whole_file
from medley.core.labels import NO_FINDING
from medley.explain.render import Bar, overview
from medley.serving.schemas import Answer

_HEATMAPS = 4


def draw_answer(answer: Answer, note: str | None, truth: Mapping[str, float] | None = None) -> bytes:
    """PNG: films, note, bars with thresholds, and heat maps of the findings that come nearest to their thresholds."""
    bars = [Bar(f.label, f.probability, f.threshold, f.probability_image_only) for f in answer.findings]
    ranked = sorted(answer.findings, key=lambda f: f.probability - (f.threshold or 0.5), reverse=True)
    shown = [f.label for f in ranked if f.label != NO_FINDING][:_HEATMAPS]
    figure = overview(
        [one.display for one in answer.films],
        bars,
        {label: answer.heatmaps[label] for label in shown},
        note,
        answer.prediction.case_id,
        truth,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def save_answer_picture(answer: Answer, note: str | None, path: Path) -> None:
    """`draw_answer` to a file."""
    with whole_file(path) as temporary:
        temporary.write_bytes(draw_answer(answer, note))
