"""Dev is scored as often as asked, and always at the end."""

from __future__ import annotations

import pytest

from medley.training.curves import read_journal
from medley.training.stages import train


@pytest.mark.parametrize(("every", "scored"), [(1, [1, 2, 3]), (2, [2, 3]), (9, [3])])
def test_dev_is_scored_every_so_many_epochs_and_after_the_last(toy_recipe, tmp_path, every, scored):
    recipe = toy_recipe(stages={"joint": {"epochs": 3, "batch": 12, "dev_every": every}})
    run = train(recipe, tmp_path / "run")
    lines = read_journal(run / "1-joint" / "metrics.jsonl")
    assert [line["epoch"] for line in lines if line["part"] == "dev"] == scored


def test_half_an_epoch_ends_with_weights_that_were_scored(toy_recipe, tmp_path):
    recipe = toy_recipe(stages={"joint": {"epochs": 0.5, "batch": 2}})
    folder = train(recipe, tmp_path / "run") / "1-joint"
    lines = read_journal(folder / "metrics.jsonl")
    taught = [line["step"] for line in lines if line["part"] == "train"]
    assert [line["step"] for line in lines if line["part"] == "dev"] == [len(taught)]
    assert len(taught) > 1
    assert (folder / "weights.safetensors").exists()
