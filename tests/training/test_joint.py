"""Several small batches whose studies are compared with each other are one large batch: its loss and its gradient, in
the memory of a small one."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import pytest
import torch
import torch.distributed as dist
from torch import nn

from medley.core.errors import MedleyError
from medley.core.seeds import seed_torch
from medley.core.stage import Objective, Stage, freeze_all_but, rates_by_parameter
from medley.families.braingemma3d import FAMILY
from medley.losses.contrastive import NO_TEXT, Grounding, contrast_sum, joint_contrast, pair_count
from medley.training.battery import Subject
from medley.training.curves import JOURNAL, read_journal
from medley.training.features import Keyed
from medley.training.joint import Together, check_no_batch_norm
from medley.training.loader import Windows, step_loader
from medley.training.module import StageModule, StagePlan

STUDIES = 8
KEYS = torch.tensor([1, 2, 3, 1, NO_TEXT, 4, 2, 5])  # equal texts lie in different batches of 2


# -- a small model that has everything: dropout, a loss with weights of its own, a term beside it ---------------------


@dataclass(frozen=True)
class Batch:
    image: torch.Tensor
    text: torch.Tensor
    keys: torch.Tensor


@dataclass(frozen=True)
class Output:
    rows: Callable[[], dict[str, torch.Tensor]]
    facts: torch.Tensor


class Model(nn.Module):
    def __init__(self, loss: str, dropout: float):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 6))
        self.contrast, self.facts = Grounding(6, 6, 4, loss), nn.Linear(6, 1)
        self.seen: list[bool] = []

    def forward(self, batch: Batch) -> Output:
        self.seen.append(torch.is_grad_enabled())
        image = self.body(batch.image)
        rows = {"keys": batch.keys, "spared": batch.keys % 3}
        return Output(lambda: {**self.contrast.rows(image, batch.text), **rows}, self.facts(image))


def _others(output: Output, batch: Batch) -> dict[str, torch.Tensor]:
    return {"facts": output.facts.square().sum()}


def _sums(output: Output, batch: Batch) -> dict[str, torch.Tensor]:
    return {"contrast": contrast_sum(output.rows()), **_others(output, batch)}


def _counts(batch: Batch) -> dict[str, torch.Tensor]:
    return {"contrast": pair_count(batch.keys), "facts": torch.tensor(len(batch.keys))}


WEIGHTS = {"contrast": 1.0, "facts": 0.5}
OBJECTIVE = Objective(WEIGHTS, _sums, _counts, joint_contrast(_others, WEIGHTS))


class Data:
    """Eight studies, of which dev reads all."""

    def __init__(self, read: Callable[[int], object], collate: Callable[[list], object], batch: int, count: int):
        self.one, self.made, self.batch, self.train = read, collate, batch, range(count)

    def read(self, epoch: int, example: int) -> object:
        return self.one(example)

    def collate(self, examples: list) -> Keyed:
        return Keyed(self.made(examples))

    def dev_batches(self, rank: int, world: int):
        whole = [self.one(index) for index in self.train]
        for at in range(0, len(whole), self.batch):
            yield self.collate(whole[at : at + self.batch]), []

    def predict(self, output, studies) -> list:
        return []

    def dev_score(self, predictions) -> dict:
        return {}


def small_data(batch: int, count: int = STUDIES) -> Data:
    seed_torch("joint rows", 0)
    image, text = torch.randn(STUDIES, 6), torch.randn(STUDIES, 6)

    def collate(rows: list[int]) -> Batch:
        return Batch(image[rows], text[rows], KEYS[rows])

    return Data(lambda index: index, collate, batch, count)


class Watched(StageModule):
    """Keeps the gradient of its last step, before it is cut."""

    def on_before_optimizer_step(self, optimizer) -> None:
        self.gradients = {name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None}
        super().on_before_optimizer_step(optimizer)


def one_step(
    model: nn.Module, stage: Stage, data: Data, batch: int, accumulate: int, folder: Path, precision: str = "32-true"
) -> tuple[dict[str, torch.Tensor], dict, dict]:
    """The gradient of one step over all studies, what was written of it, and of dev after it."""
    stage = dataclasses.replace(stage, batch=batch, epochs=1, best_by="loss", warmup=0.0)
    rates = rates_by_parameter(model, stage)
    freeze_all_but(model, rates)
    windows = Windows(len(data.train), batch, accumulate, 1, 1, 3, least=2, joint=accumulate > 1)
    plan = StagePlan(
        stage=stage,
        windows=windows,
        rates=rates,
        folder=folder,
        seed=3,
        clip=1.0,
        ema=None,
        patience=None,
        checkpoint_every=100,
        dev_every=1,
        workers=0,
        data=data,  # type: ignore[arg-type]
        features=None,
        trained=set(rates),
        facts={},
    )
    folder.mkdir(parents=True)
    module = Watched(model, plan, None)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(accelerator="cpu", max_epochs=1, precision=precision, enable_model_summary=False, **quiet)
    trainer.fit(module)
    train, dev = read_journal(folder / JOURNAL)
    return module.gradients, train, dev


def numbers(line: dict) -> dict[str, float]:
    """What a line of the journal says of losses and gradient."""
    return {name: value for name, value in line.items() if isinstance(value, float)}


def small_step(folder: Path, loss: str, batch: int, accumulate: int, dropout: float = 0.0, **how):
    seed_torch("joint", 0)
    model = Model(loss, dropout)
    stage = Stage("contrastive", {"*": 1e-2}, OBJECTIVE, epochs=1, least=2)
    return model, one_step(model, stage, small_data(batch, how.pop("count", STUDIES)), batch, accumulate, folder, **how)


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
@pytest.mark.parametrize(("batch", "accumulate"), [(2, 4), (1, 8), (3, 3)])
def test_batches_that_are_compared_give_the_loss_and_gradient_of_one(loss, batch, accumulate, tmp_path):
    _, (whole, train, dev) = small_step(tmp_path / "one", loss, STUDIES, 1)
    model, (parts, train_parts, dev_parts) = small_step(tmp_path / "several", loss, batch, accumulate)
    assert set(parts) == set(whole) == {name for name, _ in model.named_parameters()}
    for name in whole:
        assert whole[name].abs().max() > 1e-4, f"{name} learns nothing, and equal zeros prove nothing"
        assert torch.allclose(parts[name], whole[name], atol=1e-5, rtol=0), name
    for one, other in ((train, train_parts), (dev, dev_parts)):
        assert numbers(other) == pytest.approx(numbers(one), abs=1e-5, rel=1e-5)


def test_that_is_not_the_mean_of_small_batches(tmp_path):
    """What accumulation alone would give: fewer negatives, and equal texts that do not meet."""
    _, (_, whole, _) = small_step(tmp_path / "one", "infonce", STUDIES, 1)
    data = small_data(2)
    seed_torch("joint", 0)
    model = Model("infonce", 0.0)
    order = [example for _, example in Windows(STUDIES, 2, 4, 1, 1, 3).part(0, 0)]
    batches = [data.collate(order[at : at + 2]).batch for at in range(0, STUDIES, 2)]
    mean = sum(float(_sums(model(one), one)["contrast"].detach()) for one in batches) / 7
    assert whole["contrast"] - mean > 0.5


def test_the_same_dropout_is_drawn_both_times(tmp_path):
    """Against the graphs of all batches, held at once."""
    model, (parts, train, _) = small_step(tmp_path / "several", "infonce", 2, 4, dropout=0.5)
    assert model.seen[:8] == [False] * 4 + [True] * 4
    seed_torch("joint", 0)
    other, data = Model("infonce", 0.5).train(), small_data(2)
    order = [example for _, example in Windows(STUDIES, 2, 4, 1, 1, 3).part(0, 0)]
    outputs = []
    for index in range(4):
        batch = data.collate(order[2 * index : 2 * index + 2]).batch
        seed_torch("dropout", 3, "contrastive", 0, 0, index)
        outputs.append(other(batch))
    rows = [output.rows() for output in outputs]
    joined = {name: torch.cat([row[name] for row in rows]) if one.ndim else one for name, one in rows[0].items()}
    contrast, facts = contrast_sum(joined) / 7, sum(output.facts.square().sum() for output in outputs) / STUDIES
    (contrast + 0.5 * facts).backward()
    assert train["contrast"] == pytest.approx(float(contrast.detach()), abs=1e-5)
    for name, parameter in other.named_parameters():
        assert torch.allclose(parts[name], parameter.grad, atol=1e-5, rtol=0), name


def test_weights_that_were_cast_without_a_graph_are_cast_again(tmp_path):
    """In bf16 what was cast in the first pass must not be what the second one reads."""
    _, (whole, *_) = small_step(tmp_path / "one", "sigmoid", STUDIES, 1, precision="bf16-mixed")
    _, (parts, *_) = small_step(tmp_path / "several", "sigmoid", 2, 4, precision="bf16-mixed")
    assert set(parts) == set(whole)
    for name in whole:
        assert float((parts[name] - whole[name]).norm() / whole[name].norm()) < 0.05, name


def test_one_graph_is_held_at_a_time(tmp_path):
    def most(batch: int, accumulate: int, count: int) -> int:
        """The most bytes that graphs held at once, the loss of all rows aside."""
        alive: weakref.WeakSet = weakref.WeakSet()
        held = [0]

        class Kept:
            def __init__(self, tensor: torch.Tensor):
                self.tensor = tensor

        def pack(tensor: torch.Tensor) -> Kept:
            kept = Kept(tensor)
            alive.add(kept)
            held[0] = max(held[0], sum(one.tensor.nbytes for one in alive if one.tensor.shape[-1:] == (16,)))
            return kept

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
            small_step(tmp_path / f"{batch}-{accumulate}", "infonce", batch, accumulate, count=count)
        return held[0]

    small, several, large = most(2, 1, 2), most(2, 4, STUDIES), most(STUDIES, 1, STUDIES)
    assert small == several
    assert large > 2 * small


def test_one_batch_a_step_is_compared_as_it_always_was(tmp_path, monkeypatch):
    monkeypatch.setattr(StageModule, "_compared", lambda *_: pytest.fail("seen twice"))
    model, _ = small_step(tmp_path / "one", "infonce", STUDIES, 1)
    assert model.seen == [True, False]


def test_a_window_keeps_its_last_study_where_all_are_compared():
    data = small_data(2)
    for joint, sizes in ((True, [2, 1]), (False, [2])):
        windows = Windows(3, 2, 2, 1, 1, 0, least=2, joint=joint)
        (window,) = step_loader(windows, 0, 0, 0, data.read, data.collate)
        assert [len(read.batch.keys) for read in window] == sizes


def test_what_normalises_over_its_batch_is_refused_by_name():
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    with pytest.raises(MedleyError, match=r"stages.contrastive.accumulate is 4: '1' normalises over its batch"):
        check_no_batch_norm(model.train(), "contrastive", 4)
    check_no_batch_norm(model.eval(), "contrastive", 4)


# -- the family -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_braingemma3d_grounds_in_small_batches_as_in_one_large(loss, tmp_path):
    subject = Subject(FAMILY, changes={"contrastive": loss})
    studies = subject.studies(STUDIES)
    for twin, of in ((3, 0), (6, 1)):  # in other words, and in the same
        case = dataclasses.replace(studies[twin].case, text=studies[of].case.text)
        studies[twin] = dataclasses.replace(studies[twin], case=case)
    stage = next(stage for stage in subject.stages() if stage.name == "contrastive")
    steps = {}
    for batch, accumulate in ((STUDIES, 1), (2, 4)):
        data = Data(lambda index: studies[index], subject.batch, batch, STUDIES)
        steps[batch] = one_step(subject.model(), stage, data, batch, accumulate, tmp_path / str(batch))
    (whole, *losses), (parts, *losses_parts) = steps[STUDIES], steps[2]
    assert {name.split(".")[0] for name in whole} == {"vision", "resampler", "facts", "contrast", "towers"}
    for name in whole:
        assert torch.allclose(parts[name], whole[name], atol=1e-5, rtol=0), name
    for one, other in zip(losses, losses_parts, strict=True):
        assert numbers(other) == pytest.approx(numbers(one), abs=1e-5, rel=1e-5)


# -- several devices --------------------------------------------------------------------------------------------------


def _device(rank: int, port: int, loss: str, results) -> None:
    """Two batches here, one there."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    own = [[0, 1, 2], [3, 4]] if rank == 0 else [[5, 6, 7]]
    data = small_data(3)
    seed_torch("joint", 0)
    model = Model(loss, 0.0)
    batches = [data.collate(rows).batch for rows in own]
    with torch.no_grad():
        parts = [model(batch).rows() for batch in batches]
    together = Together(OBJECTIVE.joint, parts)
    count = together.counts()["contrast"]
    dist.all_reduce(count)
    term = together.compare(WEIGHTS, {"contrast": count})["contrast"]
    for index, batch in enumerate(batches):
        together.of_batch(index, model(batch).rows()).backward()
    dist.all_reduce(term)
    gradients = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            gradients[name] = parameter.grad.tolist()
    results.put((rank, float(term), gradients))
    with torch.no_grad():  # dev: devices have batches of their own, and need not wait for each other
        assert rank or float(contrast_sum(parts[0])) > 0
    dist.destroy_process_group()


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_devices_with_unequally_many_batches_compare_all_studies(loss, on_two_devices):
    (_, term, gradients), other = on_two_devices(_device, loss)
    assert other[1:] == (term, gradients)
    seed_torch("joint", 0)
    model, batch = Model(loss, 0.0), small_data(8).collate(list(range(8))).batch
    whole = contrast_sum(model(batch).rows()) / 7
    whole.backward()
    assert term == pytest.approx(float(whole.detach()), abs=1e-5)
    learned = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert set(gradients) == set(learned)
    for name, gradient in learned.items():
        assert torch.allclose(torch.tensor(gradients[name]), gradient, atol=1e-5), name
