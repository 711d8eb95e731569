"""Mentions, mirrored words and notes on real reports of Open-i, on the half of them that we may look at."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from medley.core.records import Case
from medley.core.seeds import key64
from medley.data.notes import make_notes
from medley.language.mentions import find_mentions
from medley.language.sides import swap_sides


@pytest.fixture(scope="module")
def reports(real_data: Path) -> list[dict]:
    path = real_data / "cxr_reports" / "openi_reports.parquet"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    rows = pl.read_parquet(path).filter(pl.col("mesh_indexed")).iter_rows(named=True)
    half = [row for row in rows if key64(0, row["report_text_dup_group"]) % 2 == 0]
    return [row for row in half if row["findings"] or row["impression"]]


def text_of(row: dict) -> str:
    return f"FINDINGS: {row['findings'] or ''}\n\nIMPRESSION: {row['impression'] or ''}"


def test_every_real_report_is_quoted_and_mirrored_back(reports: list[dict]) -> None:
    for row in reports:
        text = text_of(row)
        assert all(m.text == text[m.start : m.end] for m in find_mentions(text))
        assert swap_sides(swap_sides(text)) == text


def test_real_indications_make_notes_without_marks(reports: list[dict]) -> None:
    cases = [Case(row["uid"], row["uid"], row["uid"], text={"indication": row["indication"] or ""}) for row in reports]
    notes = [note for note in make_notes(cases, "real").values() if note]
    assert len(notes) > 0.7 * len(cases)
    assert not [note for note in notes if "XXX" in note or "___" in note]
