"""Which study is read when: a function of (seed, epoch, step), so that training can go on from any step.

An optimiser step reads one window of studies: batch * accumulate * devices of them, dealt out to the devices. A resumed
run starts its loader at the saved step and reads what the unbroken run would have read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset

from medley.core.seeds import generator


@dataclass(frozen=True)
class Windows:
    """The order of a stage: `steps_per_epoch` windows of `window` examples each epoch, in an order drawn anew.

    The last window of an epoch is smaller where the examples do not divide; fewer than `least` for each device are left
    out, so that no device goes without.
    """

    examples: int
    batch: int
    accumulate: int
    world: int
    epochs: float  # of the last, only the first windows may be read
    seed: int
    least: int = 1  # examples that a batch must have, or with `joint` a step
    joint: bool = False  # all batches of a step are compared as one

    @property
    def window(self) -> int:
        return self.batch * self.accumulate * self.world

    @property
    def steps_per_epoch(self) -> int:
        whole, left = divmod(self.examples, self.window)
        return whole + (left >= self.world * self.least)

    @property
    def steps(self) -> int:
        return max(1, round(self.steps_per_epoch * self.epochs))

    def part(self, step: int, rank: int) -> list[tuple[int, int]]:
        """(epoch, example) keys that device `rank` reads in this step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = generator("order", self.seed, epoch).permutation(self.examples)
        window = order[place * self.window : (place + 1) * self.window]
        return [(epoch, int(example)) for example in window[rank :: self.world]]


class _Steps:
    """The batch sampler of one device: one list of keys an optimiser step, from the first step to the last."""

    def __init__(self, windows: Windows, first_step: int, rank: int):
        self.windows, self.first_step, self.rank = windows, first_step, rank

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for step in range(self.first_step, self.windows.steps):
            yield self.windows.part(step, self.rank)

    def __len__(self) -> int:
        return self.windows.steps - self.first_step


class _Examples(Dataset):
    """Calls `read(epoch, example)` for each key: a plain map, so that loader processes can share the work."""

    def __init__(self, read: Callable[[int, int], Any]):
        self.read = read

    def __getitem__(self, key: tuple[int, int]) -> Any:
        return self.read(*key)


@dataclass(frozen=True)
class _Micro:
    """Cuts a window's examples into batches of `batch` and collates each; a last one of fewer than `least` is left
    out."""

    collate: Callable[[Sequence[Any]], Any]
    batch: int
    least: int

    def __call__(self, examples: Sequence[Any]) -> list[Any]:
        parts = [examples[at : at + self.batch] for at in range(0, len(examples), self.batch)]
        return [self.collate(part) for part in parts if len(part) >= self.least]


def step_loader(
    windows: Windows,
    first_step: int,
    rank: int,
    workers: int,
    read: Callable[[int, int], Any],
    collate: Callable[[Sequence[Any]], Any],
) -> DataLoader:
    """Yields one list of batches an optimiser step, from `first_step` to the end of the stage."""
    return DataLoader(
        _Examples(read),
        batch_sampler=_Steps(windows, first_step, rank),  # type: ignore[arg-type]
        collate_fn=_Micro(collate, windows.batch, 1 if windows.joint else windows.least),
        num_workers=workers,
        persistent_workers=workers > 0,
    )
