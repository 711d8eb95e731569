"""Text floors on the reports of Open-i: what docs/openi_floors.md says of them still holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medley.core.records import Prediction, target_sections
from medley.data.cases import CaseTable
from medley.data.notes import make_notes
from medley.data.readers import openi
from medley.data.splits import make_split
from medley.evaluation.reports.floors import text_floors
from medley.evaluation.reports.statistics import report_statistics


@pytest.fixture(scope="module")
def scores(real_data: Path) -> dict[str, dict[str, float]]:
    """Floor -> metric -> value for the findings of the hash split's test part."""
    root = real_data / "cxr_reports"
    if not (root / "openi_reports.parquet").is_file():
        pytest.skip(f"{root / 'openi_reports.parquet'} is absent")
    reading = openi.read({"reports": root})
    table = CaseTable(tuple(reading.cases), tuple(reading.labels))
    parts = make_split(table).parts
    train, test = table.pick(parts["train"]), table.pick(parts["test"])
    predictions = [
        Prediction(case.case_id, case.patient_id, "chest_report", reference={"findings": text})
        for case in test
        if (text := target_sections(case).get("findings"))
    ]
    found = text_floors(predictions, train, make_notes([*train, *test], "real"))
    assert not found.absent
    everyone = np.ones((len(predictions), 1))
    return {
        name: {of: float(value[0]) for of, value in report_statistics(lines).weighted(everyone).items()}
        for name, lines in {**found.floors, **found.ceilings}.items()
    }


def test_a_constant_shares_words_and_finds_nothing(scores):
    constant = scores["constant_normal"]
    assert constant["bleu_4"] == pytest.approx(0.136, abs=0.001)
    assert constant["rouge_l"] == pytest.approx(0.342, abs=0.001)
    assert constant["clinical_f1_micro_14"] == pytest.approx(0.58, abs=0.02), "No Finding alone"
    assert constant["clinical_f1_micro_13"] == constant["clinical_f1_micro_5"] == 0


def test_floors_stand_in_their_order(scores):
    assert scores["most_frequent"]["bleu_4"] < scores["nearest_text"]["bleu_4"] < scores["constant_normal"]["bleu_4"]
    assert scores["nearest_text"]["clinical_f1_micro_13"] > 0.05
    ceiling = scores["nearest_reference"]
    assert all(
        ceiling[name] > of[name] for of in scores.values() if of is not ceiling for name in ("bleu_4", "cider_d")
    )
    assert ceiling["bleu_4"] == pytest.approx(0.553, abs=0.005)
