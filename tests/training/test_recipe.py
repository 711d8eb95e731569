"""A recipe's mistakes are named before anything is read or trained, and what it resolves to says everything."""

from __future__ import annotations

import json

import pytest
import yaml
from torch.multiprocessing import ProcessRaisedException

from medley.core.config import build_config
from medley.core.errors import MedleyError
from medley.training.recipe import Recipe, load_recipe, resolve_recipe
from medley.training.stages import _fit, train

DOCUMENT = {"family": "cxr_reasoner", "size": "toy", "data": {"cohort": "cxr_reasoner", "cases": 50}}


def fails(change: dict) -> str:
    with pytest.raises(MedleyError) as caught:
        resolve_recipe({**DOCUMENT, **change}, "r.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trainr": {}}, "unknown key 'trainr'; did you mean 'trainer'?"),
        ({"trainer": {"precison": "bf16"}}, "unknown key 'trainer.precison'; did you mean 'precision'?"),
        ({"stages": {"joint": {"epoch": 3}}}, "unknown key 'stages.joint.epoch'; did you mean 'epochs'?"),
        ({"stages": {"jont": {}}}, "cxr_reasoner has no stage 'jont'; did you mean 'joint'?"),
        ({"model": {"image_pxx": 64}}, "r.yaml: model: unknown key 'image_pxx'; did you mean 'image_px'?"),
        ({"model": {"fusion": "xatn"}}, "'fusion' input should be 'xattn', 'gated', 'concat' or 'late'"),
        ({"family": "cxr_reasonr"}, "unknown family 'cxr_reasonr'; did you mean 'cxr_reasoner'?"),
        ({"size": "huge"}, "'size' input should be 'toy', 'tiny' or 'paper'"),
        ({"data": {"cohort": "cxr_reasoner", "case": 9}}, "unknown key 'data.case'; did you mean 'cases'?"),
        ({"data": {"cohort": "x", "cases": "a.parquet"}}, "with cohort, cases must be a number"),
        ({"data": {"cases": "a.parquet"}}, "without cohort, cases must be the path of a case table and splits"),
        ({"data": {"cases": 40}}, "without cohort"),
        ({"trainer": {"devices": 0}}, "'trainer.devices'"),
        ({"evaluate": {"sensitivity": 0.8}}, "sensitivity 0.8 changes nothing with thresholds max_f1"),
        ({"evaluate": {"calibration": "plat"}}, "'evaluate.calibration'"),
    ],
)
def test_a_mistake_is_named(change, said):
    assert said in fails(change)


def test_the_size_lies_under_what_the_recipe_says():
    recipe = resolve_recipe({**DOCUMENT, "model": {"width": 32}}, "r")
    assert (recipe.model["width"], recipe.model["vision"], recipe.model["image_px"]) == (32, "test_vit", 48)
    paper = resolve_recipe({**DOCUMENT, "size": "paper"}, "r")
    assert paper.model["text"] == "emilyalsentzer/Bio_ClinicalBERT"


def test_a_resolved_recipe_says_everything_and_resolves_to_itself():
    recipe = resolve_recipe(DOCUMENT, "r")
    document = recipe.model_dump(mode="json")
    assert resolve_recipe(json.loads(json.dumps(document)), "again") == recipe
    assert set(document["stages"]) == {"joint"}
    assert document["trainer"]["clip"] == 1.0
    assert document["model"]["head_weights"]["fused"] == 1.0


def test_settings_and_the_demo_are_laid_over_the_file(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump({**DOCUMENT, "demo": {"data": {"cases": 9}, "stages": {"joint": {"epochs": 1}}}}))
    plain, demo = load_recipe(path, ["seed=7", "stages.joint.lr_scale=1e-1"]), load_recipe(path, demo=True)
    assert (plain.seed, plain.stages["joint"].lr_scale, plain.data.cases) == (7, 0.1, 50)
    assert (demo.data.cases, demo.stages["joint"].epochs) == (9, 1)
    with pytest.raises(MedleyError, match=r"unknown key 'trainer\.device'; did you mean 'devices'"):
        load_recipe(path, ["trainer.device=2"])


def test_every_field_says_what_it_is():
    def check(config) -> None:
        for name, field in config.model_fields.items():
            assert field.description, f"{config.__name__}.{name} has no sentence"
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                check(field.annotation)

    check(Recipe)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainer": {"precision": "fp16", "accelerator": "cpu"}}, "fp16, which needs a GPU; use bf16 or fp32"),
        ({"stages": {"joint": {"best_by": "auroc_macr"}}}, "best_by is 'auroc_macr', which the dev part does not give"),
        ({"data": {"labels": ["Edma"]}}, "unknown label 'Edma'; did you mean 'Edema'?"),
        ({"data": {"uncertain": {"default": "zeros", "Mass": "ones"}}}, "a label policy names 'Mass'"),
        ({"data": {"uncertain": "zeroes"}}, "did you mean 'zeros'"),
        ({"data": {"views": ["AP"]}}, "has no study with a film of AP"),
        ({"data": {"shards": "/nowhere/shards"}}, "holds no shards"),
        ({"data": {"notes": {"file": "/nowhere/notes.jsonl"}}}, "does not exist; `medley notes make`"),
        ({"model": {"image_px": 50}}, "model.image_px is 50"),
        ({"model": {"vision": "test_vitt"}}, "did you mean 'test_vit"),
    ],
)
def test_what_only_shows_when_training_begins_is_one_line_too(toy_recipe, tmp_path, changes, said):
    with pytest.raises(MedleyError) as caught:
        train(toy_recipe(**changes), tmp_path / "run")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists(), "so that the mended recipe can be run into the same folder"


def test_the_line_of_a_spawned_process_is_the_users():
    """With several devices the error comes back as a traceback's text; ours is its last line."""

    class Broken:
        def __init__(self, last: str):
            self.text = (
                f"-- Process 0 terminated with the following error:\nTraceback (most recent call last):\n{last}\n"
            )

        def fit(self, module):
            raise ProcessRaisedException(self.text, 0, 1)

    with pytest.raises(MedleyError, match=r"^best_by is 'x': give another$"):
        _fit(Broken("medley.core.errors.MedleyError: best_by is 'x': give another"), None)
    with pytest.raises(ProcessRaisedException):
        _fit(Broken("KeyError: 'x'"), None)


def test_gpu_is_not_taken_for_granted(toy_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(MedleyError, match="accelerator is gpu and no CUDA device is there"):
        train(toy_recipe(trainer={"accelerator": "gpu"}), tmp_path / "run")


def test_a_run_says_what_it_was_made_of(toy_run, toy_recipe):
    config = build_config(Recipe, yaml.safe_load((toy_run / "config.yaml").read_text()), "config")
    assert config == toy_recipe(evaluate={"bootstrap": 20})
    data = json.loads((toy_run / "data.json").read_text())
    assert data["labels"] == ["Edema", "Fracture", "Lung Opacity"]
    assert data["sizes"] == {"train": 72, "dev": 24, "test": 24}
    assert data["synthetic"] is False
    stage = toy_run / "1-joint"
    assert {p.name for p in stage.iterdir()} >= {
        "weights.safetensors",
        "config.yaml",
        "metrics.jsonl",
        "curves.png",
        "logs",
    }
    assert not list(toy_run.rglob("*.tmp"))
