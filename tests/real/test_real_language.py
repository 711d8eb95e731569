"""The lexicon on Open-i's human-coded reports: recall and speed, on the half of the reports that we may look at.

Reports are split into halves by the group of their text (`report_text_dup_group`, seed 0). The other half is kept
for the labeler's published figures; nobody looks at its errors.
"""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl
import pytest

from medley.core.records import Case
from medley.core.seeds import key64
from medley.data.notes import make_notes
from medley.language.labeler import label_text
from medley.language.mentions import find_mentions
from medley.language.sides import swap_sides

GOLD = {
    "Atelectasis": "gold_Atelectasis",
    "Cardiomegaly": "gold_Cardiomegaly",
    "Consolidation": "gold_Consolidation",
    "Edema": "gold_Edema",
    "Pleural Effusion": "gold_Effusion",
    "Pneumonia": "gold_Pneumonia",
    "Pneumothorax": "gold_Pneumothorax",
}


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


def test_human_labels_are_found(reports: list[dict]) -> None:
    got = [label_text(text_of(row), finer=False, parents=False) for row in reports]
    for uncertain, least_f1 in ((1, 0.80), (0, 0.84)):
        f1 = {}
        for label, column in GOLD.items():
            said = [values[label] == 1 or (uncertain == 1 and values[label] == -1) for values in got]
            true = [row[column] == 1 for row in reports]
            hit = sum(a and b for a, b in zip(said, true, strict=True))
            f1[label] = 2 * hit / (sum(said) + sum(true))
            if uncertain:
                assert hit / sum(true) >= 0.93, label
        assert sum(f1.values()) / len(f1) >= least_f1, f1


def test_thousands_of_reports_a_second(reports: list[dict]) -> None:
    texts = [text_of(row) for row in reports]
    label_text(texts[0])
    start = time.process_time()
    for text in texts:
        label_text(text)
    assert len(texts) / (time.process_time() - start) >= 2000


def test_every_real_report_is_quoted_and_mirrored_back(reports: list[dict]) -> None:
    for row in reports:
        text = text_of(row)
        assert all(m.text == text[m.start : m.end] for m in find_mentions(text))
        assert swap_sides(swap_sides(text)) == text


def test_denials_of_clinical_notes(real_data: Path) -> None:
    """Sentences of 120 Pittsburgh reports, annotated for negation by hand; those that name a finding we know."""
    path = real_data / "report_labels" / "negex_rsannotations.csv"
    rows = pl.read_csv(path).filter(pl.col("chest_concept"))
    right = total = 0
    for row in rows.unique(("concept", "sentence"), maintain_order=True).iter_rows(named=True):
        concept = row["concept"].lower()
        spans = [m for m in find_mentions(row["sentence"]) if m.text.lower() in concept or concept in m.text.lower()]
        if spans:
            total += 1
            right += (spans[0].polarity == "absent") == (row["negation"] == "Negated")
    assert total >= 60
    assert right / total >= 0.95, (right, total)


def test_real_indications_make_notes_without_marks(reports: list[dict]) -> None:
    cases = [Case(row["uid"], row["uid"], row["uid"], text={"indication": row["indication"] or ""}) for row in reports]
    notes = [note for note in make_notes(cases, "real").values() if note]
    assert len(notes) > 0.7 * len(cases)
    assert not [note for note in notes if "XXX" in note or "___" in note]
