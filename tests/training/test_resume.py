"""A run that was killed goes on as if nothing had happened; a finished one is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from medley.core.errors import MedleyError
from medley.core.weights import load_tensors
from medley.training.curves import read_journal
from medley.training.module import StageModule
from medley.training.recipe import resolve_recipe
from medley.training.stages import train


def losses(run: Path) -> list[float]:
    return [line["loss"] for line in read_journal(run / "1-joint" / "metrics.jsonl") if line["part"] == "train"]


@pytest.fixture(scope="module")
def unbroken(toy_recipe, tmp_path_factory):
    """A recipe with dropout, augmentation and modality dropout on, and its unbroken run."""
    recipe = toy_recipe(stages={"joint": {"epochs": 3, "batch": 12}})
    return recipe, train(recipe, tmp_path_factory.mktemp("unbroken") / "run")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_mid_epoch_goes_on_to_the_same_losses(unbroken, workers, tmp_path):
    """The killed run is a process of its own; it is resumed in this one."""
    recipe, whole_run = unbroken
    expected = losses(whole_run)
    document = recipe.model_dump(mode="json")
    document["trainer"]["workers"] = workers
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(document))
    run = tmp_path / "killed"
    command = [sys.executable, "-m", "medley.cli.main", "train", str(path), "--out", str(run)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    process = subprocess.Popen(command, **quiet)
    journal = run / "1-joint" / "metrics.jsonl"
    while process.poll() is None and len(read_journal(journal)) < 9:  # past the first epoch, inside the second
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = len(losses(run))
    assert 8 <= done < len(expected), "the run was to be killed in its middle"
    assert (run / "1-joint" / "state.safetensors").exists()

    train(resolve_recipe(document, "recipe"), run, resume=True)

    assert losses(run) == pytest.approx(expected, abs=1e-6)
    whole, _ = load_tensors(whole_run / "1-joint" / "weights.safetensors")
    resumed, _ = load_tensors(run / "1-joint" / "weights.safetensors")
    assert all((whole[name] - resumed[name]).abs().max() < 1e-6 for name in whole)
    assert not (run / "1-joint" / "state.safetensors").exists()


def test_a_new_run_refuses_a_folder_that_holds_one_and_resume_refuses_another_recipe(toy_recipe, tmp_path):
    recipe = toy_recipe(stages={"joint": {"epochs": 1}})
    train(recipe, tmp_path / "run")
    with pytest.raises(MedleyError, match="not empty; choose another --out, or add --resume"):
        train(recipe, tmp_path / "run")
    with pytest.raises(MedleyError, match="differs from this recipe"):
        train(toy_recipe(seed=1, stages={"joint": {"epochs": 1}}), tmp_path / "run", resume=True)
    with pytest.raises(MedleyError, match="holds no run to resume"):
        train(recipe, tmp_path / "nothing", resume=True)
    before = (tmp_path / "run" / "1-joint" / "weights.safetensors").stat().st_mtime_ns
    train(recipe, tmp_path / "run", resume=True)  # finished: nothing is run again
    assert (tmp_path / "run" / "1-joint" / "weights.safetensors").stat().st_mtime_ns == before


def test_early_stopping_stops_and_keeps_the_best_weights(toy_recipe, tmp_path):
    recipe = toy_recipe(stages={"joint": {"epochs": 30, "lr_scale": 200.0}}, trainer={"patience": 2})
    train(recipe, tmp_path / "run")
    dev = [line for line in read_journal(tmp_path / "run" / "1-joint" / "metrics.jsonl") if line["part"] == "dev"]
    assert len(dev) < 30
    best = min(line["loss"] for line in dev)
    assert [line["best"] for line in dev[-2:]] == [False, False]
    _, facts = load_tensors(tmp_path / "run" / "1-joint" / "weights.safetensors")
    assert facts["dev"]["loss"] == best


def test_a_run_told_to_end_after_its_step_looked_for_it_keeps_that_step(toy_recipe, tmp_path, monkeypatch):
    """The signal comes between the end of a step and the moment when Lightning looks for it."""
    recipe = toy_recipe(trainer={"checkpoint_every": 100}, stages={"joint": {"epochs": 1, "batch": 12}})
    after_step = StageModule._after_step

    def told_too_late(module: StageModule) -> None:
        after_step(module)
        if module.progress.step == 2:
            module.trainer._signal_connector.received_sigterm = True

    with monkeypatch.context() as patched:
        patched.setattr(StageModule, "_after_step", told_too_late)
        with pytest.raises(MedleyError, match="was stopped at step 2; go on with --resume"):
            train(recipe, tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True)
    assert len(losses(tmp_path / "run")) == 6
