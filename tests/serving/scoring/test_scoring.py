"""Scoring goes through the Predictor: what `predict` says of a study is what the scorecard was made from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import medley
from medley.core.errors import MedleyError
from medley.core.files import sha256
from medley.core.records import Case, ImageRef
from medley.data.cases import read_cases, write_cases
from medley.data.splits import make_split, write_splits
from medley.evaluation.predictions.lines import read_predictions
from medley.serving.predictor import Request
from medley.serving.scoring import run as scoring
from medley.serving.scoring.left_out import write_skipped


@pytest.fixture(scope="module")
def evaluated(toy_run, tmp_path_factory):
    """The toy run, scored: (predictor, source, folder, card, predictions)."""
    run = Path(shutil.copytree(toy_run, tmp_path_factory.mktemp("scored") / "run"))
    predictor = medley.load(run)
    source = scoring.own_source(predictor)
    scoring.fit_on_dev(predictor, source)
    out = run / "evaluation"
    scored = scoring.evaluate_run(predictor, source, "test", out, "test command", own=source)
    return predictor, source, out, scored.card, scored.predictions


def test_predict_says_of_each_study_what_the_scorecard_was_made_from(evaluated):
    """Same films, told their view; same note; one at a time here, many padded together there."""
    predictor, source, out, _, _ = evaluated
    lines = {p.case_id: p for p in read_predictions(out / "predictions.jsonl")}
    assert set(lines) == {case.case_id for case in source.parts["test"]}
    kinds = set()
    for case in source.parts["test"]:
        note = case.text.get("indication")
        kinds.add((len(case.images), note is None))
        answer = predictor.answer(Request([f"{image.view}={image.path}" for image in case.images], note))
        assert dict(answer.prediction.scores) == pytest.approx(lines[case.case_id].scores, abs=1e-6)
        for head, scores in lines[case.case_id].heads.items():
            assert dict(answer.prediction.heads[head]) == pytest.approx(scores, abs=1e-6)
    assert len(kinds) >= 3, "one film and two, with a note and without"


def test_the_truth_beside_a_score_is_that_of_the_table(evaluated):
    _, source, out, _, _ = evaluated
    for prediction in read_predictions(out / "predictions.jsonl"):
        case = source.table.by_id[prediction.case_id]
        assert dict(prediction.labels) == {name: int(value) for name, value in case.labels.items()}
        assert prediction.patient_id == case.patient_id


def test_what_is_fitted_is_fitted_on_the_dev_part_alone(evaluated):
    predictor, source, out, card, _ = evaluated
    for name in ("thresholds", "calibration"):
        saved = json.loads((out.parent / f"{name}.json").read_text())
        assert set(saved["case_ids"]) == {case.case_id for case in source.parts["dev"]}
    assert card.protocol["calibration"] == predictor.recipe.evaluate.calibration != "none"
    assert not predictor.thresholds.seen_in(case.patient_id for case in source.parts["test"])
    assert json.loads((out / "scorecard.json").read_text()) == card.as_json()


def test_the_scorecard_says_what_it_is_of(evaluated):
    _, source, out, card, predictions = evaluated
    said = card.as_json()
    assert said["protocol"]["table"] == source.table.digest
    assert said["protocol"]["split"] == source.manifest.digest
    assert said["protocol"]["part"] == "test"
    assert said["protocol"]["synthetic"] is False
    assert said["provenance"]["command"] == "test command"
    assert len(predictions) == len(source.parts["test"])
    assert said["provenance"]["predictions"] == sha256(out / "predictions.jsonl")[:16]
    assert "uncertain ignore" in said["provenance"]["trained_label_policy"]


def test_a_run_is_not_scored_on_data_that_changed_since(evaluated, tmp_path, square_films):
    predictor, *_ = evaluated
    began = Path(predictor.facts["run"]) / "data.json"
    kept = began.read_text()
    began.write_text(json.dumps({**json.loads(kept), "table_digest": "0" * 16}))
    with pytest.raises(MedleyError, match=r"its table digest is .*, the run was trained on 0000"):
        scoring.own_source(predictor)
    began.write_text(kept)


def other_table(folder: Path, square_films: Path, labels: dict[str, str]) -> tuple[Path, Path]:
    """The square films with labels renamed, or dropped where the new name is empty."""
    rows = []
    for case in read_cases(square_films / "cases.parquet").cases:
        kept = {new: case.labels[old] for old, new in labels.items() if new}
        images = tuple(ImageRef(image.view, image.path) for image in case.images)
        rows.append(Case(case.case_id, case.patient_id, case.study_id, images, case.text, kept, source="other"))
    table = write_cases(folder / "other.parquet", rows, [new for new in labels.values() if new])
    write_splits(folder / "other.json", make_split(table, by="stratified", seed=1, fractions=(0, 0, 1)))
    return folder / "other.parquet", folder / "other.json"


def test_another_table_is_scored_on_the_labels_it_shares(evaluated, square_films, tmp_path):
    predictor, *_ = evaluated
    paths = other_table(tmp_path, square_films, {"Edema": "Edema", "Fracture": "Mass", "Lung Opacity": ""})
    source = scoring.other_source(predictor, *paths, "test")
    predictions = scoring.predict_part(predictor, source, "test")
    assert all(set(p.labels) == set(predictor.labels) for p in predictions)
    assert all(p.labels["Fracture"] is None and p.labels["Edema"] in (0, 1) for p in predictions)


def test_a_table_that_shares_no_label_is_refused(evaluated, square_films, tmp_path):
    paths = other_table(tmp_path, square_films, {"Edema": "Mass", "Fracture": "Hernia"})
    with pytest.raises(MedleyError, match="shares no label with the model, which knows Edema, Fracture, Lung Opacity"):
        scoring.other_source(evaluated[0], *paths, "test")


def test_a_bad_film_of_another_table_is_left_out_said_and_listed(medley, toy_run, draw_squares, tmp_path):
    """A table that is only scored, with films that cannot be read: what can be scored is, and exit 1 says the rest."""
    run = shutil.copytree(toy_run, tmp_path / "run")
    films = tmp_path / "films"
    films.mkdir()
    table = draw_squares(films, 40)
    write_splits(films / "splits.json", make_split(table, fractions=(0, 0, 1)))
    for name in ("005-PA.png", "006-PA.png"):
        (films / name).write_bytes((films / name).read_bytes()[:100])
    arguments = ("evaluate", run, "--cases", films / "cases.parquet", "--splits", films / "splits.json")
    code, _, err = medley(*arguments)
    assert code == 1, err
    card = json.loads((run / "evaluation" / "scorecard.json").read_text())
    assert card["warnings"][0] == "not scored, without a readable film: 2 of 40 studies of the part"
    assert card["protocol"]["studies"] == len(read_predictions(run / "evaluation" / "predictions.jsonl")) == 38
    listed = (run / "evaluation" / "skipped.csv").read_text().splitlines()
    assert listed[0] == "case_id,reason"
    assert [line.split(",")[0] for line in listed[1:]] == ["case-005", "case-006"]
    write_skipped(run / "evaluation" / "skipped.csv", {})
    assert not (run / "evaluation" / "skipped.csv").exists(), "the next scorecard lists its own"
