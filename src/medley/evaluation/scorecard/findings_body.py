"""The part of the page that is about findings: floors, averages, label by label, calibration, subgroups."""

from __future__ import annotations

from collections.abc import Mapping

from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard import tables as scorecard_tables
from medley.evaluation.scorecard import words as scorecard_words
from medley.evaluation.scorecard.calibrated import calibration_said
from medley.evaluation.scorecard.card import Scorecard


def findings_body(card: Scorecard, pictures: Mapping[str, bytes]) -> list[str]:
    """HTML, piece by piece; `pictures` as `finding_pictures` makes them."""
    body: list[str] = []
    if card.floors:
        body += [page.heading("Against its floors"), page.paragraph(scorecard_words.FLOORS_INTRO)]
        body += [scorecard_tables.floors_table(card), _figures(pictures, "floors")]
    body += [page.heading("On average"), page.paragraph(scorecard_words.AVERAGES_INTRO)]
    body += [scorecard_tables.averages_table(card), *map(page.paragraph, scorecard_tables.differences(card))]
    body += [page.heading("Label by label"), page.paragraph(scorecard_words.LABELS_INTRO)]
    body += [scorecard_tables.labels_table(card), _figures(pictures, "labels")]
    body.append(page.folded("AUROC of each label beside its floors", scorecard_tables.labels_beside_floors(card)))
    body.append(_figures(pictures, "roc", "pr"))
    body += [page.heading("Can its probabilities be believed?"), page.paragraph(scorecard_words.CALIBRATION_INTRO)]
    if effect := calibration_said(card.per_label[FUSED]):
        body.append(page.paragraph(effect[1]))
    body += [scorecard_tables.calibration_table(card), _figures(pictures, "reliability")]
    return [*body, *_subgroups(card)]


def _figures(pictures: Mapping[str, bytes], *names: str) -> str:
    return page.figures(pictures, scorecard_words.CAPTIONS, scorecard_words.ALTS, *names)


def _subgroups(card: Scorecard) -> list[str]:
    shown = {name: axis for name, axis in card.subgroups.items() if len(axis.groups) > 1}
    if not shown:
        return []
    body = [page.heading("For whom is it better or worse?"), page.paragraph(scorecard_words.SUBGROUPS_INTRO)]
    for name, axis in shown.items():
        words = scorecard_words.SUBGROUP_AXES.get(name, name.capitalize())
        body += [page.subheading(words), scorecard_tables.axis_table(axis, words)]
        body.append(page.bullets(scorecard_tables.gap_lines(axis)))
    return body
