"""A draw belongs to its key: the same in any process and order, and another key draws something else."""

from __future__ import annotations

import os
import subprocess
import sys

import torch

from medley.core.seeds import generator, key64, seed_torch


def test_the_same_key_draws_the_same_in_another_process():
    """PYTHONHASHSEED differs there: a key made with hash() would differ too."""
    script = "from medley.core.seeds import generator; print(generator('a', 7, 'case-1').random(3).tolist())"
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert runs == [str(generator("a", 7, "case-1").random(3).tolist())] * 2


def test_keys_are_told_apart_by_value_order_and_border():
    keys = [key64("a", 1), key64("a", 2), key64(1, "a"), key64("a1"), key64("a", 1, ""), key64("", "a", 1)]
    assert len(set(keys)) == len(keys)


def test_order_of_drawing_does_not_matter():
    first = [generator("x", i).random() for i in range(4)]
    assert [generator("x", i).random() for i in reversed(range(4))] == first[::-1]


def test_seed_torch_seeds_dropout():
    draws = []
    for key in (1, 2, 1):
        seed_torch("dropout", key)
        draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[2] != draws[1]
