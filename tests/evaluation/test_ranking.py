"""AUROC and average precision against scikit-learn for every kind of weight and tie, and the same in any company."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from medley.evaluation import ranking
from medley.evaluation.ranking import areas_of, auroc, auroc_of, average_precision, curves, pairs_of, rank


def draw(seed: int, n: int, share: float = 0.3, decimals: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share).astype(float)
    return labels, np.round(labels + rng.normal(size=n), decimals)


def of_scikit_learn(labels: np.ndarray, scores: np.ndarray, weights_NR: np.ndarray) -> np.ndarray:
    """[2, R]; nan where a class has no weight."""
    found = []
    for weights in weights_NR.T:
        if (weights[labels == 1] > 0).any() and (weights[labels == 0] > 0).any():
            options = {"sample_weight": weights}
            found.append([f(labels, scores, **options) for f in (sk.roc_auc_score, sk.average_precision_score)])
        else:
            found.append([np.nan, np.nan])
    return np.array(found).T


@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize(("n", "share"), [(2, 0.5), (7, 0.3), (90, 0.02), (90, 0.98), (400, 0.3), (400, 0.7)])
@pytest.mark.parametrize("whole", [True, False])
def test_any_weights_give_what_scikit_learn_gives(n: int, share: float, decimals: int, whole: bool) -> None:
    labels, scores = draw(n, n, share, decimals)
    labels[:2] = 1, 0
    rng = np.random.default_rng(1)
    weights = rng.poisson(1, size=(n, 20)) if whole else rng.gamma(0.3, size=(n, 20)) * (rng.random((n, 20)) < 0.8)
    theirs, ours = of_scikit_learn(labels, scores, weights), np.array(areas_of(rank(labels, scores), weights))
    defined = ~np.isnan(theirs[0])
    assert np.abs(ours - theirs)[:, defined].max() < 1e-12
    assert np.isnan(ours[0][~defined]).all()


def test_a_row_of_weight_zero_is_not_there() -> None:
    labels, scores = draw(1, 60, decimals=1)
    keep = np.random.default_rng(0).random(60) < 0.5
    without = np.array(areas_of(rank(labels[keep], scores[keep])))
    assert np.array(areas_of(rank(labels, scores), keep.astype(float))) == pytest.approx(without, abs=1e-12)


def test_rising_transformations_change_nothing_and_falling_ones_turn_the_area() -> None:
    labels, scores = draw(2, 200, decimals=1)
    assert areas_of(rank(labels, np.exp(scores))) == areas_of(rank(labels, scores))
    assert auroc(labels, -scores) == pytest.approx(1 - auroc(labels, scores), abs=1e-15)


def test_a_column_has_the_same_value_to_the_last_bit_in_any_company(monkeypatch) -> None:
    labels, scores = draw(3, 700, decimals=2)
    weights = np.random.default_rng(0).poisson(1, size=(700, 50)).astype(float)
    ranked = rank(labels, scores)
    whole = np.array(areas_of(ranked, weights))
    for start, end in ((0, 1), (0, 2), (7, 24), (20, 50)):
        assert (np.array(areas_of(ranked, weights[:, start:end])) == whole[:, start:end]).all()
    monkeypatch.setattr(ranking, "COLUMNS", 13)
    assert (np.array(areas_of(ranked, weights)) == whole).all()


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_the_blocks_of_steps_are_no_part_of_the_result(monkeypatch, rows: int) -> None:
    labels, scores = draw(4, 300, decimals=1)
    weights = np.random.default_rng(0).poisson(1, size=(300, 30))
    whole = np.array(areas_of(rank(labels, scores), weights))
    monkeypatch.setattr(ranking, "ROWS", rows)
    monkeypatch.setattr(ranking, "BLOCKS", 1000)
    assert np.array(areas_of(rank(labels, scores), weights)) == pytest.approx(whole, abs=1e-13)


def test_pairs_are_counted() -> None:
    labels, scores = draw(5, 40, decimals=0)
    positives, negatives = scores[labels == 1][:, None], scores[labels == 0]
    won, pairs = pairs_of(rank(labels, scores))
    assert won == (positives > negatives).sum() + (positives == negatives).sum() / 2
    assert pairs == positives.size * negatives.size


def test_rows_that_are_images_take_the_weight_of_their_study() -> None:
    labels, scores = draw(6, 90)
    study = np.repeat(np.arange(30), 3)
    weights = np.random.default_rng(0).poisson(1, size=(30, 9))
    by_study = auroc_of(rank(labels, scores, study), weights)
    assert (by_study == auroc_of(rank(labels, scores), weights[study])).all()


def test_pooled_labels_are_micro() -> None:
    (some, of_some), (other, of_other) = draw(7, 50), draw(8, 50)
    labels, scores = np.stack([some, other], 1), np.stack([of_some, of_other], 1)
    labels[:5, 0] = np.nan
    weights = np.random.default_rng(0).poisson(1, size=(50, 5))
    flat = ~np.isnan(labels.ravel())
    alone = rank(labels.ravel()[flat], scores.ravel()[flat])
    expected = areas_of(alone, np.repeat(weights, 2, axis=0)[flat])
    assert np.array(areas_of(rank(labels, scores), weights)) == pytest.approx(np.array(expected), abs=1e-15)


@pytest.mark.parametrize("labels", [np.zeros(4), np.ones(4), np.full(4, np.nan), np.zeros(0)])
def test_one_class_or_none(labels: np.ndarray) -> None:
    scores = np.linspace(0, 1, len(labels))
    assert np.isnan(auroc(labels, scores))
    assert np.isnan(average_precision(labels, scores)) == (not (labels == 1).any())
    assert np.isnan(auroc(labels, scores, np.ones((len(labels), 3)))).tolist() == [True] * 3
    assert {len(axis) for axis in curves(rank(labels, scores))} == {(~np.isnan(labels)).sum()}


def test_resamples_without_a_class_are_nan_and_the_others_are_not() -> None:
    labels, scores = np.array([1.0, 0.0, 0.0]), np.array([0.2, 0.1, 0.3])
    weights = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 0]])
    auroc_R, ap_R = areas_of(rank(labels, scores), weights)
    assert auroc_R.tolist() == pytest.approx([0.5, np.nan, np.nan, np.nan], nan_ok=True)
    assert ap_R.tolist() == pytest.approx([0.5, 1.0, np.nan, np.nan], nan_ok=True)
