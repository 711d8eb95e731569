"""`medley notes audit`: the table, JSON, exit codes, a run asked again, and what does not belong together."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def audited(square_films, tmp_path_factory):
    """(case table, folder with notes of three regimes)."""
    from medley.data.cases import read_cases
    from medley.data.notes import make_stamped_notes, write_notes

    folder, table = tmp_path_factory.mktemp("notes"), read_cases(square_films / "cases.parquet")
    for regime in ("sim", "seed_leaky", "real"):
        write_notes(folder / f"{regime}.jsonl", make_stamped_notes(table.cases, regime, 1.0, 3))
    return square_films / "cases.parquet", folder


def test_leaky_notes_fail_with_a_table_of_what_failed(medley, audited, tmp_path):
    cases, folder = audited
    code, out, _ = medley("notes", "audit", folder / "seed_leaky.jsonl", "--cases", cases, "--out", tmp_path / "a.json")
    assert code == 1
    for line in ("no note names a finding", "order of the label columns", "check 8,", "failed:"):
        assert line in out
    verdict = json.loads((tmp_path / "a.json").read_text())
    assert {1, 2, 8} <= set(verdict["failed"])
    assert verdict["about"]["regime"] == "seed_leaky"
    assert [check["number"] for check in verdict["checks"]] == list(range(1, 12))


def test_json_and_the_split_of_a_table(medley, audited, square_films):
    cases, folder = audited
    splits = square_films / "splits.json"
    code, out, _ = medley("notes", "audit", folder / "sim.jsonl", "--cases", cases, "--splits", splits, "--json")
    verdict = json.loads(out)
    assert code == int(not verdict["passed"])
    by_number = {check["number"]: check for check in verdict["checks"]}
    assert by_number[1]["status"] == by_number[8]["status"] == by_number[10]["status"] == "passed"
    assert by_number[7]["status"] == "not applicable"
    assert "--run" in by_number[7]["found"]
    assert verdict["about"]["labelled"] < verdict["about"]["studies"]


@pytest.mark.parametrize("with_splits", [False, True])
def test_a_run_is_asked_again_with_other_notes(medley, audited, toy_run, square_films, with_splits):
    cases, folder = audited
    splits = ["--splits", square_films / "splits.json"] if with_splits else []
    said = medley("notes", "audit", folder / "sim.jsonl", "--cases", cases, "--run", toy_run, "--json", *splits)
    code, out, _ = said
    assert code in (0, 1)
    by_number = {check["number"]: check for check in json.loads(out)["checks"]}
    few = "no label has 10 positives and 10 negatives"
    for number in (4, 5, 6, 7):
        assert by_number[number]["status"] != "not applicable" or few in by_number[number]["found"]


def test_a_run_of_another_table_needs_a_split(medley, audited, toy_run, draw_squares, tmp_path):
    from medley.data.notes import make_stamped_notes, write_notes

    other = draw_squares(tmp_path, 20)
    write_notes(tmp_path / "notes.jsonl", make_stamped_notes(other.cases, "sim"))
    table = tmp_path / "cases.parquet"
    code, _, err = medley("notes", "audit", tmp_path / "notes.jsonl", "--cases", table, "--run", toy_run)
    assert (code, "is not the table that" in err, "--splits" in err) == (2, True, True)


def test_bad_input_is_one_line(medley, audited, tmp_path):
    cases, folder = audited
    code, _, err = medley("notes", "audit", folder / "sim.jsonl", "--cases", cases, "--budget-macro", "0.2")
    assert (code, "macro" in err, err.count("\n")) == (2, True, 1)
    lines = (folder / "sim.jsonl").read_text().splitlines()
    head = {**json.loads(lines[0]), "count": 5}
    (tmp_path / "few.jsonl").write_text("\n".join([json.dumps(head), *lines[1:6]]) + "\n")
    code, _, err = medley("notes", "audit", tmp_path / "few.jsonl", "--cases", cases)
    assert code == 2
    assert "the notes lack 115 of 120 cases" in err
    code, _, err = medley("notes", "audit", tmp_path / "absent.jsonl", "--cases", cases)
    assert (code, "does not exist" in err) == (2, True)
    code, _, err = medley("notes", "audit", folder / "sim.jsonl", "--cases", cases, "--bert", tmp_path / "no-bert")
    assert (code, "no config.json is there" in err) == (2, True)
