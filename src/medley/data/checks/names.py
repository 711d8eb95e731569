"""The answer in the file name or in the header: `covid/0001.png`, a study description that says "pneumonia"."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medley.core.labels import NO_FINDING
from medley.core.records import Case
from medley.data.cases import CaseTable
from medley.data.checks.looks import Look
from medley.data.checks.naming import Naming, count_naming, judge_naming, named_in
from medley.data.checks.result import FAILED, Check, not_applicable

TELLING_AUROC = 0.9  # of a word of the path that names no label, as one bit
_ENOUGH = 5  # films with and without a word: below that, nothing can be said of it
_CHANCE = 1e-3
_HEALTHY = frozenset({"normal", "healthy", "negative", "nofinding", "nofindings"})


def check_file_names(table: CaseTable, looks: Sequence[Look]) -> Check:
    """Words of the paths below their common folder that name a label, or go with one; numbers are no words."""
    name = "answer-in-file-name"
    if not looks or not table.labels:
        return not_applicable(name, "the table has no images or no labels")
    words = _path_words(looks)
    everywhere = set.intersection(*words.values()) if words else set()
    words = {case_id: found - everywhere for case_id, found in words.items()}
    named = {}
    for case_id, found in words.items():
        labels = named_in(" . ".join(sorted(found)), table.labels)
        named[case_id] = labels | ({NO_FINDING} & set(table.labels) if found & _HEALTHY else frozenset())
    namings = count_naming(table.cases, named, table.labels)
    examples = _examples(table.cases, named, looks)
    todo = "the name is no input, but it says how the data were put together: rename the files, and look for more"
    check = judge_naming(name, "the file name", namings, examples, todo)
    if check.status == FAILED:
        return check
    telling = _telling_words(table, words)
    if telling:
        wrong = f"a word of the path tells a label: {telling[0]}"
        return Check(name, FAILED, len(telling), wrong, todo, tuple(telling))
    return check


def _path_words(looks: Sequence[Look]) -> dict[str, set[str]]:
    """case_id -> words of its films' paths below the folder that all films share: lower case, without numbers."""
    paths = {look.path: Path(look.path).absolute() for look in looks}  # a film that is missing has a name, too
    common = os.path.commonpath([path.parent for path in paths.values()])
    words: dict[str, set[str]] = defaultdict(set)
    for look in looks:
        below = str(paths[look.path].relative_to(common).with_suffix(""))
        pieces = re.findall(r"[A-Za-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", below))
        words[look.case_id] |= {piece.lower() for piece in pieces}
        words[look.case_id] |= {"".join(re.findall(r"[a-z]", part.lower())) for part in Path(below).parts} - {""}
        words[look.case_id] |= {part.lower() for part in Path(below).parts if re.search("[A-Za-z]", part)}
    return dict(words)


def _telling_words(table: CaseTable, words: dict[str, set[str]]) -> list[str]:
    """Words that name no label and yet tell one, in either sense: a folder `a` for the sick and `b` for the healthy."""
    cases = [case for case in table.cases if case.case_id in words]
    values = np.array([[case.labels.get(label, np.nan) for label in table.labels] for case in cases])
    positive, negative = values == 1, values == 0
    positives, negatives = positive.sum(0), negative.sum(0)
    usable = np.minimum(positives, negatives) >= _ENOUGH
    rows_of = defaultdict(list)
    for row, case in enumerate(cases):
        for word in words[case.case_id]:
            rows_of[word].append(row)
    frequent = {word: rows for word, rows in rows_of.items() if _ENOUGH <= len(rows) <= len(cases) - _ENOUGH}
    out = []
    for word, rows in sorted(frequent.items()):
        hits, false = positive[rows].sum(0), negative[rows].sum(0)
        apart = np.abs(hits / np.maximum(positives, 1) - false / np.maximum(negatives, 1))
        for column in np.flatnonzero(usable & (apart >= 2 * TELLING_AUROC - 1)):
            counts = [int(count[column]) for count in (positives, negatives, hits, false)]
            one = Naming(table.labels[column], *counts)
            if one.auroc < 0.5:  # the films without the word are the sick ones
                one = Naming(one.label, counts[0], counts[1], counts[0] - counts[2], counts[1] - counts[3])
            if one.chance() < _CHANCE / len(frequent):
                out.append(f"'{word}' tells {one.label} with AUROC {one.auroc:.3f}")
    return out


def check_headers(table: CaseTable, looks: Sequence[Look]) -> Check:
    """Free text of DICOM headers, PNG text and EXIF that names a label."""
    name = "answer-in-header"
    texts: dict[str, list[str]] = defaultdict(list)
    for look in looks:
        texts[look.case_id] += [f"{where}: {words}" for where, words in (look.header.texts if look.header else ())]
    texts = {case_id: found for case_id, found in texts.items() if found}
    if not texts or not table.labels:
        return not_applicable(name, "no image has text in its header, or the table has no labels")
    named = {
        case_id: frozenset().union(*(named_in(line.partition(": ")[2], table.labels) for line in found))
        for case_id, found in texts.items()
    }
    examples = [
        f"case {case.case_id}: {label} is 1, and the header says {line[:100]}"
        for case in table.cases
        for line in texts.get(case.case_id, ())
        for label in sorted(named_in(line.partition(": ")[2], table.labels))
        if case.labels.get(label) == 1
    ]
    todo = "strip the header (no model here reads it, but it was written by who knew), and look for burnt-in text"
    return judge_naming(name, "the header", count_naming(table.cases, named, table.labels), examples, todo)


def _examples(cases: Sequence[Case], named: dict[str, frozenset[str]], looks: Sequence[Look]) -> list[str]:
    path_of = {look.case_id: look.path for look in looks}
    return [
        f"case {case.case_id}: {label} is 1, and the file is {path_of[case.case_id]}"
        for case in cases
        for label in sorted(named.get(case.case_id, ()))
        if case.labels.get(label) == 1
    ]
