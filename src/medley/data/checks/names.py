"""The answer in the file name or in the header: `covid/0001.png`, a study description that says "pneumonia"."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path

import numpy as np

from medley.core.counts import counted
from medley.core.labels import NO_FINDING
from medley.core.records import Case
from medley.data.cases import CaseTable
from medley.data.checks.looks import Look
from medley.data.checks.naming import Naming, count_naming, judge_naming, named_in
from medley.data.checks.result import FAILED, WARNING, Check, not_applicable

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


def _telling_words(table: CaseTable, words: Mapping[str, Set[str]]) -> list[str]:
    """Words that name no label and yet tell one, in either sense: a folder `a` for the sick and `b` for the healthy."""
    rows = defaultdict(list)
    for row, found in enumerate(words.values()):
        for word in found:
            rows[word].append(row)
    frequent = {word: some for word, some in rows.items() if _ENOUGH <= len(some) <= len(words) - _ENOUGH}
    values_NL = np.array([[table.by_id[i].labels.get(label, np.nan) for label in table.labels] for i in words])
    positive_NL, negative_NL = values_NL == 1, values_NL == 0
    support = list(zip(table.labels, positive_NL.sum(0).tolist(), negative_NL.sum(0).tolist(), strict=True))
    out = []
    for word, some in sorted(frequent.items()):
        having = zip(support, positive_NL[some].sum(0).tolist(), negative_NL[some].sum(0).tolist(), strict=True)
        for (label, positives, negatives), named, falsely in having:
            one = Naming(label, positives, negatives, named, falsely)
            other = Naming(label, positives, negatives, positives - named, negatives - falsely)
            best = max((one, other), key=lambda naming: naming.auroc)
            enough = min(positives, negatives) >= _ENOUGH
            if enough and best.auroc >= TELLING_AUROC and best.chance() < _CHANCE / len(frequent):
                out.append(f"'{word}' tells {label} with AUROC {best.auroc:.3f}")
    return out


def check_headers(table: CaseTable, looks: Sequence[Look]) -> Check:
    """Free text of DICOM headers, PNG text and EXIF that names a label, or has a word that goes with one.

    Elements that cannot be read were not searched: they are counted, and a header that has them is not found clean.
    """
    check = _check_texts(table, looks)
    damaged = [
        f"{look.path}: {', '.join(look.header.damaged)}" for look in looks if look.header and look.header.damaged
    ]
    if not damaged:
        return check
    elements = sum(len(look.header.damaged) for look in looks if look.header)
    unread = f"{counted(elements, 'element')} of {counted(len(damaged), 'header')} cannot be read and were not searched"
    numbers = {**check.numbers, "damaged_elements": elements, "damaged_headers": len(damaged)}
    if check.status in (FAILED, WARNING):
        examples = (*check.examples, *damaged)
        return replace(check, says=f"{check.says}; {unread}", examples=examples, numbers=numbers)
    todo = "fetch these files again, or strip their headers"
    return Check(check.name, WARNING, len(damaged), f"{unread}; else: {check.says}", todo, tuple(damaged), numbers)


def _check_texts(table: CaseTable, looks: Sequence[Look]) -> Check:
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
    check = judge_naming(name, "the header", count_naming(table.cases, named, table.labels), examples, todo)
    telling = [] if check.status == FAILED else _telling_words(table, _header_words(texts))
    if telling:
        wrong = f"a word of the header tells a label: {telling[0]}"
        return Check(name, FAILED, len(telling), wrong, todo, tuple(telling))
    return check


def _header_words(texts: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """case_id -> the lower-case words of its header's texts, and each text as a whole (`protocol 7`)."""
    return {
        case_id: {word for line in found for word in (line.lower(), *re.findall("[a-z]+", line.lower()))}
        for case_id, found in texts.items()
    }


def _examples(cases: Sequence[Case], named: dict[str, frozenset[str]], looks: Sequence[Look]) -> list[str]:
    path_of = {look.case_id: look.path for look in looks}
    return [
        f"case {case.case_id}: {label} is 1, and the file is {path_of[case.case_id]}"
        for case in cases
        for label in sorted(named.get(case.case_id, ()))
        if case.labels.get(label) == 1
    ]
