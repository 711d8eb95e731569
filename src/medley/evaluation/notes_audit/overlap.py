"""Check 10: does the same note stand in two parts?

Short notes coincide honestly ("cough"), so they are counted and not judged. A long one that stands in train and in
test, word for word or nearly, is a patient under two names or a template filled from the labels. Near twins are found
by MinHash (Broder 1997) over three-word runs, and each candidate's Jaccard similarity is computed in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from medley.core.seeds import generator, key64
from medley.evaluation.notes_audit.subject import Row, Subject, not_applicable, verdict

LONG_WORDS = 20  # a note of so many words is nobody else's by chance
NEAR = 0.8  # Jaccard similarity of the three-word runs
MOST_TWINS = 0.01  # share of the long notes of a part with a twin in train
_BANDS, _ROWS = 32, 4  # a pair at 0.8 is found with probability 1 - (1 - 0.8^4)^32 > 0.9999999
_PRIME = (1 << 61) - 1
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


def near_twins(asked: Mapping[str, tuple[str, ...]], known: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """(asked, known) for each asked text that has a twin: Jaccard similarity of three-word runs at least 0.8."""
    buckets: dict[tuple[int, int], list[str]] = {}
    for case_id, words in known.items():
        for band in enumerate(_signature(_runs(words))):
            buckets.setdefault(band, []).append(case_id)
    for case_id, words in asked.items():
        runs = _runs(words)
        candidates = {other for band in enumerate(_signature(runs)) for other in buckets.get(band, ())}
        for other in sorted(candidates):
            if _jaccard(runs, _runs(known[other])) >= NEAR:
                yield case_id, other
                break


def _runs(words: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(words[i : i + 3] for i in range(len(words) - 2))


def _jaccard(one: frozenset, other: frozenset) -> float:
    return len(one & other) / len(one | other)


def _signature(runs: frozenset[tuple[str, ...]]) -> list[int]:
    """One key a band: the smallest hashes of `_ROWS` random orders of all possible runs."""
    hashes = np.array([key64(*run) >> 32 for run in runs], dtype=np.uint64)
    lowest = ((hashes[:, None] * _FACTORS + _SHIFTS) % np.uint64(_PRIME)).min(0)
    return [key64(*band) for band in lowest.reshape(_BANDS, _ROWS)]


# hash * factor + shift stays below 2^61: the hash has 32 bits, the factor 28
_FACTORS, _SHIFTS = generator("notes audit", "minhash").integers(1, 1 << 28, size=(2, _BANDS * _ROWS), dtype=np.uint64)
