"""The commands as a user runs them, one after the other, on a run that is there already."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medley.data.cases import read_cases


@pytest.fixture(scope="module")
def run(toy_run, tmp_path_factory) -> Path:
    return Path(shutil.copytree(toy_run, tmp_path_factory.mktemp("cli") / "run"))


def jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_help_names_every_command_and_loads_nothing_heavy():
    script = """
import sys
from medley.cli.main import run
try:
    run(["--help"])
except SystemExit as stop:
    assert stop.code == 0
heavy = {"torch", "transformers", "matplotlib", "sklearn", "scipy", "polars", "pydicom", "lightning", "PIL", "numpy"}
print("loaded:", sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    for command in ("demo", "cohort", "index", "split", "shards", "train", "evaluate", "predict", "check", "doctor"):
        assert command in done.stdout
    assert "loaded: []" in done.stdout


def test_importing_the_package_does_nothing():
    script = "import sys, medley; print(sorted({'torch', 'numpy'} & set(sys.modules)), medley.__version__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("[] ")
    assert done.stderr == ""


def test_train_then_evaluate_then_predict(medley, square_films, tmp_path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(
        f"""
family: cxr_reasoner
size: toy
data: {{cases: {square_films}/cases.parquet, splits: {square_films}/splits.json, shards: null}}
stages: {{joint: {{epochs: 3, batch: 24, best_by: loss}}}}
trainer: {{precision: fp32}}
evaluate: {{bootstrap: 20}}
"""
    )
    out = tmp_path / "run"
    code, _, err = medley("train", recipe, "--out", out, "--set", "stages.joint.epochs=1")
    assert code == 0, err
    assert f"next: medley evaluate {out}" in err
    assert "in all" in err, "the parameter table"
    code, printed, err = medley("evaluate", out, "--json")
    assert code == 0, err
    card = json.loads(printed)
    assert card["protocol"]["part"] == "test"
    assert card["provenance"]["command"].startswith("medley ")
    for name in ("scorecard.json", "scorecard.html", "predictions.jsonl"):
        assert (out / "evaluation" / name).is_file()
    code, printed, err = medley("predict", out, f"PA={square_films / '001-PA.png'}", "--text", "cough", "--json")
    assert code == 0, err
    assert len(json.loads(printed)["labels"]) == 3
    code, printed, _ = medley("train", recipe, "--out", out)
    assert code == 2
    code, _, err = medley("train", recipe, "--out", out, "--set", "stages.joint.epochs=1", "--resume")
    assert code == 0, err


def test_predict_gives_the_scores_of_evaluate(medley, run, square_films, tmp_path):
    code, _, err = medley("evaluate", run)
    assert code == 0, err
    scored = {line["case_id"]: line for line in jsonl(run / "evaluation" / "predictions.jsonl")}
    table = read_cases(square_films / "cases.parquet")
    two_views = [case_id for case_id in scored if len(table.by_id[case_id].images) == 2]
    scored = {case_id: scored[case_id] for case_id in [*two_views[:2], *list(scored)[:3]]}
    with (tmp_path / "studies.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["case_id", "study", "text"])
        for case_id in scored:
            case = table.by_id[case_id]
            films = "+".join(f"{image.view}={Path(image.path).resolve()}" for image in case.images)
            rows.writerow([case_id, films, case.text.get("indication", "")])
    code, _, err = medley("predict", run, "--cases", tmp_path / "studies.csv", "--out", tmp_path / "out")
    assert code == 0, err
    answered = {line["case_id"]: line for line in jsonl(tmp_path / "out" / "predictions.jsonl")}
    assert set(answered) == set(scored)
    for case_id, line in answered.items():
        assert line["scores"] == pytest.approx(scored[case_id]["scores"], abs=1e-6)


def test_predict_prints_words_and_writes_a_picture(medley, run, square_films, tmp_path):
    code, printed, err = medley("predict", run, square_films / "001-PA.png", "--out", tmp_path / "out")
    assert code == 0, err
    assert "001-PA.png" in printed
    assert "1 answered, 0 skipped" in err
    assert (tmp_path / "out" / "pictures" / "001-PA.png").read_bytes().startswith(b"\x89PNG")


def test_check_runs_the_battery_and_counts_paper(medley):
    code, printed, _ = medley("check", "cxr_reasoner", "--size", "paper", "--json")
    assert code == 0
    found = json.loads(printed)["cxr_reasoner"]
    rows = {row["part"]: row for row in found["parts"]}
    assert rows["vision"]["parameters"] == 85_798_656
    assert all(row["trained"] == row["parameters"] for row in rows.values() if row["parameters"])
    parameters = sum(row["parameters"] for row in rows.values())
    for stage in found["stages"]:
        assert stage["weights"] == 4 * parameters, "all of it is fp32"
        assert (stage["gradients"], stage["optimiser"]) == (4 * stage["trained"], 8 * stage["trained"])
    code, _, err = medley("check", "cxr_reasonr")
    assert code == 2
    assert "did you mean 'cxr_reasoner'" in err


def test_doctor_says_what_is_there(medley):
    code, printed, _ = medley("doctor", "--json")
    assert code == 0
    found = json.loads(printed)
    assert set(found) == {"machine", "core", "extras", "image decoders", "folders"}
    assert found["image decoders"]["DICOM RLE"] == "ready"


def test_debug_shows_the_traceback(tmp_path):
    command = [sys.executable, "-m", "medley.cli.main", "--debug", "split", str(tmp_path / "none"), "--out", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
