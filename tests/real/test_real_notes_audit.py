"""The audit on Open-i's real indications with their human-coded labels: it says what real text is like, and a planted
leak stands out from it."""

from __future__ import annotations

import math
from pathlib import Path

import polars as pl
import pytest

from medley.core.labels import CHEXPERT_14
from medley.core.records import Case
from medley.data.notes import make_notes
from medley.data.splits import make_split
from medley.evaluation.notes_audit.audit import Audit, audit_notes
from medley.evaluation.notes_audit.subject import Subject


@pytest.fixture(scope="module")
def openi(real_data: Path) -> Subject:
    from medley.data.cases import CaseTable

    path = real_data / "cxr_reports" / "openi_reports.parquet"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    frame = pl.read_parquet(path)
    columns = {name: f"mesh14_{name}" for name in CHEXPERT_14}
    cases = []
    for i, row in enumerate(frame.iter_rows(named=True)):
        labels = {name: math.nan if row[column] is None else float(row[column]) for name, column in columns.items()}
        text = {"indication": row["indication"]} if row["indication"] else {}
        cases.append(Case(f"c{i}", f"p{i}", "1", text=text, labels=labels))
    table = CaseTable(tuple(cases), tuple(columns))
    parts = make_split(table, seed=1).parts
    return Subject(table.cases, table.labels, make_notes(table.cases, "real"), "real", None, parts)


@pytest.fixture(scope="module")
def audit(openi: Subject) -> Audit:
    return audit_notes(openi)


def test_real_indications_keep_the_budget_and_name_findings(audit: Audit) -> None:
    rows = {row.number: row for row in audit.rows}
    assert rows[2].status == "passed", rows[2].found
    assert 0.5 < rows[2].value < 0.70
    assert rows[9].status == rows[10].status == "passed"
    assert rows[1].status == rows[11].status == "failed"  # "history of effusion, rule out pneumonia"
    assert 0.02 < rows[11].value < 0.5
    assert audit.stopping == []


def test_an_impression_read_as_an_indication_is_found(openi: Subject, real_data: Path) -> None:
    impressions = pl.read_parquet(real_data / "cxr_reports" / "openi_reports.parquet")["impression"].to_list()
    notes = {f"c{i}": text for i, text in enumerate(impressions)}
    leaked = audit_notes(Subject(openi.cases, openi.labels, notes, "real", None, openi.parts))
    assert {1, 2, 3, 11} <= {row.number for row in leaked.failed}
    assert 2 in [row.number for row in leaked.stopping]


def test_clinical_notes_written_by_those_who_knew_stop_a_training(real_data: Path, tmp_path: Path) -> None:
    """The notes of publications on 378 studies: they describe the film and name the diagnosis."""
    from medley.data.cases import CaseTable
    from medley.data.readers.covid_chestxray import read

    root = real_data / "cxr_labels" / "covid_ieee8023"
    if not root.is_dir():
        pytest.skip(f"{root} is absent")
    reading = read({"root": root})
    table = CaseTable(tuple(reading.cases), tuple(reading.labels))
    parts = make_split(table, by="stratified", seed=42).parts
    audit = audit_notes(Subject(table.cases, table.labels, make_notes(table.cases, "real"), "real", None, parts))
    assert [row.number for row in audit.stopping] == [2]
    worst = audit.rows[1].details["over"][0]
    assert worst["budget"] == "data.notes.leak_budget.macro"
    assert worst["ci95"][0] > 0.70
