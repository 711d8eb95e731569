"""The scorecard as a page that a clinician can read: first in words, then what was tested, then the numbers.

The order is that of the questions: is it any good, on whom was that found, against what, for which finding, can its
probabilities be believed, for whom less, where did it look, what must be known before a number is quoted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medley.core.counts import counted
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard import tables as scorecard_tables
from medley.evaluation.scorecard import words as scorecard_words
from medley.evaluation.scorecard.calibrated import calibration_said
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.headline import headline
from medley.evaluation.scorecard.missing import missing
from medley.evaluation.scorecard.tables import EXPLANATION

Example = tuple[bytes, str]  # a picture, and the sentence under it


def scorecard_page(card: Scorecard, pictures: Mapping[str, bytes], examples: Sequence[Example] = ()) -> str:
    """The whole page; `pictures` as `pictures.finding_pictures` makes them, `examples` are maps over films."""
    title = scorecard_words.TITLES.get(card.task, f"Scorecard: {card.task}")
    return page.document(title, scorecard_body(card, pictures, examples), stamps=stamps(card))


def stamps(card: Scorecard) -> list[str]:
    """What nobody should overlook."""
    found = [scorecard_words.SYNTHETIC] if card.protocol.get("synthetic") else []
    return found + ([scorecard_words.LEAKY] if card.provenance.get("leaky") else [])


def scorecard_body(
    card: Scorecard, pictures: Mapping[str, bytes], examples: Sequence[Example] = (), *, anchor: str = "remarks"
) -> str:
    """The page without its frame, for a page that holds more than this card; `anchor` must be one of its own there."""
    body = [page.paragraph(headline(card), lead=True)]
    if card.warnings:
        remarks = counted(len(card.warnings), "remark")
        body.append(page.link(f"{remarks} to read before you quote a number", anchor))
    body += [page.heading("What it was tested on"), page.bullets(tested_on(card))]
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
    body += _subgroups(card)
    body += _explanations(card, examples)
    body.append(page.heading("Before you quote a number", anchor))
    body.append(page.bullets(card.warnings) if card.warnings else page.paragraph("Nothing to remark."))
    reasons = missing(card)
    body.append(page.heading("What could not be computed, and why"))
    body.append(
        page.folded(counted(len(reasons), "reason"), page.bullets(reasons)) if reasons else page.paragraph("Nothing.")
    )
    body.append(page.heading("How it was measured"))
    body.append(page.paragraph("Two scorecards may be compared only where the protocol is the same."))
    body.append(page.folded("Protocol", scorecard_tables.settings_table(card.protocol, "Protocol")))
    body.append(page.folded("Provenance", scorecard_tables.settings_table(card.provenance, "Provenance")))
    return "\n".join(body)


def tested_on(card: Scorecard) -> list[str]:
    """Who was in the scored part, as far as the card knows, in plain lines."""
    known = card.protocol
    who = f"{counted(known['studies'], 'study')} of {counted(known['patients'], 'patient')}"
    lines = [f"{who}: {known.get('reader') or 'not stated'}"]
    if known.get("part"):
        lines.append(f"The part '{known['part']}' of the split {known.get('split')}")
    notes = {"none": "The system read no notes", "real": "Notes: what was written before the film", None: None}
    said = notes.get(known.get("notes"), f"Notes: {known.get('notes')}")
    if said:
        lines.append(said)
    for name, axis in card.subgroups.items():
        counts = [f"{group} {scores.studies}" for group, scores in axis.groups.items()]
        counts += [f"not stated {axis.not_stated}"] * bool(axis.not_stated)
        if counts:
            lines.append(f"{scorecard_words.SUBGROUP_AXES.get(name, name)}: {', '.join(counts)}")
    if (audit := card.provenance.get("notes_audit")) and known.get("notes") != "none":
        lines.append(f"Audit of the notes that it was trained on: {audit}")
    return lines


def _figures(pictures: Mapping[str, bytes], *names: str) -> str:
    given = [name for name in names if name in pictures]
    words = scorecard_words
    return page.gallery(page.figure(pictures[name], words.CAPTIONS[name], alt=words.ALTS[name]) for name in given)


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


def _explanations(card: Scorecard, examples: Sequence[Example]) -> list[str]:
    if EXPLANATION not in card.per_label and not examples:
        return []
    body = [page.heading("Where it looked"), page.paragraph(scorecard_words.EXPLANATIONS_INTRO)]
    if EXPLANATION in card.per_label:
        body.append(page.bullets(scorecard_tables.explanation_lines(card)))
        body.append(scorecard_tables.explanations_table(card))
    body.append(page.gallery(page.figure(picture, caption) for picture, caption in examples))
    return body
