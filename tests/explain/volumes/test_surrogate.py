"""The closed form is scikit-learn's Ridge, and with LIME's kernel it is what lime fits; designs are what they claim."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances, r2_score

from medley.core.seeds import generator
from medley.explain.volumes.designs import DESIGNS, block_rows, hadamard, in_pairs, rows_of
from medley.explain.volumes.surrogate import Rows, fit, joined, nearness, r_squared


def rows_with(kernel_width: float | None, count: int = 90, features: int = 12) -> Rows:
    rng = generator("surrogate", count)
    shown = rng.random((count, features)) < 0.5
    answers = shown @ rng.standard_normal((features, 2)) + shown[:, :1] * shown[:, 1:2] + 2
    return Rows(shown, answers, nearness(shown, kernel_width))


@pytest.mark.parametrize("kernel_width", [None, 0.25])
@pytest.mark.parametrize("ridge", [0.0, 1e-4, 0.3])
def test_weights_intercept_and_r2_are_those_of_scikit_learn(kernel_width, ridge):
    rows = rows_with(kernel_width)
    found = fit(rows, ridge)
    peer = Ridge(alpha=ridge * rows.near_R.sum()).fit(rows.shown_RF, rows.answers_RK, sample_weight=rows.near_R)
    np.testing.assert_allclose(found.weights_FK, peer.coef_.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.intercept_K, peer.intercept_, rtol=1e-9)
    said = peer.predict(rows.shown_RF)
    theirs = r2_score(rows.answers_RK, said, sample_weight=rows.near_R, multioutput="raw_values")
    np.testing.assert_allclose(r_squared(found, rows), theirs, rtol=1e-9)


def test_the_kernel_is_limes():
    shown = rows_with(None).shown_RF
    distance = pairwise_distances(shown.astype(float), np.ones((1, 12)), metric="cosine").ravel()
    np.testing.assert_allclose(nearness(shown, 0.25), np.sqrt(np.exp(-(distance**2) / 0.25**2)), rtol=1e-9)


def test_parts_are_joined_in_order():
    one, other = rows_with(None), rows_with(0.25, 30)
    both = joined([one, other])
    assert len(both) == 120
    np.testing.assert_array_equal(both.shown_RF[90:], other.shown_RF)


@pytest.mark.parametrize("least", [1, 4, 5, 12, 13, 20, 27, 33, 48, 50, 64, 90])
def test_hadamard_matrices_are_orthogonal_and_large_enough(least):
    matrix = hadamard(least)
    order = len(matrix)
    assert set(np.unique(matrix)) == {-1, 1}
    assert least <= order < least + 16
    np.testing.assert_array_equal(matrix.T.astype(int) @ matrix, order * np.eye(order))


@pytest.mark.parametrize("features", [2, 11, 20, 37])
def test_a_block_of_the_design_is_balanced_orthogonal_and_folded(features):
    rows = rows_of("hadamard", features, generator("block", features))
    assert rows.shape == (block_rows(features), features)
    signs = np.where(rows, 1, -1)
    np.testing.assert_array_equal(signs.T @ signs, len(rows) * np.eye(features))
    np.testing.assert_array_equal(signs[0::2], -signs[1::2])
    assert (signs.sum(0) == 0).all()


@pytest.mark.parametrize("design", DESIGNS)
def test_supervoxels_are_shown_half_of_the_time_and_independently(design):
    rows = np.concatenate([rows_of(design, 10, generator(design, i)) for i in range(300)])
    signs = np.where(rows, 1, -1)
    np.testing.assert_allclose(signs.T @ signs / len(rows), np.eye(10), atol=0.06)
    threes = [signs[:, i] * signs[:, j] * signs[:, k] for i in range(3) for j in range(3, 6) for k in range(6, 9)]
    assert np.abs(np.mean(threes, axis=1)).max() < 0.06
    if in_pairs(design):
        np.testing.assert_array_equal(rows[0::2], ~rows[1::2])
