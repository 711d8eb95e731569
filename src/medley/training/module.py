"""One LightningModule for every family: forward, masked sums over a global count, backward, step, log.

A loss is a sum over known targets divided by how many there are. On several devices, or with accumulation, that count
is of the whole optimiser step: it is added up over all batches and devices before the first backward pass, so the
gradient is the one that a single device with one large batch would have had.
"""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.strategies import ParallelStrategy
from lightning.pytorch.utilities.exceptions import SIGTERMException

from medley.core.errors import MedleyError
from medley.core.files import write_json
from medley.core.seeds import seed_torch
from medley.core.stage import Joint, Objective, Rows, Stage, muon_parameters, set_modes
from medley.training.checkpoint import STATE, Progress, load_state, save_state, save_weights
from medley.training.curves import JOURNAL, Journal
from medley.training.data import TrainingData
from medley.training.features import FeatureCache, Keyed
from medley.training.joint import Together, all_rows, check_no_batch_norm
from medley.training.loader import Windows, step_loader
from medley.training.optim import build_optimizer, rate_factor, set_rates, weight_average

UNREACHED = "unreached.json"  # trained parameters that never received a gradient, by name


@dataclass(frozen=True)
class StagePlan:
    """All that a stage needs beside the model: what is read, in which order, and where results go."""

    stage: Stage
    windows: Windows
    rates: dict[str, float]
    folder: Path
    seed: int
    clip: float
    ema: float | None
    patience: int | None
    checkpoint_every: int
    dev_every: int  # epochs
    workers: int
    data: TrainingData
    features: FeatureCache | None  # of a frozen tower
    trained: set[str]  # parameters that this stage or one before it trains
    facts: dict[str, Any]  # what the weights file says of itself


class StageBar(TQDMProgressBar):
    """One bar for the whole stage, over its optimiser steps, with loss and dev metric."""

    def __init__(self, stage: str):
        super().__init__(refresh_rate=5)
        self.stage = stage

    def init_train_tqdm(self) -> Tqdm:
        """Drawn on stderr: stdout holds results, perhaps JSON for another program."""
        with contextlib.redirect_stdout(sys.stderr):
            return super().init_train_tqdm()

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        super().on_train_epoch_start(trainer, *_)
        self.train_progress_bar.set_description(self.stage)

    def get_metrics(self, trainer: L.Trainer, pl_module: L.LightningModule) -> dict[str, Any]:
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


class SaveWhenEnded(L.Callback):
    """Told to end (SIGTERM) after a step looked for it and before Lightning does: that step is saved all the same."""

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException) and isinstance(pl_module, StageModule):
            pl_module.save()


class StageModule(L.LightningModule):
    """Runs one stage from `state` (or its beginning) to its end. Lightning sees one epoch of the remaining steps."""

    def __init__(self, model: torch.nn.Module, plan: StagePlan, state: Path | None):
        super().__init__()
        self.automatic_optimization = False
        self.model, self.plan, self.state = model, plan, state
        self.progress = Progress(steps=plan.windows.steps)
        self.journal = Journal(plan.folder / JOURNAL)
        self.average = weight_average(model, plan.ema) if plan.ema else None
        self._unreached = set(plan.rates)  # trained parameters that have not had a gradient yet

    # -- set-up -----------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> torch.optim.Optimizer:
        plan = self.plan
        stage = plan.stage
        muon = muon_parameters(stage, plan.rates)
        optimizer = build_optimizer(self.model, plan.rates, stage.weight_decay, stage.layer_decay, muon)
        if self.state is not None:
            self.progress = load_state(self.state, self.model, optimizer, self.average, self._scaler)
        return optimizer

    def train_dataloader(self):
        plan = self.plan
        data = plan.data
        return step_loader(plan.windows, self.progress.step, self.global_rank, plan.workers, data.read, data.collate)

    def on_train_start(self) -> None:
        set_modes(self.model)
        if self.plan.windows.joint:
            check_no_batch_norm(self.model, self.plan.stage.name, self.plan.windows.accumulate)
        if self.trainer.is_global_zero:
            self.journal.open(self.progress.step)
        self._clock = time.monotonic() - self.progress.seconds

    def transfer_batch_to_device(self, batch, device, dataloader_idx):
        return [micro.to(device) for micro in batch]

    # -- an optimiser step ------------------------------------------------------------------------------------------

    def training_step(self, window: list[Keyed], _: int) -> None:
        plan, optimizer = self.plan, self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        step = self.progress.step
        self._seed_dropout()
        set_rates(optimizer.optimizer, rate_factor(step, plan.windows.steps, plan.stage.warmup))
        objective = plan.stage.objective
        together = self._compared(self._joint, window) if self._joint else None
        counts = self._global_counts(objective, [read.batch for read in window], together)
        terms = dict.fromkeys(objective.weights, torch.zeros((), device=self.device))
        optimizer.zero_grad()
        own = list(objective.weights)  # what is a sum over the batches
        if together is not None:
            terms |= (compared := together.compare(objective.weights, counts))
            own = [name for name in own if name not in compared]
        for index, read in enumerate(window):
            with self._without_sync(unless=index == len(window) - 1):
                micro = self._with_features(read, self.model)
                if together is None:
                    sums, asked = objective.sums(self.model(micro), micro), []
                else:
                    self._seed_dropout(index)
                    output = self.model(micro)
                    sums = together.joint.others(output, micro)
                    asked = [together.of_batch(index, together.joint.rows(output, micro))]
                parts = {name: sums[name] / counts[name].clamp(min=1) for name in own}
                loss = torch.stack([*(objective.weights[name] * part for name, part in parts.items()), *asked]).sum()
                # gradients are averaged over devices; the loss is a sum over them
                self.manual_backward(loss * self.trainer.world_size)
            terms |= {name: terms[name] + part.detach() for name, part in parts.items()}
        optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        self._log_step(step, objective, terms)
        self.progress.step = step + 1
        self._after_step()

    @property
    def _joint(self) -> Joint | None:
        """Terms that compare the studies of all batches of a step; None where there are none, or one batch."""
        return self.plan.stage.objective.joint if self.plan.windows.joint else None

    def _seed_dropout(self, *batch: int) -> None:
        """By the step, and where a batch is seen twice by its place in it."""
        seed_torch("dropout", self.plan.seed, self.plan.stage.name, self.progress.step, self.global_rank, *batch)

    @torch.no_grad()
    def _compared(self, joint: Joint, window: list[Keyed]) -> Together:
        """What the studies of this step bring to their comparison, seen batch by batch without a graph."""
        parts = []
        for index, read in enumerate(window):
            micro = self._with_features(read, self.model)
            self._seed_dropout(index)
            parts.append(joint.rows(self.model(micro), micro))
        torch.clear_autocast_cache()  # it holds weights in bf16 that no gradient would find its way back from
        return Together(joint, parts)

    def _with_features(self, read: Keyed, model: torch.nn.Module) -> Any:
        """The batch, with what a cached tower makes of it."""
        return read.batch if self.plan.features is None else self.plan.features(model, read)

    def _without_sync(self, unless: bool):
        """Devices exchange gradients once a step, in its last backward pass."""
        strategy = self.trainer.strategy
        if unless or not isinstance(strategy, ParallelStrategy):
            return contextlib.nullcontext()
        return strategy.block_backward_sync()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients are unscaled here (fp16), so their norm means something."""
        self._unreached -= {
            name
            for name, parameter in self.model.named_parameters()
            if name in self._unreached and parameter.grad is not None and bool(parameter.grad.any())
        }
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        self._norm = torch.nn.utils.clip_grad_norm_(trained, self.plan.clip)

    def _global_counts(
        self, objective: Objective, window: list, together: Together | None = None
    ) -> dict[str, torch.Tensor]:
        names = list(objective.weights)
        total = torch.zeros(len(names), device=self.device)
        for micro in window:
            counts = objective.counts(micro)
            total += torch.stack([counts[name].to(total) for name in names])
        for name, count in together.counts().items() if together else ():
            total[names.index(name)] = count
        if dist.is_initialized():
            dist.all_reduce(total)
        return dict(zip(names, total, strict=True))

    def _log_step(self, step: int, objective: Objective, terms: dict[str, torch.Tensor]) -> None:
        values = torch.stack([terms[name] for name in objective.weights])
        if dist.is_initialized():
            dist.all_reduce(values)
        named = dict(zip(objective.weights, values.tolist(), strict=True))
        loss = sum(objective.weights[name] * value for name, value in named.items())
        if not torch.isfinite(torch.tensor(loss)):
            worst = ", ".join(f"{name} {value:.3g}" for name, value in named.items())
            raise MedleyError(
                f"stage '{self.plan.stage.name}', step {step}: the loss is not finite ({worst}); lower the rates with "
                "stages.<stage>.lr_scale, or set trainer.precision to fp32"
            )
        line = {"step": step, "epoch": step // self.plan.windows.steps_per_epoch, "loss": loss, **named}
        line |= {
            "rate_factor": rate_factor(step, self.plan.windows.steps, self.plan.stage.warmup),
            "norm": float(self._norm),
        }
        if self.trainer.is_global_zero:
            self.journal.add("train", line)
        self.log("loss", loss, prog_bar=True, rank_zero_only=True)
        self.log_dict({f"train/{name}": value for name, value in named.items()}, rank_zero_only=True)

    # -- after a step: dev evaluation, best weights, state ----------------------------------------------------------

    def _after_step(self) -> None:
        plan, step = self.plan, self.progress.step
        epoch, within = divmod(step, plan.windows.steps_per_epoch)
        end_of_epoch = within == 0
        if (end_of_epoch and epoch % plan.dev_every == 0) or step == plan.windows.steps:
            self._evaluate_dev()
        self.progress.done = step == plan.windows.steps or self._out_of_patience()
        told_to_end = self.trainer.received_sigterm  # by a scheduler whose time is up, say: nothing is to be lost
        if end_of_epoch or step % plan.checkpoint_every == 0 or self.progress.done or told_to_end:
            self.save()
        if self.progress.done:
            self.trainer.should_stop = True

    def save(self) -> None:
        """The state after the last step, from which `--resume` goes on."""
        self.progress.seconds = time.monotonic() - self._clock
        if self.trainer.is_global_zero:
            state = self.plan.folder / STATE
            save_state(state, self.model, self._optimizer(), self.progress, self.average, self._scaler)

    def _optimizer(self) -> torch.optim.Optimizer:
        wrapped = self.optimizers()
        assert isinstance(wrapped, LightningOptimizer)
        return wrapped.optimizer

    def _out_of_patience(self) -> bool:
        return self.plan.patience is not None and self.progress.stale >= self.plan.patience

    @property
    def _scaler(self) -> torch.amp.GradScaler | None:
        """What keeps fp16 gradients in range; None at other precisions."""
        return getattr(self.trainer.precision_plugin, "scaler", None)

    @property
    def _scored(self) -> torch.nn.Module:
        """What dev scores and what is saved: the average of the weights where there is one, else the model."""
        return self.model if self.average is None else self.average.module

    @torch.inference_mode()
    def _evaluate_dev(self) -> None:
        """Dev loss and metrics over all devices; the best weights by `best_by` are saved at once."""
        plan, objective, model = self.plan, self.plan.stage.objective, self._scored.eval()
        names, joint = list(objective.weights), self._joint
        sums, counts = torch.zeros(len(names)), torch.zeros(len(names))
        predictions: list = []
        waiting: list[Rows] = []  # of batches whose studies are compared together, as many as in training

        def add(part: dict[str, torch.Tensor], count: dict[str, torch.Tensor]) -> None:
            for place, name in enumerate(names):
                if name in part:
                    sums[place] += part[name].float().cpu()
                    counts[place] += count[name].float().cpu()

        def add_compared(joint: Joint) -> None:
            rows = all_rows(waiting)
            count = joint.counts(rows)
            if any(bool(one) for one in count.values()):  # not so of one study that is left over
                add(joint.sums(rows), count)
            waiting.clear()

        for read, studies in plan.data.dev_batches(self.global_rank, self.trainer.world_size):
            with self.trainer.precision_plugin.val_step_context():
                batch = self._with_features(read.to(self.device), model)
                output = model(batch)
            if joint is None:
                add(objective.sums(output, batch), objective.counts(batch))
            else:
                add(joint.others(output, batch), objective.counts(batch))
                waiting.append(joint.rows(output, batch))
                if len(waiting) == plan.windows.accumulate:
                    add_compared(joint)
            predictions += plan.data.predict(output, studies)
        if joint is not None and waiting:
            add_compared(joint)
        set_modes(self.model)
        sums, counts, predictions = _gathered(sums, counts, predictions)
        terms = dict(zip(names, (sums / counts.clamp(min=1)).tolist(), strict=True))
        loss = sum(objective.weights[name] * value for name, value in terms.items())
        metrics = {"loss": loss, **{f"loss/{name}": value for name, value in terms.items()}}
        metrics |= plan.data.dev_score(predictions)
        self._keep_best(metrics)
        self.log_dict({f"dev/{name}": value for name, value in metrics.items()}, rank_zero_only=True)
        self.log("dev_" + plan.stage.best_by, metrics[plan.stage.best_by], prog_bar=True, rank_zero_only=True)

    def _keep_best(self, metrics: dict[str, float]) -> None:
        plan, progress, best_by = self.plan, self.progress, self.plan.stage.best_by
        assert best_by in metrics, "checked before the first stage"
        value = metrics[best_by]
        lower = best_by.startswith("loss")
        better = progress.best is None or (value < progress.best if lower else value > progress.best)
        progress.stale = 0 if better else progress.stale + 1
        if better:
            progress.best, progress.best_step = value, progress.step
        if self.trainer.is_global_zero:
            epoch = progress.step // plan.windows.steps_per_epoch
            self.journal.add("dev", {"step": progress.step, "epoch": epoch, "best": better, **metrics})
            write_json(plan.folder / UNREACHED, sorted(self._unreached))
            if better:
                facts = {**plan.facts, "step": progress.step, "best_by": best_by, "dev": metrics}
                save_weights(plan.folder, self._scored, plan.trained, facts)


def _gathered(sums: torch.Tensor, counts: torch.Tensor, predictions: list):
    """Sums and counts added up, and all predictions, over the devices."""
    if not dist.is_initialized():
        return sums, counts, predictions
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, (sums, counts, predictions))
    return (
        torch.stack([part[0] for part in parts]).sum(0),
        torch.stack([part[1] for part in parts]).sum(0),
        [prediction for part in parts for prediction in part[2]],
    )
