"""Every example is read once an epoch, over all devices, in an order that a resumed run finds again."""

from __future__ import annotations

from collections import Counter

import pytest

from medley.training.loader import Windows, step_loader


def read_by_rank(windows: Windows, first: int = 0) -> list[list[list[tuple[int, int]]]]:
    return [[windows.part(step, rank) for step in range(first, windows.steps)] for rank in range(windows.world)]


@pytest.mark.parametrize(
    ("examples", "batch", "accumulate", "world"),
    [(72, 16, 1, 1), (73, 4, 2, 2), (10, 4, 1, 3), (7, 16, 1, 1), (9, 2, 2, 2)],
)
def test_each_epoch_reads_every_example_once_over_all_devices(examples, batch, accumulate, world):
    windows = Windows(examples, batch, accumulate, world, epochs=3, seed=1)
    ranks = read_by_rank(windows)
    left_out = examples % windows.window if examples % windows.window < world else 0
    for epoch in range(3):
        keys = [key for rank in ranks for step in rank for key in step if key[0] == epoch]
        counts = Counter(example for _, example in keys)
        assert set(counts.values()) == {1}
        assert len(counts) == examples - left_out
        assert set(counts) <= set(range(examples))
    for step in range(windows.steps):
        sizes = [len(rank[step]) for rank in ranks]
        assert min(sizes) >= 1, "no device goes without"
        assert max(sizes) - min(sizes) <= 1
        assert max(sizes) <= batch * accumulate


@pytest.mark.parametrize(("epochs", "steps"), [(0.5, 5), (1.24, 12), (0.01, 1), (2, 20)])
def test_of_an_epoch_in_part_the_first_windows_are_read(epochs, steps):
    windows, whole = (Windows(20, 2, 1, 1, epochs=number, seed=1) for number in (epochs, 3))
    assert windows.steps == steps
    assert read_by_rank(windows) == [read_by_rank(whole)[0][:steps]]


def test_the_order_is_drawn_anew_each_epoch_and_by_seed():
    windows = Windows(50, 50, 1, 1, epochs=2, seed=1)
    first, second = ([example for _, example in windows.part(step, 0)] for step in range(2))
    other = [example for _, example in Windows(50, 50, 1, 1, epochs=2, seed=2).part(0, 0)]
    assert first != second
    assert first != other
    assert first != sorted(first)


def test_accumulation_and_devices_read_the_same_window():
    large = Windows(60, 12, 1, 1, epochs=1, seed=3)
    for batch, accumulate, world in ((6, 2, 1), (3, 2, 2), (6, 1, 2)):
        parts = Windows(60, batch, accumulate, world, epochs=1, seed=3)
        assert parts.steps == large.steps
        for step in range(large.steps):
            read = {key for rank in range(world) for key in parts.part(step, rank)}
            assert read == set(large.part(step, 0))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("first", [0, 1, 5, 8])
def test_a_loader_begun_at_a_step_reads_what_the_unbroken_one_reads(first, workers):
    windows = Windows(25, 4, 2, 1, epochs=2, seed=0)
    assert windows.steps == 8
    whole = list(step_loader(windows, 0, 0, 0, read, list))
    resumed = list(step_loader(windows, first, 0, workers, read, list))
    assert resumed == whole[first:]
    assert [len(micro) for micro in whole[0]] == [4, 4]
    assert [len(micro) for micro in whole[3]] == [1], "the last window of an epoch is what is left"
    assert len(step_loader(windows, first, 0, 0, read, list)) == 8 - first


def read(epoch: int, example: int) -> tuple[int, int]:
    return epoch, example


def test_a_batch_that_would_be_too_small_to_compare_is_left_out():
    """Of 17 studies in batches of 8 one is left over, and of 18 two are, which is enough."""
    seventeen, eighteen = (Windows(n, 8, 1, 1, 1, 0, least=2) for n in (17, 18))
    assert (seventeen.steps, eighteen.steps) == (2, 3)
    loader = step_loader(Windows(9, 4, 2, 1, 1, 0, least=2), 0, 0, 0, lambda epoch, example: example, list)
    windows = list(loader)
    assert [[len(batch) for batch in window] for window in windows] == [[4, 4]]
    loader = step_loader(Windows(11, 4, 3, 1, 1, 0, least=4), 0, 0, 0, lambda epoch, example: example, list)
    assert [[len(batch) for batch in window] for window in loader] == [[4, 4]], "the last three are too few"
