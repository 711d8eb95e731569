"""The picture of an answer, for the command line, the demo and the page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from medley.core.files import whole_file
from medley.core.labels import NO_FINDING
from medley.explain.render import Bar, overview
from medley.serving.schemas import Answer

_HEATMAPS = 4
_LESION = "Lesion"
_STAND_IN = "?"


def draw_answer(answer: Answer, note: str | None, truth: Mapping[str, float] | None = None) -> bytes:
    """PNG: films, note, bars with thresholds, heat maps of the findings that come nearest to their thresholds, and the
    report where one was written; of a volume its slices instead of films.

    Characters that the font lacks are drawn as a question mark (see `not_drawn`).
    """
    if answer.volume is not None:
        return _png(_volume_figure(answer, truth))
    alone = {f.label: None if f.delta_from_note is None else f.probability_image_only for f in answer.findings}
    bars = [Bar(_drawn(f.label), f.probability, f.threshold, alone[f.label]) for f in answer.findings]
    ranked = sorted(answer.findings, key=lambda f: f.probability - (f.threshold or 0.5), reverse=True)
    shown = [f.label for f in ranked if f.label != NO_FINDING][:_HEATMAPS]
    figure = overview(
        [one.display for one in answer.films],
        bars,
        {_drawn(label): answer.heatmaps[label] for label in shown},
        None if note is None else _drawn(note),
        _drawn(answer.prediction.case_id),
        truth and {_drawn(label): value for label, value in truth.items()},
        [_drawn(line) for line in _written(answer)],
    )
    return _png(figure)


def _volume_figure(answer: Answer, truth: Mapping[str, float] | None) -> Any:
    """A brain's slices, where its lesion is seen, bars and report."""
    from medley.explain.volumes.overview import volume_overview

    assert answer.volume is not None
    bars = [Bar(_drawn(f.label), f.probability, f.threshold, None) for f in answer.findings]
    seen = answer.heatmaps.get(_LESION)
    return volume_overview(
        answer.volume.display,
        bars,
        seen[0] if seen else None,
        _drawn(answer.prediction.case_id),
        truth and {_drawn(label): value for label, value in truth.items()},
        [_drawn(line) for line in _written(answer)],
    )


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _written(answer: Answer) -> list[str]:
    sections = [f"{name.capitalize()}: {text}" for name, text in answer.prediction.hypothesis.items()]
    return sections + [f"Look again: {flag.sentence}." for flag in answer.flags]


def save_answer_picture(answer: Answer, note: str | None, path: Path) -> Answer:
    """`draw_answer` to a file; returns the answer with a warning where the picture cannot show all of its text."""
    with whole_file(path) as temporary:
        temporary.write_bytes(draw_answer(answer, note))
    lost = not_drawn(note or "") + not_drawn(answer.prediction.case_id)
    if not lost:
        return answer
    remark = f"the picture's font lacks {lost} of the characters of note and name, which stand in it as '{_STAND_IN}'"
    return replace(answer, warnings=(*answer.warnings, f"{remark}; the model read the note as it is"))


def not_drawn(text: str) -> int:
    """How many characters of the text the picture's font lacks."""
    return sum(not _in_font(character) for character in text)


def _drawn(text: str) -> str:
    """The text as matplotlib draws it: no character that its font lacks, and no formula between two dollars."""
    return "".join(c if _in_font(c) else _STAND_IN for c in text).replace("$", r"\$")


@cache
def _in_font(character: str) -> bool:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return character.isspace() or get_font(findfont(FontProperties())).get_char_index(ord(character)) != 0
