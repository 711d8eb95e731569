"""Which supervoxels to show and which to hide, time after time: the rows of LIME's regression.

    bernoulli   each supervoxel shown with probability 1/2, as LIME does
    antithetic  the same, and after each row its opposite
    hadamard    rows of a Hadamard matrix with random signs and columns, and after each its opposite

All three have the same expectation of a weight (in each row every supervoxel is shown with probability 1/2, pairwise
independent or better); they differ in how far it scatters. After a pair, whatever part of the answer is even in
"shown against hidden" (a constant, every effect of two supervoxels together) drops out of the weights: this is why
Shapley values are estimated in pairs, too (Covert & Lee 2021; Musco & Witter 2025). A Hadamard matrix (Plackett &
Burman 1946) with its opposite (the fold-over of Box & Wilson 1951) is orthogonal besides: no weight pays for another's
size, which random rows do until they are many times more than the supervoxels. Its random signs keep it unbiased.

Pairs suit log-probabilities: those are softplus of the evidence, and softplus(x) is x / 2 and an even function. For an
answer that is odd about the middle and bent (a probability, a tanh) the second of a pair tells nothing new, and
`bernoulli` scatters less: by a third in a simulation with 48 supervoxels, where `hadamard` for a log-probability
scattered 2.5 to 10 times less.

Shapes: F supervoxels, R rows, N the order of a Hadamard matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from medley.core.errors import choose


def rows_of(design: str, features: int, rng: np.random.Generator) -> np.ndarray:
    """One block of a design: bool [R, F], R = 2 N, N the least order that is enough; pairs stand one after the other.

    Raises MedleyError naming the nearest for an unknown design.
    """
    return choose(design, DESIGNS, "design")(features, rng)


def in_pairs(design: str) -> bool:
    """Whether rows 2 i and 2 i + 1 belong together."""
    return design != "bernoulli"


def block_rows(features: int) -> int:
    """How many rows a block has."""
    return 2 * len(hadamard(features))


def _bernoulli(features: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random((block_rows(features), features)) < 0.5


def _antithetic(features: int, rng: np.random.Generator) -> np.ndarray:
    return _folded(rng.random((block_rows(features) // 2, features)) < 0.5)


def _hadamard(features: int, rng: np.random.Generator) -> np.ndarray:
    matrix_NN = hadamard(features)
    columns = rng.permutation(len(matrix_NN))[:features]
    signs_F = rng.choice(np.array([-1, 1], np.int8), features)
    return _folded(rng.permutation(matrix_NN[:, columns] * signs_F) > 0)


def _folded(shown_NF: np.ndarray) -> np.ndarray:
    return np.stack([shown_NF, ~shown_NF], axis=1).reshape(-1, shown_NF.shape[1])


DESIGNS: dict[str, Callable[[int, np.random.Generator], np.ndarray]] = {
    "bernoulli": _bernoulli,
    "antithetic": _antithetic,
    "hadamard": _hadamard,
}


@lru_cache(maxsize=16)
def hadamard(least: int) -> np.ndarray:
    """int8 [N, N] of 1 and -1 with orthogonal columns: the smallest N >= `least`, 4 or more, that Paley's first
    construction or Sylvester's doubling reaches (4, 8, 12, 16, 20, 24, 32, 40, 44, 48, 60, 64, 68, 72, 80, 84, …)."""
    order = max(4, -(-least // 4) * 4)
    while (matrix := _of_order(order)) is None:
        order += 4
    return matrix


def _of_order(order: int) -> np.ndarray | None:
    if order <= 2:
        return np.array([[1, 1], [1, -1]], np.int8)[:order, :order]
    if (order - 1) % 4 == 3 and all((order - 1) % d for d in range(2, int((order - 1) ** 0.5) + 1)):
        return _paley(order - 1)
    half = _of_order(order // 2) if order % 2 == 0 else None
    return None if half is None else np.block([[half, half], [half, -half]])


def _paley(q: int) -> np.ndarray:
    """Order q + 1 of a prime q = 3 mod 4: the quadratic residues, bordered."""
    residue = np.full(q, -1, np.int8)
    residue[np.arange(1, q) ** 2 % q] = 1
    residue[0] = 0
    skew = np.zeros((q + 1, q + 1), np.int8)
    skew[0, 1:], skew[1:, 0] = 1, -1
    skew[1:, 1:] = residue[(np.arange(q)[:, None] - np.arange(q)) % q]
    return skew + np.eye(q + 1, dtype=np.int8)
