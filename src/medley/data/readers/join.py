"""Several case tables -> one: tumours and healthy controls, or the hospitals of a study."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medley.core.errors import MedleyError
from medley.core.records import Case
from medley.data.readers.reading import Reading

if TYPE_CHECKING:
    from medley.data.cases import CaseTable

HELP = """\
Join case tables to one: patients and healthy controls, or several hospitals.

Tree:
  --root NAME=TABLE  once for each table: --root tumours=tumours.parquet --root healthy=healthy.parquet

What becomes of it:
  All rows, in the order given. A label that a table does not have is not known of its studies. `source`, which
  `medley check-data` and the subgroups of a scorecard look at, becomes NAME where a study has none.
  A case_id that stands in two tables is an error; patients are told apart by their ids alone, so ids of two hospitals
  that happen to be the same would be one patient: also an error.
"""
ROOTS = {"NAME": "a case table; repeat it"}
OPTIONS: dict[str, str] = {}
_FILES = ("mask", "segmentation")  # of a truth: paths relative to the table


def read(roots: Mapping[str, Path], csv: Path | None = None) -> Reading:
    """The rows of all tables. Raises MedleyError for fewer than two, and for a case or a patient in two of them."""
    from medley.data.cases import read_cases  # which loads polars

    if csv is not None:
        raise MedleyError("--csv: case tables are joined; name each with --root NAME=TABLE")
    if len(roots) < 2:
        raise MedleyError("joining needs two case tables or more: --root a=a.parquet --root b=b.parquet")
    tables = {name: read_cases(path) for name, path in roots.items()}
    _check_apart(tables)
    labels = list(dict.fromkeys(label for table in tables.values() for label in table.labels))
    cases = [_moved(case, name, table, labels) for name, table in tables.items() for case in table.cases]
    kinds = {name: {image.view for case in table.cases for image in case.images} for name, table in tables.items()}
    remarks = [f"{name}: {len(table)} studies of {', '.join(sorted(kinds[name]))}" for name, table in tables.items()]
    for label in labels:
        if lacking := [name for name, table in tables.items() if label not in table.labels]:
            remarks.append(f"{label} is not known of {', '.join(lacking)}")
    return Reading(tuple(cases), tuple(labels), tuple(remarks))


def _check_apart(tables: Mapping[str, CaseTable]) -> None:
    for key in ("case_id", "patient_id"):
        seen: dict[str, str] = {}
        for name, table in tables.items():
            for case in table.cases:
                value = getattr(case, key)
                if seen.setdefault(value, name) != name:
                    raise MedleyError(f"{key} '{value}' stands in {seen[value]} and in {name}; rename one of them")


def _moved(case: Case, name: str, table: CaseTable, labels: list[str]) -> Case:
    assert table.path is not None
    folder = table.path.parent
    truth = {**case.truth, **{key: str((folder / case.truth[key]).resolve()) for key in _FILES if case.truth.get(key)}}
    known = {label: case.labels.get(label, math.nan) for label in labels}
    return dataclasses.replace(case, truth=truth, labels=known, source=case.source or name)
