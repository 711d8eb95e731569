"""LIME of a volume (Ribeiro et al. 2016): which supervoxels the answer of a model rests on.

Supervoxels are hidden at random, the model answers, and a linear model of "shown or hidden" is fitted to the answers.
What differs from the common recipe: many volumes go through the model at once; one pass serves several targets; rows
are drawn in a design that reaches the same weights with fewer of them (`designs`); what replaces a hidden supervoxel is
chosen (`baselines`) and the background is no feature; and it goes on until the ranking is stable, not for 100 rows:

    Two streams of rows are drawn independently. After each block, weights are fitted to either stream alone, and the
    ranking is stable when Kendall's tau of the two is at least `stable`, for every target. It is the tau of the ten
    supervoxels that weigh most (`top`): most of a brain does nothing to the answer, and the order of what does nothing
    is never stable. What is returned is fitted to both streams, so it is steadier than the two that agreed.

A weight is the mean change of the answer when that supervoxel is shown and not hidden, over all ways to hide the
others. There is no kernel by default: LIME's differs between rows only by the number shown, which is about half in all.

Shapes: S sequences, D H W voxels, F supervoxels, R rows, K targets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from medley.core.seeds import generator
from medley.explain.volumes.designs import in_pairs, rows_of
from medley.explain.volumes.hiding import Hider, Score
from medley.explain.volumes.supervoxels import painted
from medley.explain.volumes.surrogate import Rows, fit, joined, nearness, r_squared, standard_errors

STABLE = 0.9  # Kendall's tau
TOP = 10  # supervoxels whose order must be stable
MOST = 4096  # rows
BATCH = 16
RIDGE = 1e-4
Progress = Callable[[int, float], None]  # samples so far, and the smallest tau of a target


@dataclass(frozen=True)
class Explanation:
    """The weights of one target, and how far they can be trusted."""

    weights_F: np.ndarray  # change of the answer when the supervoxel is shown and not hidden
    errors_F: np.ndarray  # their standard errors
    intercept: float
    whole: float  # the answer to the volume itself
    empty: float  # the answer when every supervoxel is hidden
    r2: float  # of the linear model on its own rows; nan where the answer never moved
    r2_held_out: float  # of either stream's linear model on the rows of the other, the mean
    stability: float  # Kendall's tau of the two streams' weights; nan where the answer never moved
    samples: int  # rows that were asked for, without `whole` and `empty`
    stopped: str  # why: "stable", "most samples", "nothing moves"
    history: tuple[tuple[int, float], ...]  # (samples, tau) after each block

    def map(self, pieces_DHW: np.ndarray) -> np.ndarray:
        """float32 [D, H, W]: the weights painted into their supervoxels."""
        return painted(self.weights_F, pieces_DHW)

    def as_json(self) -> dict[str, object]:
        """Plain JSON; what is not defined is None."""
        return {
            **{name: getattr(self, name) for name in ("samples", "stopped", "intercept", "whole", "empty")},
            **{name: _defined(getattr(self, name)) for name in ("r2", "r2_held_out", "stability")},
            "weights": self.weights_F.tolist(),
            "errors": self.errors_F.tolist(),
            "history": [[samples, _defined(tau)] for samples, tau in self.history],
        }


def explain_lime(score: Score, volume: torch.Tensor, pieces_DHW: np.ndarray, **options) -> Explanation:
    """`explain_targets` for a score that gives one answer a volume."""
    (found,) = explain_targets(score, volume, pieces_DHW, **options)
    return found


def explain_targets(
    score: Score,
    volume: torch.Tensor,
    pieces_DHW: np.ndarray,
    *,
    baseline: torch.Tensor,
    seed: int,
    key: str = "",
    batch: int = BATCH,
    design: str = "hadamard",
    kernel_width: float | None = None,
    ridge: float = RIDGE,
    stable: float = STABLE,
    top: int | None = TOP,
    most: int = MOST,
    progress: Progress | None = None,
) -> list[Explanation]:
    """One explanation a target of a volume [S, D, H, W], by supervoxels 1 to F of `pieces_DHW` (0 is background).

    `baseline` [S, D, H, W] is shown where a supervoxel is hidden. `key` names the study: the rows belong to (seed,
    key). `top` ranks only that many supervoxels, those with the greatest weights either way; None ranks all. At most
    `most` rows are drawn, but two blocks at least. The volume's dtype and device are kept. Raises MedleyError where an
    answer is not finite, and where volume, pieces and baseline do not fit.
    """
    hider = Hider(score, volume, baseline, pieces_DHW, batch)
    whole_K, empty_K = hider(np.repeat([[True], [False]], hider.features, axis=1))
    streams: tuple[list[Rows], list[Rows]] = ([], [])
    history: list[tuple[int, np.ndarray]] = []
    while True:
        blocks = [
            rows_of(design, hider.features, generator("lime", seed, key, stream, len(history))) for stream in (0, 1)
        ]
        answers = np.split(hider(np.concatenate(blocks)), 2)
        for stream, shown_RF, answers_RK in zip(streams, blocks, answers, strict=True):
            stream.append(Rows(shown_RF, answers_RK, nearness(shown_RF, kernel_width)))
        halves = [joined(stream) for stream in streams]
        rows = joined(halves)
        found, one, other = (fit(some, ridge) for some in (rows, *halves))
        tau_K = agreement(one.weights_FK, other.weights_FK, found.weights_FK, top)
        history.append((len(rows), tau_K))
        moving_K = np.isfinite(tau_K)
        if progress is not None:
            progress(len(rows), float(np.min(tau_K, where=moving_K, initial=1.0)))
        if (tau_K[moving_K] >= stable).all() or len(rows) * (1 + 1 / len(history)) > most:
            break
    errors_FK = standard_errors(found, rows, ridge, in_pairs(design))
    r2_K = r_squared(found, rows)
    held_out_K = (r_squared(one, halves[1]) + r_squared(other, halves[0])) / 2
    return [
        Explanation(
            weights_F=found.weights_FK[:, k],
            errors_F=errors_FK[:, k],
            intercept=float(found.intercept_K[k]),
            whole=float(whole_K[k]),
            empty=float(empty_K[k]),
            r2=float(r2_K[k]),
            r2_held_out=float(held_out_K[k]),
            stability=float(tau_K[k]),
            samples=len(rows),
            stopped=_why(float(tau_K[k]), stable),
            history=tuple((samples, float(taus[k])) for samples, taus in history),
        )
        for k in range(len(whole_K))
    ]


def agreement(one_FK: np.ndarray, other_FK: np.ndarray, both_FK: np.ndarray, top: int | None = TOP) -> np.ndarray:
    """[K]: Kendall's tau (b) of two rankings of the supervoxels, or of the `top` of them by the size of their weights
    in both together; nan where a ranking is none, all its weights being equal."""
    from scipy.stats import kendalltau

    taus = []
    for one_F, other_F, both_F in zip(one_FK.T, other_FK.T, both_FK.T, strict=True):
        ranked = np.argsort(-np.abs(both_F), kind="stable")[:top]
        moved = np.ptp(one_F[ranked]) > 0 and np.ptp(other_F[ranked]) > 0
        taus.append(kendalltau(one_F[ranked], other_F[ranked]).statistic if moved else np.nan)
    return np.array(taus)


def _why(tau: float, stable: float) -> str:
    if not np.isfinite(tau):
        return "nothing moves"
    return "stable" if tau >= stable else "most samples"


def _defined(value: float) -> float | None:
    return value if np.isfinite(value) else None
