"""The scorecard as a page that a clinician can read: first in words, then what was tested, then the numbers.

The order is that of the questions: is it any good, on whom was that found, against what, for which finding, what does
it write, where did it look, what must be known before a number is quoted. This is the frame of every task's page; what
lies between its first words and its remarks is the task's own (`looks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medley.core.counts import counted
from medley.evaluation.scorecard import page
from medley.evaluation.scorecard import tables as scorecard_tables
from medley.evaluation.scorecard import words as scorecard_words
from medley.evaluation.scorecard.anatomy import anatomy_section
from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.lime import lime_section
from medley.evaluation.scorecard.looks import look_of
from medley.evaluation.scorecard.missing import missing
from medley.evaluation.scorecard.sentences import sentences_section
from medley.evaluation.scorecard.tables import EXPLANATION
from medley.evaluation.scorecard.written import Written, written_section

Example = tuple[bytes, str]  # a picture, and the sentence under it


def scorecard_page(
    card: Scorecard, pictures: Mapping[str, bytes], examples: Sequence[Example] = (), written: Sequence[Written] = ()
) -> str:
    """The whole page; `pictures` as the task's look makes them, `examples` are maps over films, `written` reports."""
    return page.document(
        look_of(card.task).title, scorecard_body(card, pictures, examples, written), stamps=stamps(card)
    )


def stamps(card: Scorecard) -> list[str]:
    """What nobody should overlook."""
    found = [scorecard_words.SYNTHETIC] if card.protocol.get("synthetic") else []
    return found + ([scorecard_words.LEAKY] if card.provenance.get("leaky") else [])


def scorecard_body(
    card: Scorecard,
    pictures: Mapping[str, bytes],
    examples: Sequence[Example] = (),
    written: Sequence[Written] = (),
    *,
    anchor: str = "remarks",
) -> str:
    """The page without its frame, for a page that holds more than this card; `anchor` must be one of its own there."""
    look = look_of(card.task)
    body = [page.paragraph(look.headline(card), lead=True)]
    if card.warnings:
        remarks = counted(len(card.warnings), "remark")
        body.append(page.link(f"{remarks} to read before you quote a number", anchor))
    body += [page.heading("What it was tested on"), page.bullets(tested_on(card))]
    body += look.body(card, pictures)
    body += written_section(written)
    looked = lime_section(card, examples) or _explanations(card, examples)
    body += [*looked, *anatomy_section(card), *sentences_section(card)]
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
        of = f" of the split {known['split']}" if known.get("split") else ""
        lines.append(f"The part '{known['part']}'{of}")
    notes = {"none": "The system read no notes", "real": "Notes: what was written before the film", None: None}
    said = notes.get(known.get("notes"), f"Notes: {known.get('notes')}")
    if said:
        lines.append(said)
    if known.get("truth"):
        truth = {"table": "what the case table says", "reference text": "what the labeler reads in the references"}
        others = f" The labeler is {known['labeler']}." if known["labeler"] != "medley" else ""
        sides = known.get("truth_of_sides")  # of reports whose sides have a truth of their own
        of_sides = f"; of sides: {truth[sides]}" if sides else ""
        lines.append(f"What is true of a study: {truth.get(known['truth'], known['truth'])}{of_sides}.{others}")
        lines.append(f"Sections: {known['section']}")
    for name, axis in card.subgroups.items():
        counts = [f"{group} {scores.studies}" for group, scores in axis.groups.items()]
        counts += [f"not stated {axis.not_stated}"] * bool(axis.not_stated)
        if counts:
            lines.append(f"{scorecard_words.SUBGROUP_AXES.get(name, name)}: {', '.join(counts)}")
    if (audit := card.provenance.get("notes_audit")) and known.get("notes") != "none":
        lines.append(f"Audit of the notes that it was trained on: {audit}")
    return lines


def _explanations(card: Scorecard, examples: Sequence[Example]) -> list[str]:
    if EXPLANATION not in card.per_label and not examples:
        return []
    body = [page.heading("Where it looked"), page.paragraph(scorecard_words.EXPLANATIONS_INTRO)]
    if EXPLANATION in card.per_label:
        body.append(page.bullets(scorecard_tables.explanation_lines(card)))
        body.append(scorecard_tables.explanations_table(card))
    body.append(page.gallery(page.figure(picture, caption) for picture, caption in examples))
    return body
