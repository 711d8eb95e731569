"""`medley compare` of two systems that write reports, as a user runs it."""

from __future__ import annotations

import json

import pytest

TRUE = ("The heart is enlarged.", "The lungs are clear.", "There is a left pleural effusion.")


@pytest.fixture
def cards(medley, tmp_path):
    """Scorecards of a system that is always right, and of one that always says the same."""
    for name, said in (("right", TRUE), ("same", (TRUE[1],) * 3)):
        lines = [
            {
                "case_id": f"c{i}",
                "patient_id": f"p{i}",
                "task": "chest_report",
                "hypothesis": said[i % 3],
                "reference": TRUE[i % 3],
            }
            for i in range(24)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
        code, _, err = medley("score", tmp_path / f"{name}.jsonl", "--bootstrap", 0, "--out", tmp_path / name)
        assert code == 0, err
    return tmp_path


def test_reports_are_compared_in_words_and_tables(medley, cards):
    few = ("--bootstrap", 100, "--permutations", 200)
    code, printed, err = medley("compare", cards / "right", cards / "same", *few, "--out", cards / "found.json")
    assert code == 0, err
    lines = printed.splitlines()
    assert lines[0].startswith("A is better than B in micro clinical F1 (14 labels) by 0.")
    assert lines[1].startswith("A is better than B in micro clinical F1 (13, without No Finding) by 1.000")
    rows = [line.split()[0] for line in lines if "[" in line and line[0].islower()]
    assert rows[:2] == ["clinical_f1_micro_14", "clinical_f1_micro_13"]
    assert "bleu_4" in rows
    assert next(line for line in lines if line.startswith("F1 ")).split()[-3:] == ["p", "least", "Holm"]
    assert any(line.startswith("Pleural Effusion") for line in lines)
    assert "no encoder: BERTScore needs the folder of one" in printed
    found = json.loads((cards / "found.json").read_text())
    assert found["task"] == "chest_report"
    assert found["averages"]["bleu_1"]["a"] == pytest.approx(1)
    assert found["per_label"]["uncertain_1"]["Cardiomegaly"]["recall"]["difference"]["value"] == 1
