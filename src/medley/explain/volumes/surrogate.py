"""The linear model that LIME fits to the answers: weighted ridge in closed form, with errors of the weights.

Shapes: R rows, F supervoxels, K targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rows:
    """What was shown, what was answered, and how much each row counts."""

    shown_RF: np.ndarray  # bool
    answers_RK: np.ndarray
    near_R: np.ndarray

    def __len__(self) -> int:
        return len(self.near_R)

    def mean(self, values_RX: np.ndarray) -> np.ndarray:
        """The weighted mean over the rows: [X]."""
        return self.near_R @ values_RX / self.near_R.sum()

    def centred(self) -> np.ndarray:
        """What was shown, without its mean: [R, F]."""
        return self.shown_RF - self.mean(self.shown_RF)

    def gram(self, ridge: float) -> np.ndarray:
        """[F, F]: the matrix of the normal equations."""
        centred_RF = self.centred()
        penalty_FF = ridge * self.near_R.sum() * np.eye(centred_RF.shape[1])
        return (centred_RF * self.near_R[:, None]).T @ centred_RF + penalty_FF


def joined(parts: Sequence[Rows]) -> Rows:
    """The rows of all parts, in their order."""
    return Rows(
        np.concatenate([part.shown_RF for part in parts]),
        np.concatenate([part.answers_RK for part in parts]),
        np.concatenate([part.near_R for part in parts]),
    )


@dataclass(frozen=True)
class Surrogate:
    """answer ≈ intercept + sum of the weights of what is shown."""

    intercept_K: np.ndarray
    weights_FK: np.ndarray

    def misses(self, rows: Rows) -> np.ndarray:
        """[R, K]: the answers without what it says of them."""
        return rows.answers_RK - self.intercept_K - rows.shown_RF @ self.weights_FK


def fit(rows: Rows, ridge: float) -> Surrogate:
    """Weighted least squares; `ridge` is the penalty of a squared weight for each unit of the rows' weights.

    It is scikit-learn's Ridge with alpha = ridge * near_R.sum(): the intercept is not penalised.
    """
    mean_K = rows.mean(rows.answers_RK)
    pull_FK = (rows.centred() * rows.near_R[:, None]).T @ (rows.answers_RK - mean_K)
    weights_FK = np.linalg.solve(rows.gram(ridge), pull_FK)
    return Surrogate(mean_K - rows.mean(rows.shown_RF) @ weights_FK, weights_FK)


def standard_errors(found: Surrogate, rows: Rows, ridge: float, paired: bool) -> np.ndarray:
    """[F, K], robust to what the linear model misses (sandwich, Liang & Zeger 1986).

    Rows, or where they are `paired` rows 2 i with 2 i + 1, are what is drawn; there are more of them than supervoxels.
    """
    pulls_RFK = rows.centred()[:, :, None] * (found.misses(rows) * rows.near_R[:, None])[:, None]
    if paired:
        pulls_RFK = pulls_RFK[0::2] + pulls_RFK[1::2]
    drawn, features = pulls_RFK.shape[:2]
    moved_RFK = np.einsum("fg,rgk->rfk", np.linalg.inv(rows.gram(ridge)), pulls_RFK)
    return np.sqrt((moved_RFK**2).sum(0) * drawn / max(drawn - features - 1, 1))


def r_squared(found: Surrogate, rows: Rows) -> np.ndarray:
    """[K]: the share of the answers' weighted variance that it says; nan where the answers never differ."""
    missed_K = rows.near_R @ found.misses(rows) ** 2
    spread_K = rows.near_R @ (rows.answers_RK - rows.mean(rows.answers_RK)) ** 2
    return np.where(spread_K > 0, 1 - missed_K / np.where(spread_K > 0, spread_K, 1), np.nan)


def nearness(shown_RF: np.ndarray, kernel_width: float | None) -> np.ndarray:
    """[R]: LIME's weight of a row by its cosine distance to the whole volume; 1 for each where the width is None."""
    if kernel_width is None:
        return np.ones(len(shown_RF))
    distance_R = 1 - np.sqrt(shown_RF.mean(1))
    return np.sqrt(np.exp(-(distance_R**2) / kernel_width**2))
