"""Checks 1 and 11: do notes name findings, by any of their names?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache

from medley.evaluation.notes_audit.subject import Row, Subject, not_applicable, verdict
from medley.language.chest import LAY_WORDS, STEMS
from medley.language.mentions import find_mentions
from medley.language.phrases import Term, Vocabulary, lower, tokens

SHOWN = 10  # examples kept in a row


def named_findings(note: str, labels: Iterable[str] = ()) -> list[str]:
    """Every word of a note that names, denies or asks for a finding.

    Findings of `language`'s lexicon with their synonyms, lay words and requests ("rule out"), stems of the field's
    words, and the label names of the table itself, which need not be the lexicon's.
    """
    low = lower(note)
    words = tokens(low)
    found = [mention.text for mention in find_mentions(note)]
    found += [low[words[m.first].start : words[m.last - 1].end] for m in _lay_words().marks(words)]
    found += [word.word for word in words if any(stem in word.word for stem in STEMS)]
    found += [label for label in labels if _whole(label).search(low)]
    return list(dict.fromkeys(" ".join(text.lower().split()) for text in found))


@cache
def _lay_words() -> Vocabulary:
    return Vocabulary((phrase, Term("lay")) for phrase in LAY_WORDS)


@cache
def _whole(label: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(label.lower())}\b")


def naming_notes(subject: Subject) -> dict[str, list[str]]:
    """case_id -> what its note names, of the studies whose note names anything. No label is looked at."""
    by_note = {note: named_findings(note, subject.labels) for note in {*subject.notes.values()} if note}
    named = {case.case_id: by_note.get(subject.notes[case.case_id] or "", []) for case in subject.cases}
    return {case_id: words for case_id, words in named.items() if words}


def lexicon_scan(subject: Subject, naming: dict[str, list[str]]) -> Row:
    """Check 1. No note may name, deny or ask for a finding, in the field's words or in a layman's."""
    counts = Counter(word for words in naming.values() for word in words)
    common = ", ".join(f"{word} ({count})" for word, count in counts.most_common(5))
    found = f"{len(naming)} of {len(subject.cases)} notes name a finding" + (f": {common}" if common else "")
    return verdict(
        1,
        not naming,
        float(len(naming)),
        0.0,
        found,
        "take the words out where notes are generated; for real text score with and without these studies (check 11)",
        examples={case_id: naming[case_id] for case_id in sorted(naming)[:SHOWN]},
        words=dict(counts.most_common(50)),
    )


def naming_real_text(subject: Subject, naming: dict[str, list[str]]) -> Row:
    """Check 11, without a run. Real text that names what is looked for: every such study is listed."""
    if subject.regime != "real":
        return not_applicable(11, f"notes of regime '{subject.regime}' are not real text; check 1 holds for them")
    share = len(naming) / len(subject.cases)
    return verdict(
        11,
        not naming,
        share,
        0.0,
        f"{share:.1%} of the studies ({len(naming)}) have a note that names a finding",
        "score the studies in and out of the list apart (--run does), and read no gain of the note into the former",
        cases=dict(sorted(naming.items())),
    )
