"""The labeler against the human labels of Open-i: on the half it was made on, and on the half that nobody looks at.

Halves are by the group of a report's text (`report_text_dup_group`, seed 0). The held-out half is asked for its bars
alone: no text of it is shown, and no rule is to be tuned on it. `benchmarks/labeler.py` prints the tables.
"""

from __future__ import annotations

import time
from pathlib import Path

import polars as pl
import pytest

from medley.core.seeds import key64
from medley.language.labeler import join_sections, label_text
from medley.language.mentions import find_mentions

SHARED = {
    "Atelectasis": "gold_Atelectasis",
    "Cardiomegaly": "gold_Cardiomegaly",
    "Consolidation": "gold_Consolidation",
    "Edema": "gold_Edema",
    "Pleural Effusion": "gold_Effusion",
    "Pneumonia": "gold_Pneumonia",
    "Pneumothorax": "gold_Pneumothorax",
}
LEAST_RECALL, LEAST_F1 = 0.93, {1: 0.84, 0: 0.86}  # uncertain as present, as absent


@pytest.fixture(scope="module")
def halves(real_data: Path) -> dict[int, list[dict]]:
    """0: looked at, 1: held out. Coded reports with a text."""
    gold = real_data / "report_labels" / "openi_gold_with_text.parquet"
    groups = real_data / "cxr_reports" / "openi_reports.parquet"
    for path in (gold, groups):
        if not path.is_file():
            pytest.skip(f"{path} is absent")
    of_text = pl.read_parquet(groups).select("uid", "report_text_dup_group")
    table = pl.read_parquet(gold).filter(pl.col("mesh_indexed")).join(of_text, on="uid", validate="1:1")
    parts: dict[int, list[dict]] = {0: [], 1: []}
    for row in table.iter_rows(named=True):
        if row["findings"] or row["impression"]:
            parts[key64(0, row["report_text_dup_group"]) % 2].append(row)
    return parts


def text_of(row: dict) -> str:
    return join_sections({name: row[name] or "" for name in ("findings", "impression")})


@pytest.mark.parametrize("half", [0, 1], ids=["looked_at", "held_out"])
def test_human_labels_are_found(halves: dict[int, list[dict]], half: int) -> None:
    rows = halves[half]
    read = [label_text(text_of(row), finer=False, parents=False) for row in rows]
    for uncertain, least in LEAST_F1.items():
        f1 = {}
        for label, column in SHARED.items():
            said = [values[label] == 1 or (uncertain == 1 and values[label] == -1) for values in read]
            true = [row[column] == 1 for row in rows]
            hit = sum(a and b for a, b in zip(said, true, strict=True))
            f1[label] = 2 * hit / (sum(said) + sum(true))
            if uncertain == 1:
                assert hit / sum(true) >= LEAST_RECALL, label
        assert sum(f1.values()) / len(f1) >= least, (uncertain, f1)


def test_thousands_of_reports_a_second(halves: dict[int, list[dict]]) -> None:
    texts = [text_of(row) for row in halves[0]]
    label_text(texts[0])
    start = time.process_time()
    for text in texts:
        label_text(text)
    assert len(texts) / (time.process_time() - start) >= 2000


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
    assert total >= 100
    assert right / total >= 0.95, (right, total)
