"""How the scorecard of each task is shown: its title, first line, body and pictures. The frame is one (`body`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from medley.core.errors import choose
from medley.core.records import Prediction
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.findings_body import findings_body
from medley.evaluation.scorecard.findings_headline import findings_headline
from medley.evaluation.scorecard.pictures import finding_pictures
from medley.evaluation.scorecard.report_body import report_body
from medley.evaluation.scorecard.report_headline import report_headline
from medley.evaluation.scorecard.report_kinds import KINDS
from medley.evaluation.scorecard.report_pictures import report_pictures


class Look(NamedTuple):
    """What a task shows of its card."""

    title: str
    headline: Callable[[Scorecard], str]
    body: Callable[[Scorecard, Mapping[str, bytes]], list[str]]  # HTML, piece by piece
    pictures: Callable[[Sequence[Prediction], Scorecard], dict[str, bytes]]


LOOKS = {
    "chest_findings": Look("Scorecard: findings on chest films", findings_headline, findings_body, finding_pictures),
    **{task: Look(kind.title, report_headline, report_body, report_pictures) for task, kind in KINDS.items()},
}


def look_of(task: str) -> Look:
    """The look of a task. Raises MedleyError for one that has none."""
    return choose(task, LOOKS, "task of a scorecard")
