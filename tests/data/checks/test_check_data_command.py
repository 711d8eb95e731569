"""`medley check-data` as a user types it: a clean cohort raises nothing, a spoilt one exits with 1 and says why."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import polars as pl
import pytest

from medley.core.errors import MedleyError
from medley.data.cases import portable, read_cases, write_cases
from medley.data.checks.doctor import NAMES, examine

STATUSES = {"ok", "warning", "failed", "not applicable"}


@pytest.fixture(scope="module")
def report(clean):
    return examine(clean / "cohort/cases.parquet", clean / "splits.json", workers=1)


def test_a_clean_cohort_raises_nothing(report):
    trouble = {check.name: check.says for check in report.checks if check.status in ("failed", "warning")}
    assert trouble.pop("label-support", "fewer than 10").count("fewer than 10")  # 40 studies cannot have them
    assert trouble == {}


def test_every_check_has_a_name_of_its_own_and_says_what_to_do(report):
    names = [check.name for check in report.checks]
    assert tuple(names) == NAMES
    for check in report.checks:
        assert check.status in STATUSES
        assert check.says
        assert check.todo or check.status in ("ok", "not applicable")
    json.dumps(report.as_json(), allow_nan=False)


def test_the_command_on_a_clean_table(clean, medley, tmp_path):
    code, said, _ = medley(
        "check-data", clean / "cohort/cases.parquet", "--workers", "1", "--json", "--out", tmp_path / "out"
    )
    assert code == 0
    told = json.loads(said)
    assert told["totals"]["failed"] == 0
    assert told == json.loads((tmp_path / "out/check_data.json").read_text(encoding="utf-8"))
    assert (tmp_path / "out/near_duplicates.csv").read_text(encoding="utf-8").startswith("case_a,image_a")


def spoil(clean, folder, change):
    table = read_cases(clean / "cohort/cases.parquet")
    cases = [change(i, portable(case, folder)) for i, case in enumerate(table.cases)]
    write_cases(folder / "cases.parquet", cases, table.labels)
    return folder / "cases.parquet"


def test_the_command_on_a_spoilt_table(clean, medley, tmp_path):
    path = spoil(clean, tmp_path, lambda i, case: replace(case, images=case.images[: i < 4], age_years=200.0 - i))
    code, said, _ = medley("check-data", path, "--workers", "1", "--fix", tmp_path / "fixed.parquet")
    assert code == 1
    assert "failed" in said
    assert "200 years" in said
    assert "dropped: nothing" in said
    code, said, _ = medley("check-data", path, "--workers", "1", "--accept", "ages-and-sexes")
    assert code == 0
    assert "accepted: 40 impossible ages" in said


def test_a_date_in_a_column_of_its_own(clean, tmp_path):
    path = spoil(clean, tmp_path, lambda i, case: replace(case, images=()))
    frame = pl.read_parquet(path).with_columns(pl.lit("1870-01-01").alias("study_date"))
    frame.write_parquet(path)
    checks = {check.name: check for check in examine(path, workers=1).checks}
    assert (checks["dates"].status, checks["dates"].count) == ("failed", 40)


def test_bad_input_is_one_line(clean, medley, tmp_path):
    table = clean / "cohort/cases.parquet"
    for arguments, words in (
        ((tmp_path / "no.parquet",), "does not exist"),
        ((clean / "cohort",), f"is a folder, not a case table: name {table}"),
        ((tmp_path,), "is a folder, not a case table: `medley index READER"),
        ((clean / "splits.json",), "a split manifest goes behind --splits"),
        ((table, "--splits", table), "is not JSON"),
        ((table, "--fix", table), "is the table itself; name a new file"),
        ((table, "--splits", tmp_path / "no.json"), "does not exist"),
        ((table, "--recipe", tmp_path / "no.yaml"), "does not exist"),
        ((table, "--reference", tmp_path / "no.csv"), "is no file; --reference names a CSV"),
    ):
        code, _, said = medley("check-data", *arguments, "--workers", "1")
        assert (code, said.strip().count("\n")) == (2, 0), said
        assert words in said


def test_what_was_found_is_printed_where_it_cannot_be_written(clean, medley, tmp_path, monkeypatch):
    """A full disk costs the files and not the hour of decoding."""
    table = spoil(clean, tmp_path, lambda i, case: replace(case, images=()))

    def full(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("medley.core.files.write_text", full)
    monkeypatch.setattr("medley.data.checks.mend.write_text", full)
    code, said, err = medley("check-data", table, "--out", tmp_path / "out", "--fix", tmp_path / "fixed.parquet")
    assert code == 1
    assert "40 studies, 0 images: 0 checks failed" in said
    assert err.strip().splitlines() == [
        f"medley: cannot write {path}: No space left on device; make room, or name another place"
        for path in (tmp_path / "fixed.dropped.csv", tmp_path / "out/check_data.json")
    ]
    code, said, err = medley("check-data", table, "--out", tmp_path / "out", "--json")
    assert (code, json.loads(said)["totals"]["failed"], len(err.strip().splitlines())) == (1, 0, 1)
    monkeypatch.undo()
    (tmp_path / "file").touch()
    code, said, err = medley("check-data", table, "--out", tmp_path / "file")
    assert (code, err.lstrip()) == (
        1,
        f"medley: cannot write {tmp_path / 'file/check_data.json'}: {tmp_path / 'file'} is not a folder\n",
    )
    assert "same-text-across-parts" in said


def test_a_misspelt_check_is_named_with_the_nearest(clean):
    with pytest.raises(MedleyError, match="did you mean 'label-hierarchy'"):
        examine(clean / "cohort/cases.parquet", accept=["label-hierachy"], workers=1)
