"""`medley cohort`: the command as a user types it."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from medley.cli.cohort import cohort
from medley.core.errors import MedleyError
from medley.data.cases import read_cases

app = typer.Typer()
app.command("cohort")(cohort)


def test_it_writes_a_cohort_and_says_where(tmp_path):
    out = tmp_path / "c"
    run = CliRunner().invoke(
        app, ["mavl", "--out", str(out), "--cases", "3", "--seed", "2", "--px", "32", "--difficulty", "easy"]
    )
    assert run.exit_code == 0, run.output
    assert "3 studies, synthetic" in " ".join(run.output.split())
    assert len(read_cases(out / "cases.parquet")) == 3


def test_an_unknown_family_is_named_with_the_nearest(tmp_path):
    run = CliRunner().invoke(app, ["mavel", "--out", str(tmp_path / "c"), "--cases", "3", "--seed", "2"])
    assert isinstance(run.exception, MedleyError)
    assert "did you mean 'mavl'" in str(run.exception)
    assert not (tmp_path / "c").exists()
