"""Training under Slurm: batch scripts for each stage, for all stages in one job, and for the evaluation.

    DIR/recipe.yaml            the recipe, fully resolved, its paths absolute
    DIR/1-<stage>.sbatch …     one stage a job, from the best weights of the one before
    DIR/all.sbatch             all stages in one job
    DIR/evaluate.sbatch        the scorecard of the run
    DIR/submit.sh              submits the stages, each after the one before has ended well, and then the evaluation
    DIR/logs/                  what the jobs print

A job whose time is nearly up saves its state and goes back into the queue under its own number: a stage may last
longer than a job; so does one that was preempted or whose machine failed, from the last state that was saved. Whether
there is something to resume is asked when the job begins. The scripts are short: they are meant to be read and changed.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medley.core.config import dump_yaml
from medley.core.errors import MedleyError
from medley.core.files import whole_folder
from medley.core.weights import WEIGHTS
from medley.training.checkpoint import STATE, stage_folder
from medley.training.recipe import Recipe, TrainerConfig

NOTICE_S = 300  # before its limit a job is told to save its state: a step and its dev evaluation must be over by then
_TIME = r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)"
_MEMORY = r"\d+[KMGT]?"
_NAME = r"[\w.,@:+-]+"


@dataclass(frozen=True)
class Resources:
    """What a job asks for. GPUs, machines and processes are those of the recipe's `trainer`."""

    time: str = "24:00:00"  # of one job; a stage that needs longer comes back
    cpus: int = 8  # a process
    memory: str = "64G"  # a machine
    partition: str | None = None  # None: the cluster's own
    account: str | None = None

    def check(self) -> None:
        """Raises MedleyError for what Slurm would refuse, or read as something else."""
        rules = (
            ("time", self.time, _TIME, "HH:MM:SS or D-HH:MM:SS"),
            ("memory", self.memory, _MEMORY, "a number with K, M, G or T, e.g. 64G"),
            ("partition", self.partition, _NAME, "a name without spaces"),
            ("account", self.account, _NAME, "a name without spaces"),
        )
        for name, value, rule, words in rules:
            if value is not None and not re.fullmatch(rule, value):
                raise MedleyError(f"--{name} {value!r}: {words} is needed")
        found = re.fullmatch(_TIME, self.time)
        assert found is not None
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        if ((days * 24 + hours) * 60 + minutes) * 60 + seconds < 2 * NOTICE_S:
            least = f"at least {2 * NOTICE_S // 60} minutes, as a job begins to end {NOTICE_S // 60} minutes before"
            raise MedleyError(f"--time {self.time}: {least}; it would go back into the queue for ever")


def write_jobs(recipe: Recipe, name: str, out: Path, run: Path, resources: Resources) -> list[Path]:
    """Write the folder of a resolved recipe's jobs; `name` begins their names, and the run will be in `run`.

    Returns the scripts. Raises MedleyError where `out` holds something already, or the resources cannot be asked for.
    """
    resources.check()
    out, run = out.resolve(), run.resolve()
    several = recipe.trainer.devices * recipe.trainer.nodes > 1
    starter = f"srun --cpus-per-task={resources.cpus} --kill-on-bad-exit=1 " if several else ""
    if several:  # Slurm starts the processes
        trainer = recipe.trainer.model_copy(update={"strategy": "ddp"})
        recipe = recipe.model_copy(update={"trainer": trainer})
    numbered = [stage_folder(run, number, stage) for number, stage in enumerate(recipe.stages, start=1)]
    head = partial(_head, out, resources)
    comes_back = [f"#SBATCH --signal=B:USR1@{NOTICE_S}"]
    scripts = {}
    for folder, only in [*zip(numbered, recipe.stages, strict=True), (numbered[-1], None)]:
        job = folder.name if only else "all"
        body = _train(out, run, folder, starter, ["--stage", only] if only else [])
        scripts[f"{job}.sbatch"] = head(f"{name}-{job}", recipe.trainer, comes_back) + body
    alone = recipe.trainer.model_copy(update={"devices": 1, "nodes": 1})
    scripts["evaluate.sbatch"] = head(f"{name}-evaluate", alone, []) + f"exec {_medley('evaluate', run)}\n"
    scripts["submit.sh"] = _submit([f"{folder.name}.sbatch" for folder in numbered])
    with whole_folder(out) as folder:
        (folder / "logs").mkdir()
        (folder / "recipe.yaml").write_text(dump_yaml(with_absolute_paths(recipe)), encoding="utf-8")
        for script, text in scripts.items():
            (folder / script).write_text(text, encoding="utf-8")
            (folder / script).chmod(0o755)
    return [out / script for script in scripts]


def with_absolute_paths(recipe: Recipe) -> Recipe:
    """The recipe with every file and folder that it names absolute: a job may begin in another folder."""
    data = recipe.data
    changes: dict[str, object] = {"notes": data.notes.model_copy(update={"file": _absolute(data.notes.file)})}
    if isinstance(data.cases, str):
        changes |= {"cases": _absolute(data.cases), "splits": _absolute(data.splits)}
    if data.shards != "auto":
        changes["shards"] = _absolute(data.shards)
    local = {
        key: _absolute(value) for key, value in recipe.model.items() if isinstance(value, str) and Path(value).is_dir()
    }
    return recipe.model_copy(update={"data": data.model_copy(update=changes), "model": {**recipe.model, **local}})


def _absolute(path: str | None) -> str | None:
    return None if path is None else str(Path(path).resolve())


def _head(out: Path, resources: Resources, name: str, trainer: TrainerConfig, more: Sequence[str]) -> str:
    log = str(out / "logs").replace("%", "%%")
    wanted = {
        "job-name": name,
        "output": shlex.quote(f"{log}/%x-%j.out"),
        "time": resources.time,
        "nodes": trainer.nodes,
        "ntasks-per-node": trainer.devices,
        "gpus-per-node": None if trainer.accelerator == "cpu" else trainer.devices,
        "cpus-per-task": resources.cpus,
        "mem": resources.memory,
        "partition": resources.partition,
        "account": resources.account,
        "open-mode": "append",  # its turns write one log
    }
    lines = [f"#SBATCH --{key}={value}" for key, value in wanted.items() if value is not None]
    return "\n".join(["#!/usr/bin/env bash", *lines, "#SBATCH --requeue", *more, ""])


def _medley(*arguments: object) -> str:
    """A call of this very installation."""
    return shlex.join([sys.executable, "-m", "medley.cli.main", *(str(argument) for argument in arguments)])


def _train(out: Path, run: Path, last: Path, starter: str, stage: Sequence[str]) -> str:
    """The body of a job that trains; `last` is the folder of the stage that it ends with."""
    call = _medley("train", out / "recipe.yaml", "--out", run, *stage)
    return f"""set -uo pipefail
run={shlex.quote(str(run))}
last={shlex.quote(str(last))}
resume=()
[[ -e $run/config.yaml ]] && resume=(--resume)

# Time is nearly up: the step at hand is finished, the state saved, and the job waits for its next turn.
again() {{
  trap '' USR1
  kill -TERM "$work"
  wait "$work"
  scontrol requeue "$SLURM_JOB_ID"
  exit 1  # not done: what waits for this job goes on waiting
}}
trap again USR1

{starter}{call} "${{resume[@]}}" &
work=$!
wait "$work"
code=$?
# 1 says that films which cannot be read were left out (data.json counts them): the stage is done all the same
[[ $code == 1 && -e $last/{WEIGHTS} && ! -e $last/{STATE} ]] && code=0
exit "$code"
"""


def _submit(stages: Sequence[str]) -> str:
    later = " ".join([*stages[1:], "evaluate.sbatch"])
    return f"""#!/usr/bin/env bash
# Each stage after the one before has ended well, and then the evaluation. In one job instead: sbatch all.sbatch
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
job=$(sbatch --parsable {stages[0]})
echo "$job {stages[0]}"
for script in {later}; do
  job=$(sbatch --parsable --dependency="afterok:${{job%%;*}}" "$script")
  echo "$job $script"
done
"""
