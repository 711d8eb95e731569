"""One stage at a time is the same training as all at once, and a stage is not begun before the one it goes on from."""

from __future__ import annotations

import pytest

from medley.core.errors import MedleyError
from medley.core.weights import load_tensors
from medley.training.recipe import resolve_recipe
from medley.training.stages import train


@pytest.fixture(scope="module")
def recipe():
    document = {
        "family": "chexquery",
        "size": "toy",
        "data": {"cohort": "chexquery", "cases": 24, "difficulty": "easy", "notes": {"regime": "none"}},
        "stages": {name: {"epochs": 1, "batch": 8} for name in ("towers", "align", "report")},
        "trainer": {"precision": "fp32"},
    }
    return resolve_recipe(document, "three stages")


def test_stage_by_stage_is_all_at_once(recipe, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(recipe, whole)
    train(recipe, parts, only="towers")
    assert {path.name for path in parts.iterdir() if path.name[0].isdigit()} == {"1-towers"}
    before = (parts / "1-towers/weights.safetensors").stat().st_mtime_ns
    train(recipe, parts, resume=True, only="align")
    train(recipe, parts, resume=True, only="report")
    assert (parts / "1-towers/weights.safetensors").stat().st_mtime_ns == before
    for stage in ("1-towers", "2-align", "3-report"):
        expected, _ = load_tensors(whole / stage / "weights.safetensors")
        found, _ = load_tensors(parts / stage / "weights.safetensors")
        assert expected.keys() == found.keys()
        assert all((expected[name] - found[name]).abs().max() < 1e-6 for name in expected), stage


def test_a_stage_waits_for_the_one_before_it(recipe, tmp_path):
    with pytest.raises(MedleyError, match=r"stage 'align' begins where 'towers' ends, which .* does not hold"):
        train(recipe, tmp_path / "run", only="align")
    with pytest.raises(MedleyError, match="unknown stage of the recipe 'reprot'; did you mean 'report'"):
        train(recipe, tmp_path / "run", only="reprot")
    assert not (tmp_path / "run").exists()
