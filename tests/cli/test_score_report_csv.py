"""`medley score` of a CSV of reports, as a loop over somebody else's model writes it."""

from __future__ import annotations

import csv
import json

import pytest

SICK = ("Left frontal lesion, with edema.", "Right temporal lesion. No edema.", "Bilateral parietal lesions.")
HEALTHY = "The brain is normal."


@pytest.fixture
def rows():
    """case_id, patient_id, what one system wrote, what is true; every second report is of the next case."""
    true = [(*SICK, HEALTHY)[i % 4] for i in range(24)]
    return [(f"c{i}", f"p{i}", true[(i + i % 2) % 24], true[i]) for i in range(24)]


@pytest.fixture
def files(rows, tmp_path):
    """The same reports as a CSV and as JSON lines; and a CSV in which everybody is healthy, without references."""
    theirs, lines, poor = (tmp_path / name for name in ("theirs.csv", "theirs.jsonl", "poor.csv"))
    with theirs.open("w", newline="") as file:
        csv.writer(file).writerows([("case_id", "patient_id", "report", "reference"), *rows])
    with poor.open("w", newline="") as file:
        csv.writer(file).writerows([("case_id", "report"), *((row[0], HEALTHY) for row in rows)])
    keys = ("case_id", "patient_id", "hypothesis", "reference")
    lines.write_text(
        "".join(json.dumps({"task": "brain_report", **dict(zip(keys, row, strict=True))}) + "\n" for row in rows)
    )
    return theirs, lines, poor


def test_a_csv_scores_as_the_same_lines_of_json(medley, files, tmp_path):
    cards = []
    for file in files[:2]:
        code, _, err = medley("score", file, "--task", "brain_report", "--bootstrap", 30, "--out", tmp_path / file.stem)
        assert code == 0, err
        cards.append(json.loads((tmp_path / file.stem / "scorecard.json").read_text()))
    assert cards[0]["metrics"] == cards[1]["metrics"]
    assert cards[0]["protocol"] == cards[1]["protocol"]
    assert 0 < cards[0]["metrics"]["side_lobe_f1"]["value"] < 1


def test_a_csv_may_be_a_floor_and_is_compared_once_it_is_scored(medley, files, tmp_path):
    theirs, _, poor = files
    how = ("--task", "brain_report", "--bootstrap", 30)
    code, printed, err = medley("score", theirs, *how, "--floor", f"poor={poor}", "--out", tmp_path / "a")
    assert code == 0, err
    assert "floor: poor" in printed
    code, _, err = medley("score", theirs, *how, "--out", tmp_path / "b")
    code, printed, err = medley("compare", tmp_path / "a", tmp_path / "b", "--bootstrap", 20, "--permutations", 20)
    assert code == 0, err
    assert "side_lobe_f1" in printed


def test_without_its_task_a_csv_of_reports_says_what_to_do(medley, files):
    code, _, err = medley("score", files[0], "--bootstrap", 0)
    assert code == 2
    assert "the column 'report' is of reports; say of which with --task chest_report or --task brain_report" in err
    assert len(err.strip().splitlines()) == 1
