"""Check 10: does the same note stand in two parts?

Short notes coincide honestly ("cough"), so they are counted and not judged. A long one that stands in train and in
test, word for word or nearly, is a patient under two names or a template filled from the labels.
"""

from __future__ import annotations

import re

from medley.evaluation.notes_audit.subject import Row, Subject, not_applicable, verdict
from medley.language.near_text import near_twins

LONG_WORDS = 20  # a note of so many words is nobody else's by chance
MOST_TWINS = 0.01  # share of the long notes of a part with a twin in train
_WORD = re.compile(r"\w+")


def overlap(subject: Subject) -> Row:
    """Check 10. At most 1 % of the long notes of dev and of test have a twin in the train part. No label is read."""
    if subject.parts is None:
        return not_applicable(10, "no split was given (--splits), so there are no parts to compare")
    by_part = {part: _words(subject, ids) for part, ids in subject.parts.items()}
    train = by_part.pop("train", {})
    if not any(by_part.values()) or not train:
        return not_applicable(10, "a part has no note at all")
    twins: dict[str, str] = {}
    long_total = short_same = 0
    short_train = {words for words in train.values() if len(words) < LONG_WORDS}
    for notes in by_part.values():
        short_same += sum(words in short_train for words in notes.values())
        long_notes = {case: words for case, words in notes.items() if len(words) >= LONG_WORDS}
        long_total += len(long_notes)
        twins |= dict(near_twins(long_notes, {c: w for c, w in train.items() if len(w) >= LONG_WORDS}))
    share = len(twins) / long_total if long_total else 0.0
    pairs = [list(pair) for pair in sorted(twins.items())]
    return verdict(
        10,
        share <= MOST_TWINS,
        share,
        MOST_TWINS,
        f"{len(twins)} of {long_total} notes of {LONG_WORDS} words or more have a twin in train; "
        f"{short_same} shorter ones coincide with one there",
        "look at the pairs: put one patient's studies into one part, or write notes that are not a template",
        pairs=pairs[:50],
    )


def _words(subject: Subject, case_ids: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    notes = {case_id: subject.notes.get(case_id) for case_id in case_ids}
    return {case_id: tuple(_WORD.findall(note.lower())) for case_id, note in notes.items() if note}
