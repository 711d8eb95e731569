"""`train`: the stages of a recipe, one after the other, each from the best weights of the one before.

A stage that was interrupted goes on from its last state; a finished one is not run again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medley.core.about import versions
from medley.core.config import dump_yaml
from medley.core.counts import counted
from medley.core.errors import MedleyError, choose
from medley.core.family import Family, Processor
from medley.core.files import read_json, whole_folder, write_json, write_text
from medley.core.records import Volume, VolumeInput, target_sections
from medley.core.seeds import seed_torch
from medley.core.stage import Stage, freeze_all_but, rates_by_parameter
from medley.core.weights import WEIGHTS
from medley.data.images import Augmenting
from medley.data.source import Progress as DataProgress
from medley.data.source import Source, cache_folder, open_source, preprocessing_versions
from medley.data.splits import write_splits
from medley.families import get_family
from medley.training.checkpoint import STATE, load_weights, progress_of, stage_folder
from medley.training.checks import check_best_by, check_hierarchy, hierarchy_holds
from medley.training.curves import JOURNAL, draw_curves
from medley.training.data import TrainingData
from medley.training.diagnostics import diagnose, told_already
from medley.training.features import FeatureCache, check_frozen
from medley.training.loader import Windows
from medley.training.module import UNREACHED, SaveWhenEnded, StageBar, StageModule, StagePlan
from medley.training.notes_gate import audit_before_training, is_leaky
from medley.training.recipe import Recipe, StageConfig, TrainerConfig, family_config

Say = Callable[[str], None]
_SAMPLE = 256  # volumes that a processor may learn from what an ordinary voxel is


def train(
    recipe: Recipe,
    run: Path,
    resume: bool = False,
    say: Say = lambda _: None,
    tick: DataProgress | None = None,
    audit: bool = True,
    only: str | None = None,
) -> Path:
    """Train every stage of a resolved recipe into the folder `run`, or `only` one, whose forerunners are finished
    there; returns the run's folder.

    Notes are audited first (`notes_gate`); a control, whose labels are not those of its notes, sets `audit` to False.
    Raises MedleyError where the folder holds another run, `resume` finds none, or the notes give labels away. What
    cannot be opened or built leaves no run behind.
    """
    chosen = recipe.stages if only is None else _up_to(recipe, only, run)
    family = get_family(recipe.family)
    config = family_config(recipe, family)
    first = _is_first_process()
    if first:
        _check_folder(run, recipe, resume)
    _accelerator(recipe.trainer)
    source = open_source(recipe.data, family.reads(config), tick)
    if source.unreadable:
        lost = counted(len(source.unreadable), source.images.noun)
        say(f"{lost} cannot be read: left out, first {min(source.unreadable)}")
    processor = _processor(family, config, source, run)
    seed_torch("weights", recipe.seed)
    model = family.model(config, processor)
    stages = {
        stage.name: _changed(stage, recipe.stages[stage.name])
        for stage in family.stages(config, processor)
        if stage.name in recipe.stages
    }
    if lacking := [name for name in recipe.stages if name not in stages]:
        raise MedleyError(f"stage '{lacking[0]}': these backbones have none; the recipe's stages: {', '.join(stages)}")
    for stage in stages.values():
        check_best_by(stage, _data(family, recipe, source, processor, stage), model)
        check_hierarchy(stage, source.parts["train"])
    verdict = audit_before_training(source, recipe.seed, say) if audit else {}
    if first:
        _begin(run, recipe, source, processor, verdict)
    trained: set[str] = set()
    for number, (name, changes) in enumerate(chosen.items(), start=1):
        folder = stage_folder(run, number, name)
        stage = stages[name]
        rates = rates_by_parameter(model, stage)
        trained |= set(rates)
        if not _finished(folder):
            say(f"stage {number} of {len(recipe.stages)}: {name}")
            say(parameter_table(model, rates))
            if changes.cache_features:
                check_frozen(family.tower, rates, name, family.name)
                say("the frozen tower's features are kept: no augmentation but the mirror, where the recipe augments")
            _run_stage(family, recipe, changes, source, processor, model, _Stage(stage, rates, folder, set(trained)))
            say(parameter_table(model, rates, read_json(folder / UNREACHED)))
        load_weights(folder, model)
        if first and family.write and isinstance(family.reads(config), VolumeInput) and not told_already(folder):
            how = recipe.seed, _accelerator(recipe.trainer), recipe.trainer.precision, folder
            say(f"{name}: {diagnose(family, model, processor, source, *how)}")
    return run


def _up_to(recipe: Recipe, only: str, run: Path) -> dict[str, StageConfig]:
    """The stages up to `only`, all finished but this one. Raises MedleyError where they are not."""
    choose(only, recipe.stages, "stage of the recipe")
    chosen: dict[str, StageConfig] = {}
    for number, (name, changes) in enumerate(recipe.stages.items(), start=1):
        chosen[name] = changes
        if name == only:
            break
        if not _finished(stage_folder(run, number, name)):
            raise MedleyError(f"stage '{only}' begins where '{name}' ends, which {run} does not hold: train that first")
    return chosen


@dataclass(frozen=True)
class _Stage:
    stage: Stage
    rates: dict[str, float]
    folder: Path
    trained: set[str]


def _run_stage(
    family: Family,
    recipe: Recipe,
    changes: StageConfig,
    source: Source,
    processor: Processor,
    model: nn.Module,
    this: _Stage,
) -> None:
    import lightning as L

    stage, folder, trainer = this.stage, this.folder, recipe.trainer
    folder.mkdir(parents=True, exist_ok=True)
    if _is_first_process():
        settled = {key: getattr(stage, key) for key in StageConfig.model_fields if hasattr(stage, key)}
        settled = {**changes.model_dump(mode="json"), **settled}  # what the recipe left open is the family's
        document = {**recipe.model_dump(mode="json"), "stages": {stage.name: settled}}
        write_text(folder / "config.yaml", dump_yaml(type(recipe).model_validate(document)))
    features = _features(family, model, trainer) if changes.cache_features else None
    data = _data(family, recipe, source, processor, stage)
    if features is not None:
        data = replace(data, augment=data.augment and "mirror", keys=features.keys)
    world = trainer.devices * trainer.nodes
    joint = stage.objective.joint is not None and changes.accumulate > 1
    windows = Windows(
        len(data.train), stage.batch, changes.accumulate, world, stage.epochs, recipe.seed, stage.least, joint
    )
    if stage.batch * (changes.accumulate if joint else 1) < stage.least:
        rule = f"this stage compares the studies of a batch, and needs {stage.least} or more"
        raise MedleyError(f"stages.{stage.name}.batch is {stage.batch}: {rule}")
    if windows.steps_per_epoch < 1:
        raise MedleyError(f"stage '{stage.name}': {len(data.train)} training examples do not fill one step of {world}")
    freeze_all_but(model, this.rates)
    facts = {"family": family.name, "stage": stage.name, "config": recipe.model, **versions()}
    facts["preprocessing"] = preprocessing_versions()
    plan = StagePlan(
        stage=stage,
        windows=windows,
        rates=this.rates,
        folder=folder,
        seed=recipe.seed,
        clip=trainer.clip,
        ema=trainer.ema,
        patience=trainer.patience,
        checkpoint_every=trainer.checkpoint_every,
        dev_every=changes.dev_every,
        workers=trainer.workers,
        data=data,
        features=features,
        trained=this.trained,
        facts={**facts, "labels": list(processor.labels)},
    )
    state = folder / STATE
    module = StageModule(model, plan, state if state.exists() else None)
    if not (state.exists() and progress_of(state).done):  # stopped after its last step, before its picture
        _fit(L.Trainer(**_trainer_options(trainer, folder), log_every_n_steps=min(10, windows.steps)), module)
    if not _is_first_process():
        return
    if not (state.exists() and progress_of(state).done):  # Lightning returns quietly where it was interrupted
        step = progress_of(state).step if state.exists() else 0
        raise MedleyError(f"stage '{stage.name}' was stopped at step {step}; go on with --resume")
    draw_curves(folder / JOURNAL, folder / "curves.png", stage.best_by)
    state.unlink()  # what is left is the finished stage


def _data(family: Family, recipe: Recipe, source: Source, processor: Processor, stage: Stage) -> TrainingData:
    asked, aggregation = recipe.trainer.augment, recipe.evaluate.aggregation
    augment: Augmenting | None = "full" if asked is True else asked or None
    return TrainingData(source, processor, family.task, recipe.seed, stage.batch, augment, aggregation)


def _features(family: Family, model: nn.Module, trainer: TrainerConfig) -> FeatureCache:
    assert family.tower is not None, "checked before"
    return FeatureCache(family.tower, model, cache_folder(), f"{trainer.precision}-{_accelerator(trainer)}")


def _fit(trainer: Any, module: StageModule) -> None:
    """Run the stage, or until it is told to end (SIGTERM), which Lightning would let pass for success.

    A spawned process raises the text of a traceback, of which the user's line is the last.
    """
    from lightning.pytorch.utilities.exceptions import SIGTERMException
    from torch.multiprocessing import ProcessRaisedException

    try:
        trainer.fit(module)
    except SIGTERMException:
        if not _is_first_process():
            raise SystemExit(2) from None
    except ProcessRaisedException as error:
        last = str(error).strip().splitlines()[-1]
        name, _, message = last.partition(": ")
        if name != f"{MedleyError.__module__}.{MedleyError.__name__}":
            raise
        raise MedleyError(message) from error


def _trainer_options(trainer: TrainerConfig, folder: Path) -> dict[str, Any]:
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    several = trainer.devices * trainer.nodes > 1
    strategy = trainer.strategy if trainer.strategy != "auto" else ("ddp_spawn" if several else "auto")
    return {
        "accelerator": _accelerator(trainer),
        "devices": trainer.devices,
        "num_nodes": trainer.nodes,
        "strategy": strategy,
        "precision": {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[trainer.precision],
        "max_epochs": 1,  # the loader holds all the steps that are left
        "logger": [CSVLogger(folder / "logs", name="csv"), TensorBoardLogger(folder / "logs", name="tensorboard")],
        "callbacks": [StageBar(folder.name), SaveWhenEnded()],
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
    }


def _accelerator(trainer: TrainerConfig) -> str:
    """cpu or gpu; raises MedleyError where the recipe asks for what is not there."""
    accelerator = trainer.accelerator
    if accelerator == "auto":
        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise MedleyError("trainer.accelerator is gpu and no CUDA device is there; `medley doctor` shows what is")
    if trainer.precision == "fp16" and accelerator == "cpu":
        raise MedleyError("trainer.precision is fp16, which needs a GPU; use bf16 or fp32 on the CPU")
    return accelerator


def _changed(stage: Stage, changes: StageConfig) -> Stage:
    """The family's stage with what the recipe says of it."""
    said = changes.model_dump(exclude={"accumulate", "lr_scale", "dev_every", "cache_features"}, exclude_none=True)
    rates = {glob: rate * changes.lr_scale for glob, rate in stage.rates.items()}
    return replace(stage, rates=rates, **said)


def _finished(folder: Path) -> bool:
    return (folder / WEIGHTS).is_file() and (folder / "curves.png").is_file() and not (folder / STATE).exists()


def _check_folder(run: Path, recipe: Recipe, resume: bool) -> None:
    """A new run needs a new folder; a resumed one the folder of the same recipe."""
    config = run / "config.yaml"
    if run.exists() and not run.is_dir():
        raise MedleyError(f"{run} is a file; a run is a folder: choose another --out")
    if resume:
        if not config.is_file():
            raise MedleyError(f"{run} holds no run to resume; leave --resume out to start one")
        if config.read_text(encoding="utf-8") != dump_yaml(recipe):
            raise MedleyError(f"{config} differs from this recipe; resume with the recipe that began the run")
    elif run.exists() and any(run.iterdir()):
        raise MedleyError(f"{run} is not empty; choose another --out, or add --resume to go on with what is there")


def _processor(family: Family, config: Any, source: Source, run: Path) -> Processor:
    if (run / "processor" / "labels.json").is_file():
        return family.load_processor(config, run / "processor")
    notes = [source.notes.get(case.case_id) for case in source.parts["train"]]
    reports = [target_sections(case) for case in source.parts["train"]]
    return family.fit_processor(
        config, source.labels, notes, source.prevalence(), reports, *_volumes(family, config, source)
    )


def _volumes(family: Family, config: Any, source: Source) -> Iterator[Iterator[Volume]]:
    """For a family of volumes, a sample of those of the training part, read as they are asked for."""
    if isinstance(family.reads(config), VolumeInput):
        cases = source.parts["train"][:_SAMPLE]  # in the table's order, which tells nothing
        studies = (source.study(case, source.groups(case)[0]) for case in cases)
        yield (study.volume for study in studies if study.volume is not None)


def _begin(run: Path, recipe: Recipe, source: Source, processor: Processor, verdict: dict[str, Any]) -> None:
    """What a run holds before its first step; a resumed run has it, and must be of the same data."""
    write_text(run / "config.yaml", dump_yaml(recipe))
    write_splits(run / "splits.json", source.manifest)
    _write_data_facts(run, recipe, source, is_leaky(recipe.data.notes, verdict))
    if verdict:
        write_json(run / "audit.json", verdict)
    if not (run / "processor").is_dir():
        with whole_folder(run / "processor") as folder:
            processor.save(folder)


def _write_data_facts(run: Path, recipe: Recipe, source: Source, leaky: bool) -> None:
    facts = {
        "table": str(source.table.path),
        "table_digest": source.table.digest,
        "split_digest": source.manifest.digest,
        "labels": list(source.labels),
        "label_policy": source.policy.describe(),
        "notes": recipe.data.notes.model_dump(mode="json"),
        "leaky": leaky,
        "hierarchy_holds": hierarchy_holds(source.parts["train"]),
        "preprocessing": preprocessing_versions(),
        "sizes": {part: len(cases) for part, cases in source.parts.items()},
        "films_left_out": len(source.unreadable),
        "synthetic": all(case.synthetic for case in source.table.cases),
        "anatomy_known": sum("anatomy" in case.truth for case in source.parts["train"]),
        "masks_known": sum("masks" in case.truth for case in source.parts["train"]),
        "train_patients": len({case.patient_id for case in source.parts["train"]}),
    }
    path = run / "data.json"
    if path.is_file() and (was := read_json(path)) != json.loads(json.dumps(facts)):
        changed = next(key for key in facts if was.get(key) != json.loads(json.dumps(facts[key])))
        raise MedleyError(f"{path}: '{changed}' is not what the run began with; a run is resumed on the same data")
    write_json(path, facts)


def parameter_table(model: nn.Module, trained: Collection[str], unreached: Collection[str] | None = None) -> str:
    """Parameters of each part of the model: in all, trained, and (with `unreached`) those that received a gradient."""
    rows: list[tuple[str, int, int, int]] = []
    for part, module in model.named_children():
        sizes = {name: p.numel() for name, p in module.named_parameters(prefix=part)}
        learning = {name: size for name, size in sizes.items() if name in trained}
        reached = sum(size for name, size in learning.items() if name not in (unreached or ()))
        rows.append((part, sum(sizes.values()), sum(learning.values()), reached))
    rows.append(("in all", sum(row[1] for row in rows), sum(row[2] for row in rows), sum(row[3] for row in rows)))
    shown = 4 if unreached is not None else 3
    header = ("part", "parameters", "trained", "had a gradient")[:shown]
    lines = [f"{header[0]:<16}" + "".join(f"{title:>16}" for title in header[1:])]
    for row in rows:
        lines.append(f"{row[0]:<16}" + "".join(f"{count:>16,}" for count in row[1:shown]))
    return "\n".join(lines)


def _is_first_process() -> bool:
    """False in the processes that torchrun, SLURM or Lightning start beside the first."""
    return all(int(os.environ.get(name, 0)) == 0 for name in ("LOCAL_RANK", "RANK", "SLURM_PROCID"))
