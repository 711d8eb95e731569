"""Rows that contradict themselves or nature: labels against their hierarchy, ages, sexes, dates."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from medley.core.counts import counted
from medley.core.labels import BRAIN_LABELS, CHEXPERT_14, HIERARCHY, NIH_14, NO_FINDING
from medley.core.records import Case
from medley.data.cases import CaseTable
from medley.data.checks.looks import Look
from medley.data.checks.result import FAILED, WARNING, Check, not_applicable, verdict
from medley.data.checks.volumes.reading import are_of_brains

MAX_AGE_YEARS = 120
FIRST_FILM = date(1895, 11, 8)  # Röntgen's discovery
_DEVICES = "Support Devices"  # a healthy chest may have them
_DATE_FORMS = (
    *("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%Y%m%d", "%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y"),
    *("%m/%d/%Y", "%m/%d/%y", "%B %Y", "%b %Y", "%Y-%m", "%Y"),
)
_IS_DATE = re.compile(r"(^|_)(date|datetime|date_time|day_of_birth|dob)$|^date_")
_SPREAD_YEARS = 60  # ages of one patient further apart are two people


def check_hierarchy(table: CaseTable) -> Check:
    """A finding whose parent is absent, and a healthy film with a finding. Uncertain and unknown contradict nothing."""
    name = "label-hierarchy"
    known = set(table.labels)
    nih = bool(known & set(NIH_14) - set(CHEXPERT_14)) and "Lung Opacity" not in known
    pairs = [(child, parent) for child, parents in HIERARCHY.items() for parent in parents if {child, parent} <= known]
    if are_of_brains(table.labels):  # edema, necrosis and shift are of a lesion
        pairs = [(child, BRAIN_LABELS[0]) for child in BRAIN_LABELS[1:] if child in known]
    if nih:  # NIH names what a report named and sets the rest to 0: pneumonia does not set its consolidation
        pairs = []
    if not pairs and NO_FINDING not in known:
        why = "these are NIH's labels, which know no hierarchy" if nih else "no two of its labels are child and parent"
        return not_applicable(name, why)
    bad = []
    for case in table.cases:
        present = [label for label, value in case.labels.items() if value == 1]
        bad += [
            f"case {case.case_id}: {child} is 1, its parent {parent} is 0"
            for child, parent in pairs
            if case.labels.get(child) == 1 and case.labels.get(parent) == 0
        ]
        findings = [label for label in present if label not in (NO_FINDING, _DEVICES)]
        if NO_FINDING in present and findings:
            bad.append(f"case {case.case_id}: {NO_FINDING} is 1, and so is {findings[0]}")
    wrong = f"{counted(len(bad), 'time')} a label contradicts another"
    todo = (
        "are columns swapped? Labels from MeSH codes or labelers may know no parents: then leave the hierarchy penalty "
        "off, and say --accept label-hierarchy"
    )
    return verdict(name, bad, "no label contradicts another", wrong, todo)


def check_people(table: CaseTable) -> Check:
    """Ages outside [0, 120]; 0, which mostly means not known; two sexes or far ages under one patient id."""
    name = "ages-and-sexes"
    ages: dict[str, list[float]] = defaultdict(list)
    sexes: dict[str, set[str]] = defaultdict(set)
    impossible, zero = [], []
    for case in table.cases:
        if case.sex:
            sexes[case.patient_id].add(case.sex)
        age = case.age_years
        if math.isnan(age):
            continue
        if not 0 <= age <= MAX_AGE_YEARS:
            impossible.append(f"case {case.case_id}: {age:g} years")
            continue
        if age == 0:
            zero.append(f"case {case.case_id}: 0 years, which many tables write for not known")
        else:
            ages[case.patient_id].append(age)
    if not ages and not sexes and not impossible and not zero:
        return not_applicable(name, "the table knows no age and no sex")
    two = [f"patient {patient}: F and M" for patient, found in sexes.items() if len(found) > 1]
    two += [
        f"patient {patient}: {min(found):g} and {max(found):g} years"
        for patient, found in ages.items()
        if max(found) - min(found) > _SPREAD_YEARS
    ]
    bad = impossible + two + zero
    wrong = f"{counted(len(impossible), 'impossible age')}, {len(zero)} of 0, "
    wrong += f"{counted(len(two), 'patient id')} with two sexes or far ages"
    todo = "make impossible ages and 0 empty (not known); two people under one id leak nothing, but should be parted"
    return verdict(name, bad, "ages and sexes are possible", wrong, todo, FAILED if impossible else WARNING)


def check_dates(
    table: CaseTable, looks: Sequence[Look], extras: Mapping[str, Mapping[str, Any]], today: date | None = None
) -> Check:
    """Dates of further columns, of the truth and of DICOM headers: no day, before the first film, or still to come."""
    name = "dates"
    found = list(_dates(table.cases, looks, extras))
    if not found:
        return not_applicable(name, "neither table nor headers hold a date")
    today = today or date.today()
    impossible, future = [], []
    birth: dict[str, date] = {}
    for where, which, written in found:
        day = parse_date(written)
        line = f"{where}: {which} is {written}"
        if day is None:
            impossible.append(f"{line}, which is no date")
        elif "birth" in which.lower() or _snake(which) == "dob":
            birth[where] = day
        elif day < FIRST_FILM:
            impossible.append(f"{line}, before the first X-ray film")
        elif day > today:
            future.append(f"{line}, which is still to come")
    for where, which, written in found:
        day = parse_date(written)
        if day is not None and where in birth and day < birth[where]:
            impossible.append(f"{where}: {which} {written} is before the birth on {birth[where]}")
    wrong = f"{counted(len(impossible), 'impossible date')}, {len(future)} in the future "
    wrong += "(de-identified data may be shifted there)"
    todo = "correct or empty them; shifted dates order the films of a patient and mean nothing else"
    checked = f"all {len(found)} dates are possible"
    return verdict(name, impossible + future, checked, wrong, todo, FAILED if impossible else WARNING)


def _dates(
    cases: Sequence[Case], looks: Sequence[Look], extras: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str, str]]:
    """(where, which, as written)."""
    for case in cases:
        for key, value in {**extras.get(case.case_id, {}), **case.truth}.items():
            if _IS_DATE.search(_snake(key)) and value not in (None, ""):
                yield f"case {case.case_id}", key, str(value)
    for look in looks:
        for which, written in look.header.dates if look.header else ():
            yield look.path, which, written


def _snake(key: str) -> str:
    """StudyDate, "study date", DATE_OF_BIRTH -> study_date, study_date, date_of_birth."""
    return re.sub(r"[\s._-]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)).lower()


def parse_date(text: str) -> date | None:
    """2020-01-31, 2020/01/31, 31.01.2020, 20200131, 01/31/20, January 31, 2020, a month, a year; else None."""
    text = re.split(r"[T ]\d{1,2}:", text.strip())[0].strip()
    for form in _DATE_FORMS:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None
