"""A run answers with weights that are trained to the end, and with what was fitted for exactly these weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

import medley
from medley.core.errors import MedleyError
from medley.core.files import read_json, sha256, write_json
from medley.core.weights import load_tensors, save_tensors
from medley.serving.run_folder import _where_it_stopped
from medley.training.checkpoint import Progress


@pytest.fixture
def run(toy_run, tmp_path) -> Path:
    """A copy of the toy run, without what was fitted on its dev part."""
    copy = Path(shutil.copytree(toy_run, tmp_path / "run"))
    for name in ("thresholds.json", "calibration.json"):
        (copy / name).unlink(missing_ok=True)
    return copy


def stop_at(run: Path, step: int) -> None:
    """What a killed training leaves: a state beside the best weights so far."""
    save_tensors(run / "1-joint" / "state.safetensors", {}, {"progress": asdict(Progress(step=step))})


def fitted_for(run: Path, weights: str, edema: float) -> None:
    ids = {"case_ids": ["a"], "patient_ids": ["b"], "weights": weights}
    write_json(run / "thresholds.json", {"values": {"fused": {"Edema": edema}}, "reasons": {}, **ids})
    curve = {"fused": {"Edema": {"slope": 0.5, "intercept": 0.0}, "Fracture": None}}
    write_json(run / "calibration.json", {"method": "temperature", "curves": curve, "reasons": {}, **ids})


def label(answer, name: str) -> dict:
    return next(one for one in answer.as_json()["labels"] if one["name"] == name)


def test_a_training_that_has_not_finished_is_refused_unless_asked_for(run, square_films):
    stop_at(run, 10)
    with pytest.raises(MedleyError, match=r"has not finished: stage 1 of 1 \(1-joint\) stands at step 10.*--resume"):
        medley.load(run)
    predictor = medley.load(run, unfinished=True)
    assert predictor.facts["finished"] is False
    for name in ("001-PA.png", "002-PA.png"):
        answer = predictor.predict(square_films / name)
        assert any("has not finished" in warning for warning in answer.warnings)
        assert answer.as_json()["model"]["finished"] is False


def test_a_finished_run_says_so_and_warns_of_nothing(toy_run, square_films):
    predictor = medley.load(toy_run, unfinished=True)
    assert predictor.facts["finished"] is True
    assert not any("finished" in warning for warning in predictor.predict(square_films / "001-PA.png").warnings)


def test_of_several_stages_the_last_must_be_done(tmp_path):
    stages = [tmp_path / name for name in ("1-towers", "2-joint", "3-report")]
    assert _where_it_stopped(stages) is None, "nothing was begun: that has an error of its own"
    for stage in stages:
        stage.mkdir()
        (stage / "weights.safetensors").touch()
        stopped = _where_it_stopped(stages)
        assert (stopped is None) == (stage == stages[-1])
    (stages[0] / "weights.safetensors").unlink()
    assert _where_it_stopped(stages) is None, "earlier stages may be thrown away"
    (stages[2] / "weights.safetensors").unlink()
    assert _where_it_stopped(stages) == "stage 2 of 3 (2-joint) is the last that left weights"


def test_a_state_without_weights_is_unfinished_and_cannot_answer(run):
    stop_at(run, 1)
    (run / "1-joint" / "weights.safetensors").unlink()
    with pytest.raises(MedleyError, match="has not finished"):
        medley.load(run)
    with pytest.raises(MedleyError, match="holds no weights"):
        medley.load(run, unfinished=True)


def test_what_was_fitted_for_other_weights_is_not_used_and_the_answer_says_so(run, square_films):
    film = square_films / "001-PA.png"
    weights = run / "1-joint" / "weights.safetensors"
    digest = sha256(weights)[:16]
    fitted_for(run, digest, 0.3)
    answer = medley.load(run).predict(film)
    assert label(answer, "Edema")["threshold"] == 0.3
    assert not any("thresholds" in warning for warning in answer.warnings)

    tensors, facts = load_tensors(weights)
    save_tensors(
        weights, {name: value + 1e-3 if value.is_floating_point() else value for name, value in tensors.items()}, facts
    )
    predictor = medley.load(run)
    assert predictor.thresholds is None
    assert predictor.calibration is None
    answer = predictor.predict(film)
    assert label(answer, "Edema")["threshold"] is None
    assert any(f"was fitted for weights {digest}" in warning for warning in answer.warnings)


def test_half_of_the_pair_for_other_weights_condemns_both(run):
    fitted_for(run, sha256(run / "1-joint" / "weights.safetensors")[:16], 0.3)
    record = read_json(run / "calibration.json")
    write_json(run / "calibration.json", {**record, "weights": "0" * 16})
    predictor = medley.load(run)
    assert (predictor.thresholds, predictor.calibration) == (None, None)
    assert "calibration.json was fitted for weights 0000" in predictor.unfitted


def test_a_record_from_before_the_digest_is_trusted(run):
    fitted_for(run, "", 0.3)
    record = read_json(run / "thresholds.json")
    del record["weights"]
    write_json(run / "thresholds.json", record)
    assert medley.load(run).thresholds.of("fused", "Edema") == (0.3, None)


def test_calibrated_probabilities_stand_beside_the_raw_ones(run, square_films):
    film = square_films / "001-PA.png"
    assert label(medley.load(run).predict(film), "Edema")["p_cal"] is None
    fitted_for(run, "", 0.3)
    answer = medley.load(run).predict(film)
    edema = label(answer, "Edema")
    raw = torch.tensor(edema["p_raw"], dtype=torch.float64)
    assert edema["p_cal"] == pytest.approx(torch.sigmoid(0.5 * torch.logit(raw)).item(), abs=1e-6)
    assert edema["decision"] == (edema["p_raw"] >= 0.3), "the threshold is of the raw score"
    assert label(answer, "Fracture")["p_cal"] is None, "no curve could be fitted"
    (run / "calibration.json").write_text("null\n")
    assert medley.load(run).calibration is None


def test_the_model_block_says_what_the_audit_and_the_labels_said(run, square_films):
    film = square_films / "001-PA.png"
    (run / "audit.json").unlink(missing_ok=True)
    assert medley.load(run).facts["notes_audit"] == "not made"
    write_json(run / "audit.json", {"failed": [1, 4], "checks": []})
    data = read_json(run / "data.json")
    write_json(run / "data.json", {**data, "leaky": True, "hierarchy_holds": False})
    answer = medley.load(run).predict(film)
    model = json.loads(json.dumps(answer.as_json()))["model"]
    assert (model["notes_audit"], model["leaky"], model["hierarchy_holds"]) == ("failed check 1, 4", True, False)
    assert any("notes that give the labels away" in warning for warning in answer.warnings)
    write_json(
        run / "data.json", {key: value for key, value in data.items() if key not in ("leaky", "hierarchy_holds")}
    )
    old = medley.load(run).facts
    assert (old["leaky"], old["hierarchy_holds"]) == (False, True), "runs from before these facts"


def test_no_parent_speaks_against_a_child_where_the_labels_did_not_obey_the_hierarchy(run, square_films):
    """The toy's Edema with its parent Lung Opacity far below its threshold."""
    data = read_json(run / "data.json")
    ids = {"case_ids": ["a"], "patient_ids": ["b"]}
    values = {"fused": {"Edema": 0.001, "Lung Opacity": 0.999, "Fracture": 0.5}}
    write_json(run / "thresholds.json", {"values": values, "reasons": {}, **ids})
    for holds in (True, False):
        write_json(run / "data.json", {**data, "hierarchy_holds": holds})
        text = medley.load(run).predict(square_films / "001-PA.png").differential.text
        assert ("its parent label Lung Opacity is unlikely" in text) is holds
