"""Evaluating a run that writes: everything is written, paired with its floors, and said where it is missing."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import medley as toolkit
from medley.core.errors import MedleyError
from medley.core.records import ImageRef
from medley.data.cases import read_cases, write_cases
from medley.data.splits import make_split, write_splits
from medley.evaluation.predictions.lines import read_predictions
from medley.evaluation.scorecard.card import read_scorecard
from medley.serving.scoring import run as scoring

FLOORS = {"constant_normal", "most_frequent", "nearest_text", "nearest_image", "nearest_findings"}
FLOORS |= {"black_images", "shuffled_images", "no_note"}
CEILINGS = {"nearest_reference", "nearest_true_findings"}
PROBES = {"thumbnail_probe", "nearest_neighbour"}


@pytest.fixture(scope="module")
def evaluated(report_run, tmp_path_factory):
    """A copy of the run after `medley evaluate`: (folder of the run, what the command printed)."""
    from typer.testing import CliRunner

    from medley.cli.main import app

    run = Path(shutil.copytree(report_run, tmp_path_factory.mktemp("evaluated") / "run"))
    result = CliRunner().invoke(app, ["evaluate", str(run)], obj="medley evaluate")
    assert result.exit_code == 0, result.output
    return run, result.output


def test_everything_is_written_and_the_lines_are_whole(evaluated, report_films):
    run, printed = evaluated
    folder = run / "evaluation"
    assert {file.name for file in folder.iterdir()} >= {
        *("scorecard.json", "scorecard.html", "predictions.jsonl", "metrics.csv", "per_label.csv", "by_report.csv"),
        *("floors.png", "floors"),
    }
    assert {file.stem for file in (folder / "floors").iterdir()} == FLOORS | CEILINGS | PROBES
    lines = read_predictions(folder / "predictions.jsonl")
    parts = json.loads((report_films / "splits.json").read_text())["parts"]
    assert {line.case_id for line in lines} == set(parts["test"])
    for line in lines:
        assert line.task == "chest_report"
        assert line.reference["findings"]
        assert "sides" in line.truth
        assert set(line.extra) >= {"gate", "sentence_confidence", "consistency"}
    assert str(folder / "scorecard.html") in printed
    assert "clinical_f1_micro_14" in printed


def test_the_card_holds_every_floor_beside_the_system(evaluated):
    card = read_scorecard(evaluated[0] / "evaluation")
    assert card.task == "chest_report"
    assert set(card.floors) == FLOORS
    assert set(card.ceilings) == CEILINGS
    for name in FLOORS | CEILINGS:
        assert f"minus_{name}/clinical_f1_micro_14" in card.metrics
        assert f"minus_{name}/laterality_accuracy" in card.metrics
    assert "auxiliary/auroc_macro" in card.metrics
    assert "auxiliary/fused_minus_thumbnail_probe/auroc_macro" in card.metrics
    assert card.protocol["part"] == "test"
    assert "the report is of the films that are read together first" in card.protocol["aggregation"]


def test_thresholds_are_fitted_on_dev_without_writing(evaluated, report_films):
    run, _ = evaluated
    parts = json.loads((report_films / "splits.json").read_text())["parts"]
    saved = json.loads((run / "thresholds.json").read_text())
    assert set(saved["case_ids"]) == set(parts["dev"])


def test_report_against_findings_is_counted(evaluated):
    run, _ = evaluated
    rates = read_scorecard(run / "evaluation").provenance["report_against_findings"]
    lines = read_predictions(run / "evaluation" / "predictions.jsonl")
    flagged = [line for line in lines if line.extra["consistency"]]
    assert rates["flagged"] == len(flagged)
    assert rates["reports"] == sum(bool(line.hypothesis) for line in lines)
    kinds = [kind for line in lines for kind in line.extra["consistency"].values()]
    assert rates["found_not_mentioned"] == kinds.count("not mentioned")


def test_the_same_run_gives_the_same_predictions(evaluated, tmp_path):
    run, _ = evaluated
    predictor = toolkit.load(run)
    again = scoring.predict_part(predictor, scoring.own_source(predictor), "test")
    lines = read_predictions(run / "evaluation" / "predictions.jsonl")
    assert [dict(one.hypothesis) for one in again] == [dict(line.hypothesis) for line in lines]


def other_table(folder: Path, films: Path) -> tuple[Path, Path]:
    """Films of the table as another one: patients of other names, and a study of three films."""
    rows = []
    for index, case in enumerate(read_cases(films / "cases.parquet").cases[:24]):
        images = tuple(ImageRef(image.view, image.path) for image in case.images)
        if index == 0:
            images = (*images, ImageRef("AP", images[0].path))
        rows.append(replace(case, patient_id=f"other-{case.patient_id}", images=images, source="other"))
    table = write_cases(folder / "other.parquet", rows, tuple(rows[0].labels))
    write_splits(folder / "other.json", make_split(table, seed=1, fractions=(0, 0, 1)))
    return folder / "other.parquet", folder / "other.json"


@pytest.fixture
def bereft(report_run, report_films, tmp_path) -> Path:
    """A run, never evaluated, whose table is gone."""
    run = Path(shutil.copytree(report_run, tmp_path / "run"))
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(report_films / "cases.parquet"), str(tmp_path / "gone.parquet")))
    return run


def test_another_table_is_scored_when_the_data_of_the_training_are_gone(medley, bereft, report_films, tmp_path):
    """Without thresholds then: what the reports say needs none."""
    cases, splits = other_table(tmp_path, report_films)
    out = tmp_path / "out"
    code, _, err = medley("evaluate", bereft, "--cases", cases, "--splits", splits, "--out", out)
    assert code == 0, err
    assert "without the floors that learn from the data of the training" in err
    card = read_scorecard(out)
    assert set(card.floors) == {"constant_normal", "black_images", "shuffled_images", "no_note"}
    assert card.metrics["clinical_f1_micro_14"].value is not None
    assert "threshold" in card.metrics["auxiliary/f1_macro"].error
    missing = "the floor nearest_image is missing: the data of the training are not at hand"
    assert missing in card.warnings
    assert any("1 study with more films than the model reads together" in warning for warning in card.warnings)


def test_without_its_own_data_its_own_part_cannot_be_scored(medley, bereft):
    code, printed, err = medley("evaluate", bereft)
    assert (code, printed) == (2, "")
    assert len(err.splitlines()) == 1
    assert "gone.parquet" in err


def test_shuffled_labels_are_refused_before_anything_is_read(medley, report_run):
    code, printed, err = medley("evaluate", report_run, "--controls")
    assert (code, printed) == (2, "")
    assert len(err.splitlines()) == 1
    assert "--controls trains on shuffled labels" in err
    assert "black_images and shuffled_images are its controls" in err


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_predicted(report_run, tmp_path, monkeypatch):
    predictor = toolkit.load(report_run)
    source = scoring.own_source(predictor)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(predictor, "predictions", lambda *_: pytest.fail("predicted first"))
    with pytest.raises(MedleyError, match=r"file is not a folder"):
        scoring.evaluate_run(predictor, source, "test", tmp_path / "file" / "out", "test", own=source)
    with pytest.raises(OSError, match="/proc/nowhere"):
        scoring.evaluate_run(predictor, source, "test", Path("/proc/nowhere"), "test", own=source)


def test_a_table_without_reports_and_labels_is_told_before_anything_is_written(report_run, monkeypatch, tmp_path):
    predictor = toolkit.load(report_run)
    source = scoring.own_source(predictor)
    mute = {"test": [replace(case, text={}, labels={}) for case in source.parts["test"]]}
    monkeypatch.setitem(source.__dict__, "parts", mute)
    monkeypatch.setattr(predictor, "predictions", lambda *_: pytest.fail("predicted first"))
    with pytest.raises(MedleyError, match="no study of the part 'test' has a report or labels to score against"):
        scoring.evaluate_run(predictor, source, "test", tmp_path, "test", own=source)


def test_by_report_names_every_case(evaluated):
    with (evaluated[0] / "evaluation" / "by_report.csv").open() as file:
        rows = list(csv.DictReader(file))
    lines = read_predictions(evaluated[0] / "evaluation" / "predictions.jsonl")
    assert {row["case_id"] for row in rows} == {line.case_id for line in lines}
