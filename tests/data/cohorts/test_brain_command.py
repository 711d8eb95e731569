"""`medley cohort braingemma3d`: the command as a user types it."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from medley.cli.cohort import cohort
from medley.data.cases import read_cases

app = typer.Typer()
app.command("cohort")(cohort)


def test_it_writes_volumes_and_says_where(tmp_path):
    out = tmp_path / "c"
    run = CliRunner().invoke(app, ["braingemma3d", "--out", str(out), "--cases", "2", "--seed", "2", "--px", "32"])
    assert run.exit_code == 0, run.output
    assert "2 studies, synthetic" in " ".join(run.output.split())
    assert len(read_cases(out / "cases.parquet")) == 2
    assert json.loads((out / "cohort.json").read_text())["px"] == 32
