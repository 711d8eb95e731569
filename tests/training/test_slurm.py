"""Jobs for Slurm: bash reads them, and run as they are they train, come back when their time is up, and go on."""

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
from medley.training.curves import read_journal
from medley.training.recipe import load_recipe
from medley.training.slurm import Resources, write_jobs
from medley.training.stages import train

STEPS = 3 * 8  # of the stage below: three epochs of eight batches


@pytest.fixture(scope="module")
def recipe_file(toy_recipe, tmp_path_factory) -> Path:
    """The smallest model on the square films; a state would be saved every 1,000 steps, which are never made."""
    recipe = toy_recipe(stages={"joint": {"epochs": 3, "batch": 9}}, trainer={"checkpoint_every": 1000})
    path = tmp_path_factory.mktemp("recipe") / "squares.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    return path


@pytest.fixture
def jobs(medley, recipe_file, tmp_path) -> Path:
    code, said, err = medley("slurm", recipe_file, "--out", tmp_path / "jobs", "--run", tmp_path / "a run", "--gpus", 0)
    assert code == 0, err
    written = {path.name for path in (tmp_path / "jobs").iterdir()}
    assert {Path(line).name for line in said.splitlines()} == written - {"logs", "recipe.yaml"}
    return tmp_path / "jobs"


@pytest.fixture
def cluster(tmp_path) -> dict[str, str]:
    """The environment of a job on a machine whose scontrol and sbatch write down what they were asked."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, answer in (("scontrol", ""), ("sbatch", "echo '41;cluster'")):
        (tools / name).write_text(f'#!/usr/bin/env bash\necho "{name} $*" >> {tmp_path}/asked\n{answer}\n')
        (tools / name).chmod(0o755)
    ranks = {f"SLURM_{name}": "0" for name in ("PROCID", "LOCALID", "NODEID")}
    sizes = {f"SLURM_{name}": "1" for name in ("NTASKS", "NTASKS_PER_NODE", "NNODES")}
    own = {"PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "job"}
    return {**os.environ, **ranks, **sizes, **own}


def test_every_script_is_bash_and_asks_for_what_was_said(jobs, recipe_file, tmp_path):
    asked = Resources("2-12:00:00", cpus=4, memory="32G", partition="gpu", account="lab")
    several = load_recipe(recipe_file, ["trainer.devices=4", "trainer.nodes=2"])
    write_jobs(several, "many", tmp_path / "many", tmp_path / "run", asked)
    for folder in (jobs, tmp_path / "many"):
        for script in [*folder.glob("*.sbatch"), folder / "submit.sh"]:
            subprocess.run(["bash", "-n", script], check=True)
    one, all_of = ((folder / "1-joint.sbatch").read_text() for folder in (jobs, tmp_path / "many"))
    assert "gpus-per-node" not in one
    assert "srun" not in one
    for line in ("nodes=2", "ntasks-per-node=4", "gpus-per-node=4", "time=2-12:00:00", "mem=32G", "partition=gpu"):
        assert f"#SBATCH --{line}\n" in all_of
    assert {"#SBATCH --requeue", "#SBATCH --signal=B:USR1@300", "#SBATCH --account=lab"} <= set(all_of.splitlines())
    assert "\nsrun --cpus-per-task=4 --kill-on-bad-exit=1 " in all_of
    assert load_recipe(tmp_path / "many/recipe.yaml").trainer.strategy == "ddp"
    evaluate = (tmp_path / "many/evaluate.sbatch").read_text()
    assert "#SBATCH --gpus-per-node=1\n" in evaluate
    assert "signal" not in evaluate


def test_a_job_whose_time_is_up_saves_comes_back_and_goes_on(jobs, cluster, tmp_path):
    journal = tmp_path / "a run" / "1-joint" / "metrics.jsonl"
    command = ["bash", str(jobs / "1-joint.sbatch")]
    first = subprocess.Popen(command, env=cluster, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while first.poll() is None and len(read_journal(journal)) < 3:
        time.sleep(0.01)
    first.send_signal(signal.SIGUSR1)
    _, said = first.communicate()
    assert first.returncode == 1, said
    stopped = len(read_journal(journal))
    assert stopped < 8, "it was to be stopped before the state of the first epoch"
    assert f"was stopped at step {stopped}; go on with --resume" in said
    assert (tmp_path / "asked").read_text() == "scontrol requeue 7\n"

    train(load_recipe(jobs / "recipe.yaml"), tmp_path / "a run", resume=True, only="joint")
    steps = [line["step"] for line in read_journal(journal) if line["part"] == "train"]
    assert steps == list(range(STEPS))


def test_the_next_turn_resumes_and_films_left_out_do_not_hold_the_next_stage(
    recipe_file, cluster, tmp_path, monkeypatch
):
    """A trainer that fails in its first turn; in its second it says 1: the stage is done, but for unreadable films."""
    run, stand_in = tmp_path / "run", tmp_path / "python"
    stand_in.write_text(
        f'#!/usr/bin/env bash\necho "$*" >> {tmp_path}/asked\nmkdir -p {run}/1-joint && cd {run}\n'
        "if [[ -e config.yaml ]]; then touch 1-joint/weights.safetensors; exit 1; fi\ntouch config.yaml; exit 2\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    write_jobs(load_recipe(recipe_file), "stand-in", tmp_path / "jobs", run, Resources())

    def turn() -> int:
        return subprocess.run(["bash", tmp_path / "jobs/1-joint.sbatch"], env=cluster).returncode

    assert [turn(), turn()] == [2, 0]
    (run / "1-joint/state.safetensors").touch()
    assert turn() == 1  # a failure of another kind: the stage is not done
    first, second, _ = (tmp_path / "asked").read_text().splitlines()
    assert second == f"{first} --resume"


def test_the_stages_and_the_evaluation_wait_for_one_another(jobs, cluster, tmp_path):
    done = subprocess.run(["bash", jobs / "submit.sh"], env=cluster, check=True, capture_output=True, text=True)
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["1-joint.sbatch", "evaluate.sbatch"]
    assert (tmp_path / "asked").read_text().splitlines() == [
        "sbatch --parsable 1-joint.sbatch",
        "sbatch --parsable --dependency=afterok:41 evaluate.sbatch",
    ]


def test_paths_of_the_recipe_are_absolute(recipe_file, square_films, tmp_path, monkeypatch):
    monkeypatch.chdir(square_films)
    near = load_recipe(recipe_file, ["data.cases=cases.parquet", "data.splits=splits.json"])
    write_jobs(near, "near", tmp_path / "jobs", Path("run"), Resources())
    data = load_recipe(tmp_path / "jobs/recipe.yaml").data
    assert (data.cases, data.splits) == (str(square_films / "cases.parquet"), str(square_films / "splits.json"))
    assert f"--out {square_films}/run" in (tmp_path / "jobs/all.sbatch").read_text()


def test_bad_input_is_one_line_and_writes_nothing(medley, recipe_file, tmp_path):
    def refused(*arguments: object) -> str:
        code, said, err = medley("slurm", *arguments)
        assert (code, said, len(err.splitlines())) == (2, "", 1), err
        return err

    out = tmp_path / "jobs"
    assert "none.yaml does not exist" in refused(tmp_path / "none.yaml", "--out", out)
    assert "no stage 'jiont'; did you mean 'joint'" in refused(recipe_file, "--out", out, "--set", "stages.jiont={}")
    assert "--time 'a day': HH:MM:SS" in refused(recipe_file, "--out", out, "--time", "a day")
    assert "at least 10 minutes" in refused(recipe_file, "--out", out, "--time", "00:05:00")
    assert "--partition 'a b': a name" in refused(recipe_file, "--out", out, "--partition", "a b")
    assert "--memory '64 GB'" in refused(recipe_file, "--out", out, "--memory", "64 GB")
    assert not out.exists()
    out.mkdir()
    (out / "mine").touch()
    assert "exists already" in refused(recipe_file, "--out", out)
    assert "is not a folder" in refused(recipe_file, "--out", recipe_file / "jobs")
    with pytest.raises(MedleyError, match="--account"):
        Resources(account="x; rm").check()
