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


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty, so not a file of notes"),
        ("\n\n", "is empty, so not a file of notes"),
        ('{"case_id": "a", "note": "cough"}\n', "its first line must be the stamp"),
        ("STAMP strength much", "line 1: 'strength' of the stamp is \"much\"; it must be a number"),
        ("STAMP seed null", "line 1: 'seed' of the stamp is null; it must be a number"),
        ("LONG", "the note has 100,000 characters; a note has at most 20,000"),
    ],
)
def test_a_file_that_is_no_file_of_notes_is_one_line(medley, audited, tmp_path, content, says):
    cases, folder = audited
    lines = (folder / "sim.jsonl").read_text().splitlines()
    if content.startswith("STAMP"):
        _, key, value = content.split()
        lines[0] = json.dumps({**json.loads(lines[0]), key: None if value == "null" else value})
        content = "\n".join(lines)
    if content == "LONG":
        content = "\n".join([lines[0], json.dumps({**json.loads(lines[1]), "note": "x" * 100_000}), *lines[2:]])
    (tmp_path / "notes.jsonl").write_text(content)
    code, _, err = medley("notes", "audit", tmp_path / "notes.jsonl", "--cases", cases)
    assert (code, says in err, err.count("\n")) == (2, True, 1), err


def test_what_could_not_be_made_is_named_and_is_no_pass(medley, draw_squares, tmp_path):
    from medley.data.cases import read_cases
    from medley.data.notes import make_stamped_notes, write_notes

    draw_squares(tmp_path, 12)
    table = read_cases(tmp_path / "cases.parquet")
    write_notes(tmp_path / "real.jsonl", make_stamped_notes(table.cases, "real"))
    code, out, _ = medley("notes", "audit", tmp_path / "real.jsonl", "--cases", tmp_path / "cases.parquet")
    assert code == 0
    assert "passed; not made, and so not passed: check 2, 3, 4, 5, 6, 7, 8, 10" in out


def test_notes_of_more_cases_than_the_table_has_are_told(medley, audited, draw_squares, tmp_path):
    _, folder = audited
    draw_squares(tmp_path, 30)
    code, _, err = medley("notes", "audit", folder / "real.jsonl", "--cases", tmp_path / "cases.parquet")
    assert code in (0, 1)
    assert "90 of 120 notes are of cases that" in err


def test_real_text_that_fails_says_what_would_stop_a_training(medley, audited, tmp_path):
    cases, folder = audited
    lines = (folder / "real.jsonl").read_text().splitlines()
    named = json.dumps({**json.loads(lines[1]), "note": "evaluate for pneumonia"})
    (tmp_path / "notes.jsonl").write_text("\n".join([lines[0], named, *lines[2:]]))
    code, out, _ = medley("notes", "audit", tmp_path / "notes.jsonl", "--cases", cases)
    assert (code, "failed: 2 of 11 checks; of real text none of them stops a training" in out) == (1, True), out


def test_a_table_without_text_has_no_real_notes(medley, draw_squares, tmp_path):
    import dataclasses

    from medley.data.cases import write_cases

    small = draw_squares(tmp_path, 12)
    bare = [dataclasses.replace(case, text={}) for case in small.cases]
    write_cases(tmp_path / "bare.parquet", bare, small.labels)
    out = tmp_path / "notes.jsonl"
    code, said, _ = medley("notes", "make", tmp_path / "bare.parquet", "--regime", "real", "--out", out)
    assert (code, "no study has a note: the table has no indication, history, note" in said) == (0, True)
    code, said, _ = medley("notes", "audit", out, "--cases", tmp_path / "bare.parquet")
    assert (code, "nothing was checked" in said) == (0, True)
