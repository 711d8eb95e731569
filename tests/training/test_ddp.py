"""Two processes, or accumulation, give the single process's curve, though their parts hold unequal label counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from medley.core.config import merged
from medley.data.cohorts.brain.cohort import generate
from medley.data.splits import make_split, write_splits
from medley.training.curves import read_journal
from medley.training.recipe import resolve_recipe
from medley.training.stages import train

STILL = {"model": {"dropout": 0.0, "drop_note": 0.0, "drop_film": 0.0}, "trainer": {"augment": False}}


def losses(run: Path) -> list[float]:
    """Of every training step and every dev evaluation."""
    return [line["loss"] for line in read_journal(run / "1-joint" / "metrics.jsonl")]


@pytest.fixture(scope="module")
def single(toy_recipe, tmp_path_factory) -> list[float]:
    run = train(toy_recipe(**STILL, stages={"joint": {"batch": 16}}), tmp_path_factory.mktemp("ddp") / "one")
    curve = losses(run)
    assert len(curve) == 2 * (5 + 1), "72 studies: four windows of 16 and one of 8, then the dev part"
    assert max(curve) - min(curve) > 0.05, "a curve that does not move proves nothing"
    return curve


def test_accumulation_gives_the_curve_of_the_large_batch(single, toy_recipe, tmp_path):
    train(toy_recipe(**STILL, stages={"joint": {"batch": 8, "accumulate": 2}}), tmp_path / "three")
    assert losses(tmp_path / "three") == pytest.approx(single, abs=1e-4)


def test_two_processes_that_accumulate_give_the_curve_of_one(single, toy_recipe, tmp_path):
    recipe = toy_recipe(**merged(STILL, {"trainer": {"devices": 2}}), stages={"joint": {"batch": 4, "accumulate": 2}})
    assert losses(train(recipe, tmp_path / "two")) == pytest.approx(single, abs=1e-4)


def test_two_processes_train_a_tower_of_volumes_as_one_does(tmp_path):
    """A small inflated SigLIP has an attention of its own, which a spawned process has to be told of."""
    table = generate(tmp_path / "brains", 24, seed=3, px=32, workers=1, sequences=("flair",))
    write_splits(tmp_path / "splits.json", make_split(table, by="stratified", seed=1, fractions=(0.5, 0.25, 0.25)))
    curves = {}
    for name, devices, accumulate in (("one", 1, 2), ("two", 2, 1)):
        document = {
            "family": "braingemma3d",
            "size": "toy",
            "data": {
                "cases": str(tmp_path / "brains" / "cases.parquet"),
                "splits": str(tmp_path / "splits.json"),
                "notes": {"regime": "none"},
            },
            "stages": {"towers": {"epochs": 2, "batch": 4, "accumulate": accumulate}},
            "trainer": {"precision": "fp32", "augment": False, "devices": devices},
        }
        run = train(resolve_recipe(document, "toy recipe"), tmp_path / name)
        curves[name] = [line["loss"] for line in read_journal(run / "1-towers" / "metrics.jsonl")]
    assert max(curves["one"]) - min(curves["one"]) > 0.05, "a curve that does not move proves nothing"
    assert curves["two"] == pytest.approx(curves["one"], rel=5e-5)
