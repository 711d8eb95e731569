"""Do the label columns mean what they are called? Held against the report's words, or against somebody else's table.

A column moved by one, or two columns exchanged, leave every value legal. So each column is compared with every column
of the reference (phi coefficient of present or not): where another one fits much better than its namesake, the name is
wrong. The same distance for several columns means that the list of names is rotated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError, nearest
from medley.core.labels import NO_FINDING, canonical
from medley.core.records import TARGET_SECTIONS
from medley.data.cases import CaseTable
from medley.data.checks.result import FAILED, OK, Check, not_applicable
from medley.data.checks.volumes.reading import are_of_brains, labels_read
from medley.data.readers.reading import Remarks, read_rows
from medley.language.labeler import label_text

BETTER_PHI = 0.25  # by so much another column must fit better than the namesake
LEAST_PHI = 0.4  # and fit at all
FEW = 5  # positives on both sides, below which a column says nothing
_MISSING = ("", "nan", "na", "null")


def check_columns(table: CaseTable, reference: Path | str | None = None) -> Check:
    """`reference`: a CSV with case_id (or patient_id, if each has one study) and columns named like the labels."""
    name = "label-columns"
    if len(table.labels) < 2:
        return not_applicable(name, "the table has fewer than two label columns")
    theirs, what = _of_file(table, Path(reference)) if reference else _of_reports(table)
    if not theirs:
        return not_applicable(name, "no report to read labels from, and no --reference F.csv")
    columns = list(dict.fromkeys(label for labels in theirs.values() for label in labels))
    phi = _phi_matrix(table, theirs, columns)
    wrong, shifts, checked = [], Counter[int](), 0
    for row, label in enumerate(table.labels):
        if label not in columns or np.isnan(phi[row]).all():
            continue
        own = phi[row, columns.index(label)]
        checked += not np.isnan(own)
        best = int(np.nanargmax(phi[row]))
        if columns[best] != label and phi[row, best] >= max(LEAST_PHI, np.nan_to_num(own) + BETTER_PHI):
            named = "no value" if np.isnan(own) else f"{own:.2f}"
            wrong.append(f"column {label} fits {columns[best]} of {what} (phi {phi[row, best]:.2f}; its own {named})")
            if columns[best] in table.labels:
                shifts[(table.labels.index(columns[best]) - row) % len(table.labels)] += 1
    numbers = {"reference": what, "studies": len(theirs), "columns_checked": checked}
    if not wrong:
        if not checked:
            return not_applicable(name, f"no label has {FEW} positives both in the table and in {what}")
        return Check(name, OK, 0, f"{checked} label columns fit their namesakes in {what}", numbers=numbers)
    shift, times = shifts.most_common(1)[0] if shifts else (0, 0)
    rotated = f": the names are rotated by {shift}" if times > len(wrong) / 2 and times > 1 else ""
    todo = "give the columns their right names in the table that was indexed, and index again"
    says = f"{counted(len(wrong), 'label column')} better fitted by another name{rotated}"
    return Check(name, FAILED, len(wrong), says, todo, tuple(wrong), numbers)


def _of_reports(table: CaseTable) -> tuple[dict[str, dict[str, float]], str]:
    """case_id -> what our labeler reads in its findings, impression or report."""
    labels = [label for label in table.labels if label != NO_FINDING]
    reader = labels_read if are_of_brains(table.labels) else label_text
    read = {}
    for case in table.cases:
        text = "\n".join(case.text[section] for section in TARGET_SECTIONS if case.text.get(section, "").strip())
        if text:
            read[case.case_id] = reader(text, labels)
    return read, "the reports' words"


def _of_file(table: CaseTable, path: Path) -> tuple[dict[str, dict[str, float]], str]:
    if not path.is_file():
        raise MedleyError(f"{path} is no file; --reference names a CSV of labels")
    remarks = Remarks()
    rows = list(read_rows(path, (), remarks))
    if remarks.left_out:
        raise MedleyError(f"{path}: {'; '.join(remarks.lines())}; mend them, or the labels are of other columns")
    header = list(rows[0][1]) if rows else []
    key = next((name for name in ("case_id", "study_id", "patient_id") if name in header), None)
    if key is None:
        raise MedleyError(f"{path} lacks a column case_id{nearest('case_id', header)}")
    labels = {column: canonical(column) for column in header if column and canonical(column) in table.labels}
    if not labels:
        raise MedleyError(f"{path} has no column named like a label of the table: {', '.join(table.labels)}")
    ids = Counter(getattr(case, key) for case in table.cases)
    case_of = {getattr(case, key): case.case_id for case in table.cases if ids[getattr(case, key)] == 1}
    found = {}
    for line, row in rows:
        if row[key] in case_of:
            found[case_of[row[key]]] = {
                label: _value(row[column], f"{path} line {line}, column {column}") for column, label in labels.items()
            }
    if not found:
        raise MedleyError(f"{path}: none of its {len(rows)} {key} values is in the table")
    return found, path.name


def _value(text: str | None, where: str) -> float:
    if text is None or text.strip().lower() in _MISSING:
        return float("nan")
    rule = f"{where} holds '{text}'; a label must be 1, 0, -1 or empty"
    try:
        value = float(text)
    except ValueError as error:
        raise MedleyError(rule) from error
    if value not in (1, 0, -1):
        raise MedleyError(rule)
    return value


def _phi_matrix(table: CaseTable, theirs: Mapping[str, Mapping[str, float]], columns: Sequence[str]) -> np.ndarray:
    """Phi of present-or-not, [our labels, their columns]; not known counts as not present, nan below FEW positives."""
    ids = list(theirs)
    ours = np.array([[table.by_id[i].labels.get(label) == 1 for label in table.labels] for i in ids], float)
    other = np.array([[theirs[i].get(label) == 1 for label in columns] for i in ids], float)
    few = np.minimum(ours.sum(0)[:, None], other.sum(0)[None]) < FEW
    ours, other = ours - ours.mean(0), other - other.mean(0)
    spread = np.sqrt((ours**2).sum(0))[:, None] * np.sqrt((other**2).sum(0))[None]
    phi = ours.T @ other / np.where(spread > 0, spread, np.nan)
    phi[few] = np.nan
    return phi
