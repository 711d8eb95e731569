"""Who is in two parts: patients, studies, publications; whether the split fits the table, and what each part holds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from medley.core.counts import counted
from medley.core.records import Case
from medley.data.cases import CaseTable
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable, verdict
from medley.data.splits import PARTS, SplitManifest

FEW_POSITIVES = 10  # below it the scorecard shows a label and leaves it out of the macro averages
PUBLICATION_KEYS = ("publication", "doi", "pmid", "pmcid", "url")
_MOSTLY = 0.95  # of the study ids belong to one patient: then they are meant to name a study by themselves
NO_SPLIT = "no split was given: --splits F"


def parts_of(manifest: SplitManifest) -> dict[str, str]:
    """case_id -> part."""
    return {case_id: part for part in PARTS for case_id in manifest.parts[part]}


def check_split_fits(table: CaseTable, manifest: SplitManifest | None) -> Check:
    """Do the manifest's ids stand in the table, and is it the table that it was made for?"""
    name = "split-fits-table"
    if manifest is None:
        return not_applicable(name, NO_SPLIT)
    part_of = parts_of(manifest)
    lost = [f"{part_of[case_id]}: {case_id}" for case_id in part_of if case_id not in table.by_id]
    todo = "make a new split with `medley split` (by hash, the patients keep their parts)"
    if lost:
        wrong = f"{len(lost)} of the split's {len(part_of)} case ids are not in the table"
        return verdict(name, lost, "", wrong, todo)
    if manifest.table_digest != table.digest:
        wrong = f"the split was made for the table {manifest.table_digest}, this one is {table.digest}"
        return Check(name, FAILED, 1, wrong, todo)
    unused = [case.case_id for case in table.cases if case.case_id not in part_of]
    return Check(name, OK, 0, f"the split was made for this table; {len(unused)} studies are in no part")


def check_overlaps(
    table: CaseTable, part_of: Mapping[str, str] | None, extras: Mapping[str, Mapping[str, Any]]
) -> tuple[Check, ...]:
    """Patients, studies and publications that stand in two parts. `extras` are the table's further columns."""
    published = _published(table.cases, extras)
    names = ("patients-across-parts", "studies-across-parts", "publications-across-parts")
    if part_of is None:
        return tuple(not_applicable(name, NO_SPLIT) for name in names)
    cases = [case for case in table.cases if case.case_id in part_of]
    patients = _in_two(cases, part_of, lambda case: [case.patient_id])
    spelt = _in_two(cases, part_of, lambda case: [_plain(case.patient_id)])
    spelt = [line for line in spelt if line not in {_plain_line(one) for one in patients}]
    checks = [
        verdict(
            names[0],
            patients + [f"{line} (spelt in two ways)" for line in spelt],
            "no patient is in two parts",
            f"{counted(len(patients), 'patient')} in two parts; {len(spelt)} more if spelling is forgiven (007 = 7)",
            "split by patient: `medley split`",
            FAILED if patients else WARNING,
        )
    ]
    checks.append(_studies(cases, part_of))
    if not published:
        checks.append(not_applicable(names[2], f"no column or truth entry {', '.join(PUBLICATION_KEYS)}"))
    else:
        shared = _once(_in_two(cases, part_of, lambda case: published.get(case.case_id, [])))
        wrong = (
            f"{counted(len(shared), 'publication')} with films in two parts: often of one patient, always of one maker"
        )
        todo = "put the films of a publication into one part: make it the patient_id, then split again"
        checks.append(verdict(names[2], shared, "no publication is in two parts", wrong, todo))
    return tuple(checks)


def _published(cases: Iterable[Case], extras: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """case_id -> its publications, of truth and of further columns."""
    found = {}
    for case in cases:
        facts = {**extras.get(case.case_id, {}), **case.truth}
        named = [f"{key} {facts[key]}" for key in PUBLICATION_KEYS if facts.get(key) not in (None, "")]
        if named:
            found[case.case_id] = named
    return found


def _once(lines: Iterable[str]) -> list[str]:
    """A publication that is named in two ways, by its doi and its url, stands in the same cases twice: told once."""
    by_place: dict[str, str] = {}
    for line in lines:
        by_place.setdefault(line.rpartition(": ")[2], line)
    return list(by_place.values())


def _in_two(cases: Sequence[Case], part_of: Mapping[str, str], names: Callable[[Case], Iterable[str]]) -> list[str]:
    """`name: train (case a), test (case b)` of each name that stands in more than one part."""
    seen: dict[str, dict[str, str]] = defaultdict(dict)
    for case in cases:
        for name in names(case):
            seen[name].setdefault(part_of[case.case_id], case.case_id)
    return [
        f"{name}: " + ", ".join(f"{part} (case {where[part]})" for part in PARTS if part in where)
        for name, where in seen.items()
        if len(where) > 1
    ]


def _plain(patient_id: str) -> str:
    """A patient id as a person would read it: letter case, blanks and leading zeros aside. Between two numbers a blank
    stays: 1-11 and 11-1 are two people."""
    joined = re.sub(r"(?<=\d)[\s_-]+(?=\d)", ".", patient_id.casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\s_-]+", "", joined))


def _plain_line(line: str) -> str:
    name, colon, rest = line.partition(": ")
    return _plain(name) + colon + rest


def _studies(cases: Sequence[Case], part_of: Mapping[str, str]) -> Check:
    """Study ids that name a study by themselves must not stand under two patients in two parts."""
    name = "studies-across-parts"
    owners: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        owners[case.study_id].add(case.patient_id)
    alone = sum(len(patients) == 1 for patients in owners.values())
    own = _in_two(cases, part_of, lambda case: [f"patient {case.patient_id}, study {case.study_id}"])
    if alone < _MOSTLY * len(owners):
        fine = "no study is in two parts (study ids count within a patient here)"
        return verdict(
            name, own, fine, f"{counted(len(own), 'study')} in two parts", "split by patient: `medley split`"
        )
    shared = _in_two(cases, part_of, lambda case: [f"study {case.study_id}"])
    wrong = f"{counted(len(shared), 'study id')} in two parts"
    return verdict(name, shared, "no study is in two parts", wrong, "give a study's rows one patient_id; split again")


def check_support(table: CaseTable, part_of: Mapping[str, str] | None) -> Check:
    """Positives a label and part: what test asks and train never saw, and what is too few to be scored."""
    name = "label-support"
    if not table.labels:
        return not_applicable(name, "the table has no label column")
    counts: dict[str, dict[str, int]] = {label: {} for label in table.labels}
    for case in table.cases:
        part = "all" if part_of is None else part_of.get(case.case_id)
        if part is not None:
            for label, value in case.labels.items():
                counts[label][part] = counts[label].get(part, 0) + (value == 1)
    trained = part_of is not None and "train" in part_of.values()  # a table may be there to be scored, and no more
    unseen = [
        f"{label}: {counted(by.get('test', 0), 'positive')} in test, {by.get('dev', 0)} in dev, none in train"
        for label, by in counts.items()
        if trained and not by.get("train") and (by.get("test") or by.get("dev"))
    ]
    parts = ["all"] if part_of is None else [part for part in PARTS if part in part_of.values()]
    few = [
        f"{label}: {counted(by.get(part, 0), 'positive')}" + (f" in {part}" if part != "all" else "")
        for part in parts
        for label, by in counts.items()
        if by.get(part, 0) < FEW_POSITIVES
    ]
    numbers = {"positives": counts}
    if unseen:
        wrong = f"{counted(len(unseen), 'label')} asked of a model that never saw one in training"
        return Check(
            name, FAILED, len(unseen), wrong, "split --by stratified, or leave them out", tuple(unseen), numbers
        )
    wrong = f"{counted(len(few), 'label')} with fewer than {FEW_POSITIVES} positives"
    wrong += f"{'' if part_of is None else ', each counted in each part'}: such scores mean little"
    todo = "the scorecard leaves them out of the macro; split --by stratified, or get more"
    return verdict(name, few, "every label has support in every part", wrong, todo, WARNING, **numbers)
