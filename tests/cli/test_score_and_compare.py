"""`medley score` and `medley compare` as a user runs them."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def run(toy_run, tmp_path_factory) -> Path:
    return Path(shutil.copytree(toy_run, tmp_path_factory.mktemp("compared") / "run"))


@pytest.fixture(scope="module")
def theirs(square_films, tmp_path_factory) -> Path:
    """A CSV of scores of the test part, as somebody else would hand it over: no truth, no patients."""
    from medley.data.cases import read_cases
    from medley.data.splits import read_splits

    table = read_cases(square_films / "cases.parquet")
    path = tmp_path_factory.mktemp("theirs") / "theirs.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case_id", *(f"score/{label}" for label in table.labels)])
        for i, case in enumerate(table.pick(read_splits(square_films / "splits.json").parts["test"])):
            rows.writerow([case.case_id, *(0.3 + 0.4 * case.labels[name] + 0.01 * (i % 30) for name in table.labels)])
    return path


def test_a_csv_is_scored_against_table_and_split(medley, theirs, square_films, tmp_path):
    data = ("--train", square_films / "cases.parquet", "--splits", square_films / "splits.json")
    code, printed, err = medley("score", theirs, *data, "--bootstrap", 20, "--out", tmp_path / "card", "--json")
    assert code == 0, err
    card = json.loads(printed)
    assert card["metrics"]["auroc_macro"]["value"] == 1
    assert card["protocol"]["part"] == "test"
    assert card["floors"]["prevalence"]["auroc_macro"] == 0.5
    assert card["provenance"]["command"].startswith("medley score ")
    for name in ("scorecard.json", "scorecard.html", "predictions.jsonl", "metrics.csv"):
        assert (tmp_path / "card" / name).is_file()
    lines = theirs.read_text().splitlines()
    (tmp_path / "fewer.csv").write_text("\n".join(lines[:-2]))
    code, printed, err = medley("score", tmp_path / "fewer.csv", *data, "--bootstrap", 0)
    assert code == 1, "two cases have no prediction"
    assert "auroc_macro" in printed
    assert "warning: without a prediction, and so in no number here: 2 of the" in err


def test_score_refuses_in_one_line(medley, theirs, square_films, tmp_path):
    table = square_films / "cases.parquet"
    for arguments, words in (
        ((theirs,), "the column 'patient_id' is missing"),
        ((theirs, "--splits", square_films / "splits.json"), "--splits needs --train"),
        ((theirs, "--train", table, "--part", "dev"), "--part needs --splits"),
        ((theirs, "--train", table, "--calibration", "platt"), "--calibration needs --dev"),
        ((theirs, "--train", table, "--state", "nots=none"), "did you mean 'notes'?"),
        ((theirs, "--train", table, "--blank", "zero"), "unknown policy for blank labels 'zero'"),
        ((theirs, "--train", table, "--task", "chest_report"), "a CSV holds predictions of chest_findings"),
        ((tmp_path, "--train", table), "is a folder; name the file of predictions in it"),
        ((tmp_path / "none.csv", "--train", table), "does not exist"),
        ((tmp_path / "none.tsv", "--train", table), "a CSV separated by commas (.csv)"),
        ((theirs, "--train", table, "--floor", f"mine={tmp_path / 'none.tsv'}"), "a CSV separated by commas (.csv)"),
    ):
        code, printed, err = medley("score", *arguments, "--bootstrap", 0)
        assert (code, printed) == (2, "")
        assert words in err
        assert len(err.strip().splitlines()) == 1
    mine = tmp_path / "predictions.jsonl"
    mine.write_text('{"case_id": "a", "patient_id": "p", "task": "chest_findings"}')
    code, _, err = medley("score", mine, "--out", tmp_path)
    assert (code, "would write over" in err) == (2, True)


def test_a_run_and_the_score_of_its_own_predictions_compare_alike(medley, run, theirs, square_films, tmp_path):
    code, printed, err = medley("evaluate", run, "--json")
    assert code == 0, err
    card = json.loads(printed)
    stated = [part for key in ("notes", "aggregation") for part in ("--state", f"{key}={card['protocol'][key]}")]
    data = ("--train", square_films / "cases.parquet", "--splits", square_films / "splits.json", "--bootstrap", 20)
    own = run / "evaluation" / "predictions.jsonl"
    code, printed, err = medley("score", own, *data, *stated, "--out", tmp_path / "again")
    assert code == 0, err
    again = json.loads((tmp_path / "again" / "scorecard.json").read_text())
    assert again["metrics"]["auroc_macro"]["value"] == card["metrics"]["auroc_macro"]["value"]
    few = ("--bootstrap", 20, "--permutations", 20)
    code, printed, err = medley("compare", run, tmp_path / "again", *few)
    assert code == 0, err
    assert printed.startswith("A and B give every case the same answer")

    code, _, err = medley("score", theirs, *data, "--out", tmp_path / "theirs")
    assert code == 0, err
    code, _, err = medley("compare", run, tmp_path / "theirs", *few)
    assert code == 2
    assert "notes: A 'real', B does not state it" in err
    assert len(err.strip().splitlines()) == 1
    code, _, err = medley("score", theirs, *data, *stated, "--out", tmp_path / "theirs")
    assert code == 0, err
    code, printed, err = medley("compare", run, tmp_path / "theirs", *few, "--json", "--out", tmp_path / "found.json")
    assert code == 0, err
    found = json.loads(printed)
    assert found == json.loads((tmp_path / "found.json").read_text())
    assert found["averages"]["auroc_macro"]["difference"]["value"] < 0
    code, printed, err = medley("compare", run, tmp_path / "theirs", *few)
    assert code == 0, err
    lines = printed.splitlines()
    assert "macro AUROC" in lines[0]
    assert "Lung Opacity" in printed
    test = found["averages"]["auroc_macro"]["permutation"]
    assert test["smallest_p"] <= test["p"]
    assert next(line for line in lines if "least" in line).split()[-3:] == ["p", "least", "Holm"]
    row = next(line for line in lines if line.startswith("auroc_macro"))
    assert [float(cell) for cell in row.split()[-3:-1]] == pytest.approx([test["p"], test["smallest_p"]], rel=0.05)
    assert re.search(r"[+−]0\.\d{3} \[[+−]0\.\d{3}, [+−]0\.\d{3}\]", row), "whole, in 80 columns"
    assert "least: the smallest p" in printed


def test_compare_refuses_in_one_line(medley, run, tmp_path):
    for arguments, words in (
        ((run, tmp_path / "none"), "does not exist; it must be a run"),
        ((run, tmp_path), "holds no scorecard.json"),
    ):
        code, printed, err = medley("compare", *arguments)
        assert (code, printed) == (2, "")
        assert words in err
