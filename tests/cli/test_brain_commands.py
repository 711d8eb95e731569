"""Brains from the first command to the last: a drawn cohort, all stages, the scorecard, an answer, what it rests on."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from medley import load
from medley.data.cases import read_cases
from medley.language.brain import read_brain
from medley.serving.explaining.brain import explain_brain, volume_score
from medley.serving.opening.request import Request

RECIPE = """
family: braingemma3d
size: toy
seed: 5
data: {cases: COHORT/cases.parquet, splits: COHORT/splits.json, notes: {regime: none}}
stages:
  towers: {epochs: 2}
  contrastive: {epochs: 1}
  warmup: {epochs: 1, cache_features: true}
  lora: {epochs: 1, cache_features: true}
trainer: {precision: fp32}
evaluate: {bootstrap: 20}
"""


def call(*arguments: object) -> tuple[int, str]:
    """(exit code, stderr) of the command line, for what a whole module needs once."""
    from medley.cli.main import run

    with contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        try:
            run([str(argument) for argument in arguments])
            return 0, said.getvalue()
        except SystemExit as stop:
            return int(stop.code or 0), said.getvalue()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("brains") / "cohort"
    code, err = call("cohort", "braingemma3d", "--out", folder, "--cases", 48, "--seed", 3, "--px", 32)
    assert code == 0, err
    code, err = call("split", folder / "cases.parquet", "--by", "stratified", "--out", folder / "splits.json")
    assert code == 0, err
    return folder


@pytest.fixture(scope="module")
def run(cohort) -> Path:
    recipe = cohort.parent / "small.yaml"
    recipe.write_text(RECIPE.replace("COHORT", str(cohort)))
    out = cohort.parent / "run"
    code, err = call("train", recipe, "--out", out)
    assert code == 0, err
    assert "no augmentation but the mirror" in err
    return out


def test_every_stage_says_whether_its_reports_come_from_the_volume(run):
    for stage in ("1-towers", "2-contrastive", "3-warmup", "4-lora"):
        found = json.loads((run / stage / "diagnostics.json").read_text())
        assert set(found["told"]) == set(found["tokens"]) == {"real", "zero", "shuffled", "noise"}
        assert found["tokens"]["real"]["cosine_to_real"] == pytest.approx(1, abs=1e-4)
        assert (run / stage / "diagnostics.png").stat().st_size > 5000


def test_the_scorecard_has_the_brain_metrics_beside_every_floor(medley, run):
    code, printed, err = medley("evaluate", run, "--json")
    assert code == 0, err
    card = json.loads(printed)
    assert card["task"] == "brain_report"
    for name in ("side_lobe_f1", "pathology_f1", "laterality_accuracy", "healthy_specificity", "pathology_f1_seed"):
        metric = card["metrics"][name]
        assert metric["value"] is not None or metric["error"], name
    floors = {"black_images", "mean_images", "shuffled_images", "probe", "nearest_image", "nearest_findings"}
    floors |= {"constant_healthy", "constant_lesion", "majority_side", "most_frequent"}
    assert floors <= set(card["floors"])
    assert card["protocol"]["truth"] == "table"
    assert (run / "evaluation" / "scorecard.html").is_file()
    assert 0 <= card["metrics"]["best_supervoxel"]["value"] <= 1
    assert set(card["floors"]["random_order"]) == {"deletion", "insertion"}
    assert set(card["floors"]["randomised"]) <= set(card["metrics"])
    page = (run / "evaluation" / "scorecard.html").read_text()
    assert "What the reports rest on" in page
    assert "Models with random weights" in page
    lines = (run / "evaluation" / "predictions.jsonl").read_text().splitlines()
    assert all("report" in json.loads(line)["reference"] for line in lines)


def test_other_systems_answers_to_the_same_cases_are_floors(medley, run, tmp_path):
    assert medley("evaluate", run)[0] == 0
    theirs = tmp_path / "slices" / "evaluation"
    theirs.mkdir(parents=True)
    lines = (run / "evaluation" / "predictions.jsonl").read_text().splitlines()
    (theirs / "predictions.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    code, printed, err = medley("evaluate", run, "--json", "--floor", f"slices_2d={theirs.parent}")
    assert code == 0, err
    card = json.loads(printed)
    assert card["metrics"]["minus_slices_2d/side_lobe_f1"]["value"] == 0, "it is held against itself"
    (theirs / "predictions.jsonl").write_text("\n".join(lines[1:]) + "\n")
    code, _, err = medley("evaluate", run, "--floor", f"slices_2d={theirs.parent}")
    assert code == 2
    assert "1 of the" in err
    assert "a floor answers the same cases" in err
    code, _, err = medley("evaluate", run, "--floor", f"probe={theirs.parent}")
    assert code == 2
    assert "probe is made here" in err
    code, _, err = medley("evaluate", run, "--floor", f"slices_2d={tmp_path}")
    assert code == 2
    assert "holds no predictions.jsonl" in err


def test_predict_reads_a_file_and_answers_as_evaluate_does(medley, run, cohort, tmp_path):
    predictions = [json.loads(line) for line in (run / "evaluation" / "predictions.jsonl").read_text().splitlines()]
    scored = predictions[0]
    case = read_cases(cohort / "cases.parquet").by_id[scored["case_id"]]
    [flair] = [image.path for image in case.images if image.view == "flair"]
    code, printed, err = medley("predict", run, f"flair={flair}", "--json", "--out", tmp_path / "out")
    assert code == 0, err
    answer = json.loads(printed)
    said = {label["name"]: label["p_raw"] for label in answer["labels"]}
    assert said == pytest.approx(scored["scores"], abs=1e-5)
    assert answer.get("report", {}) == scored.get("hypothesis", {})
    if answer.get("report"):
        read = read_brain(answer["report"]["report"])
        assert answer["structured"] == scored["extra"]["structured"]
        assert answer["structured"]["findings"] == dict(read.findings)
        assert answer["structured"]["side"] == read.side
        assert set(answer["places"]) == set(scored["extra"]["places"])
    assert "generated" in " ".join(answer["warnings"])
    with Image.open(tmp_path / "out" / answer["evidence"]["picture"]) as picture:
        assert picture.width > 900


def test_a_folder_is_answered_study_by_study_and_what_is_no_volume_skipped(medley, run, cohort, tmp_path):
    flair = next(image.path for image in read_cases(cohort / "cases.parquet").cases[0].images if image.view == "flair")
    for name in ("a", "b"):
        (tmp_path / "day" / name).mkdir(parents=True)
        shutil.copy(flair, tmp_path / "day" / name / "flair.nii.gz")
    (tmp_path / "day" / "b" / "flair.nii.gz").write_bytes(Path(flair).read_bytes()[:2000])
    code, printed, err = medley("predict", run, tmp_path / "day", "--json", "--out", tmp_path / "out")
    assert code == 1, err
    assert [json.loads(line)["case_id"] for line in printed.splitlines()] == ["a"]
    assert "b" in (tmp_path / "out" / "skipped.csv").read_text()
    assert "1 answered, 1 skipped" in err


@pytest.mark.parametrize("method", ["lime", "occlusion", "gradient"])
def test_explain_writes_maps_in_the_space_of_the_source(medley, run, cohort, tmp_path, method):
    table = read_cases(cohort / "cases.parquet")
    case = next(case for case in table.cases if not case.truth["healthy"])
    asked = ("--cases", cohort / "cases.parquet", "--target", "report")
    code, _, err = medley("explain", run, case.case_id, *asked, "--method", method, "--out", tmp_path / "out")
    if code == 2 and "wrote no report" in err:
        pytest.skip("the toy wrote nothing of this study")
    assert code == 0, err
    [one] = json.loads((tmp_path / "out" / "explanations.json").read_text())["explanations"]
    assert one["precision"] == "fp32"  # as the recipe has it
    assert 0 <= one["lesion"]["auprc"] <= 1
    assert 0 <= one["curves"]["deletion_random"] <= 1
    assert ("lime" in one) == ("best_supervoxel" in one["lesion"]) == (method == "lime")
    with Image.open(tmp_path / "out" / one["picture"]) as picture:
        assert picture.width > 900
    drawn = nibabel.load(tmp_path / "out" / one["map"])
    source = nibabel.load(next(image.path for image in case.images if image.view == "flair"))
    assert drawn.shape == source.shape
    assert np.allclose(drawn.affine, source.affine, atol=1e-4)


def test_lime_asks_as_precisely_as_the_training_did_and_all_else_in_32_bits(run, cohort):
    predictor = load(run)
    case = next(case for case in read_cases(cohort / "cases.parquet").cases if not case.truth["healthy"])
    path = next(image.path for image in case.images if image.view == "flair")
    [study] = predictor.read(Request(path)).studies
    trainer = predictor.recipe.trainer.model_copy(update={"precision": "bf16"})
    predictor.recipe = predictor.recipe.model_copy(update={"trainer": trainer})
    found = {
        method: explain_brain(predictor, study, ["report"], method, report="A left frontal lesion.", most=200)[0]
        for method in ("lime", "occlusion")
    }
    assert {method: one.precision for method, one in found.items()} == {"lime": "bf16", "occlusion": "fp32"}
    asked = [found["lime"].target]
    whole = torch.from_numpy(study.volume.voxels)[None]
    with torch.inference_mode():
        exact, half = (float(volume_score(predictor, study, asked, how)(whole)) for how in ("fp32", "bf16"))
    assert found["lime"].fit.whole == half != exact
    assert half == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(
    ("study", "says"),
    [
        ("nothing.nii.gz", "does not exist"),
        ("words.nii.gz", "NIfTI"),
        ("t1=t1.nii.gz", "flair"),
    ],
)
def test_a_bad_study_is_one_line_and_exit_2(medley, run, tmp_path, study, says):
    (tmp_path / "words.nii.gz").write_text("not a volume")
    nibabel.Nifti1Image(np.ones((8, 8, 8), np.int16), np.eye(4)).to_filename(tmp_path / "t1.nii.gz")
    name, _, file = study.rpartition("=")
    code, _, err = medley("predict", run, f"{name}={tmp_path / file}" if name else tmp_path / file)
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_stages_that_read_the_cache_and_are_resumed_learn_what_an_unbroken_run_without_it_learns(
    medley, cohort, tmp_path
):
    """Mirrored volumes are in it, too: with the cache there is no augmentation but that."""
    text = RECIPE.replace("COHORT", str(cohort))
    mirrored = "trainer: {precision: fp32, augment: mirror}"
    (tmp_path / "cached.yaml").write_text(text.replace("trainer: {precision: fp32}", mirrored))
    plain = text.replace(", cache_features: true", "").replace("trainer: {precision: fp32}", mirrored)
    (tmp_path / "plain.yaml").write_text(plain)
    assert medley("train", tmp_path / "plain.yaml", "--out", tmp_path / "plain")[0] == 0
    cached = ("train", tmp_path / "cached.yaml", "--out", tmp_path / "cached")
    assert medley(*cached, "--stage", "towers")[0] == 0
    assert medley(*cached, "--resume", "--stage", "contrastive")[0] == 0
    assert medley(*cached, "--resume", "--stage", "warmup")[0] == 0
    assert medley(*cached, "--resume")[0] == 0
    for stage in ("3-warmup", "4-lora"):
        plain_losses, cached_losses = (
            [json.loads(line)["loss"] for line in (tmp_path / run / stage / "metrics.jsonl").read_text().splitlines()]
            for run in ("plain", "cached")
        )
        assert plain_losses == pytest.approx(cached_losses, abs=1e-5), stage


BAD_SHAPES = ("0.4x64x64", "nanx64x64", "1.5x64x64", "100000x64x64")
BAD_SPANS = ("infxinfxinf", "1x1x1", "abc")


@pytest.mark.parametrize("asked", [*(("--shape", one) for one in BAD_SHAPES), *(("--fov", one) for one in BAD_SPANS)])
def test_a_grid_that_is_none_is_one_line(medley, tmp_path, asked):
    code, _, err = medley("preprocess", "brains", tmp_path, tmp_path / "out", *asked)
    assert code == 2
    assert f"{asked[0]} {asked[1]}: it must be depth x height x width" in err
    assert len(err.strip().splitlines()) == 1


def test_a_model_that_only_writes_is_trained_scored_and_asked(medley, cohort, tmp_path):
    """facts_weight 0, as the published system: there are no scores beside the text, and nothing to fit to them."""
    document = RECIPE.replace("COHORT", str(cohort)).replace(
        "size: toy", "size: toy\nmodel: {facts_weight: 0.0, tell_facts: false}"
    )
    (tmp_path / "words.yaml").write_text(document)
    only = [part for stage in ("contrastive", "warmup", "lora") for part in ("--set", f"stages.{stage}.epochs=0.2")]
    code, _, err = medley(
        "train", tmp_path / "words.yaml", "--out", tmp_path / "run", *only, "--set", "evaluate.explained=0"
    )
    assert code == 0, err
    code, _, err = medley("evaluate", tmp_path / "run")
    assert code == 0, err
    card = json.loads((tmp_path / "run/evaluation/scorecard.json").read_text())
    table, parts = read_cases(cohort / "cases.parquet"), json.loads((cohort / "splits.json").read_text())["parts"]
    answers = [json.loads(line) for line in (tmp_path / "run/evaluation/predictions.jsonl").read_text().splitlines()]
    assert sorted(one["case_id"] for one in answers) == sorted(parts["test"])
    assert not any("scores" in one for one in answers)
    ill = [case for case in table.cases if case.case_id in parts["test"] and not case.truth["healthy"]]
    found = {one["case_id"]: bool(read_brain(one["hypothesis"].get("report", "")).says_lesion) for one in answers}
    assert card["metrics"]["lesion_sensitivity"]["value"] == np.mean([found[case.case_id] for case in ill])
    path = next(image.path for image in read_cases(cohort / "cases.parquet").cases[0].images if image.view == "flair")
    code, said, err = medley("predict", tmp_path / "run", path)
    assert code == 0, err
    assert "scores no findings beside what it writes" in said
    assert "threshold" not in said + err
