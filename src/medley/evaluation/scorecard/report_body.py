"""The part of the page that is about reports: floors and ceilings, what they say, finding by finding, words."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from medley.evaluation.scorecard import page, report_tables, report_words, tables
from medley.evaluation.scorecard.brain_said import brain_said
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.numbers import NULL, said
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.evaluation.scorecard.words import SUBGROUP_AXES


def report_body(card: Scorecard, pictures: Mapping[str, bytes]) -> list[str]:
    """HTML, piece by piece; `pictures` as `report_pictures` makes them."""
    body: list[str] = []
    if any(kind_of(card.task).metric in floor for floor in card.floors.values()):
        body += [page.heading("Against its floors"), page.paragraph(report_words.FLOORS_INTRO)]
        body.append(report_tables.floors_table(card))
    if card.ceilings:
        body += [page.subheading("Ceilings"), page.paragraph(report_words.CEILINGS_INTRO)]
        body.append(report_tables.ceilings_table(card))
    body.append(_figures(pictures, "floors"))
    body += [*SAID[card.task](card), _figures(pictures, "labels")]
    body += [page.heading("Likeness of words"), page.paragraph(report_words.TEXT_INTRO), report_tables.text_table(card)]
    for prefix in report_tables.sections_of(card) if card.floors or card.ceilings else ():
        of = f"{prefix.removesuffix('/').capitalize()} alone" if prefix else "All sections"
        body.append(page.folded(f"{of}, beside floors and ceilings", report_tables.text_beside_table(card, prefix)))
    if any(name.startswith("external/") for name in card.metrics):
        body += [page.heading("By other scorers"), page.paragraph(report_words.EXTERNAL_INTRO)]
        body.append(report_tables.external_table(card))
    if report_tables.AUXILIARY in card.per_label:
        findings = report_tables.auxiliary_card(card)
        body += [page.heading("The findings beside the text"), page.paragraph(report_words.AUXILIARY_INTRO)]
        body.append(page.bullets(report_tables.disagreement(card)))
        body += [report_tables.auxiliary_floors_table(card), tables.averages_table(findings)]
        body += [page.folded("Label by label", tables.labels_table(findings))]
        body.append(page.folded("Calibration", tables.calibration_table(findings)))
    return [*body, *_subgroups(card)]


def _chest_said(card: Scorecard) -> list[str]:
    body = [page.heading("What the reports say"), page.paragraph(report_words.CLINICAL_INTRO)]
    for suffix, words in report_words.UNCERTAIN.items():
        body += [page.subheading(words), report_tables.clinical_table(card, suffix)]
    body += [page.subheading("Sides"), page.paragraph(f"{report_words.SIDES_INTRO} {_sides(card)}")]
    body += [page.heading("Finding by finding"), page.paragraph(report_words.LABELS_INTRO)]
    return [*body, report_tables.labels_table(card)]


# task -> the page on what its reports say, up to the picture of its labels
SAID: dict[str, Callable[[Scorecard], list[str]]] = {"chest_report": _chest_said, "brain_report": brain_said}


def _subgroups(card: Scorecard) -> list[str]:
    shown = {name: axis for name, axis in card.subgroups.items() if len(axis.groups) > 1}
    if not shown:
        return []
    body = [page.heading("For whom is it better or worse?"), page.paragraph(report_words.SUBGROUPS_INTRO)]
    for name, axis in shown.items():
        words = SUBGROUP_AXES.get(name, name.capitalize())
        body += [page.subheading(words), report_tables.axis_table(card, axis, words)]
    return body


def _sides(card: Scorecard) -> str:
    metric = card.metrics["laterality_accuracy"]
    if metric.value is None:
        return f"Here {NULL}: {metric.error}."
    return f"Here {said(metric)}, in {metric.n} reports with such a finding."


def _figures(pictures: Mapping[str, bytes], *names: str) -> str:
    return page.figures(pictures, report_words.CAPTIONS, report_words.ALTS, *names)
