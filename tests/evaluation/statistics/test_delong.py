"""DeLong against its definition over all pairs, the bootstrap over patients, and what it cannot say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from medley.core.errors import MedleyError
from medley.evaluation.ranking import auroc_of, rank
from medley.evaluation.statistics import delong, delong_test, patient_weights


def systems(n: int, seed: int = 0, decimals: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.4).astype(float)
    shared = rng.normal(size=n)
    return labels, *(np.round(k * labels + shared + rng.normal(size=n), decimals) for k in (1.2, 0.8))


def by_definition(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """(difference, covariance [2, 2]) from the m x n matrix of pairs (DeLong et al. 1988, equations 4 to 6)."""
    placements = []
    for scores in (first, second):
        x, y = scores[labels == 1][:, None], scores[labels == 0]
        won = (x > y) + 0.5 * (x == y)
        placements.append((won.mean(1), won.mean(0)))
    s10, s01 = (np.cov([placement[k] for placement in placements]) for k in (0, 1))
    covariance = s10 / (labels == 1).sum() + s01 / (labels == 0).sum()
    return placements[0][0].mean() - placements[1][0].mean(), covariance


@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_definition(seed: int, decimals: int) -> None:
    labels, first, second = systems(70, seed, decimals)
    difference, covariance = by_definition(labels, first, second)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    test = delong_test(labels, first, second)
    assert test.value == pytest.approx(difference, abs=1e-12)
    assert test.p == pytest.approx(2 * stats.norm.sf(abs(difference) / np.sqrt(variance)), rel=1e-9)
    assert test.ci95 == pytest.approx(difference + np.array([-1, 1]) * stats.norm.ppf(0.975) * np.sqrt(variance))
    alone = delong(labels, first)
    assert alone.value == pytest.approx(roc_auc_score(labels, first), abs=1e-12)
    assert alone.ci95[1] - alone.value == pytest.approx(stats.norm.ppf(0.975) * np.sqrt(covariance[0, 0]))


def test_one_case_a_patient_is_plain_delong_and_unknown_labels_are_left_out() -> None:
    labels, first, second = systems(60)
    patients = [f"p{i}" for i in range(60)]
    plain, clustered = delong_test(labels, first, second), delong_test(labels, first, second, patients)
    assert (clustered.value, clustered.p) == (plain.value, pytest.approx(plain.p, abs=1e-12))
    assert clustered.ci95 == pytest.approx(plain.ci95, abs=1e-12)
    some = labels.copy()
    some[::4] = np.nan
    known = ~np.isnan(some)
    assert delong_test(some, first, second) == delong_test(some[known], first[known], second[known])
    assert delong_test(some, first, second).n == known.sum()


def test_clustered_variance_is_that_of_the_bootstrap_over_patients() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(rng.random(100) < 0.4, 6).astype(float)
    patients = [f"p{i // 6}" for i in range(600)]
    of_patient = np.repeat(rng.normal(size=(2, 100)), 6, axis=1)  # a patient's studies are alike
    first, second = (labels + of_patient[k] + 0.5 * rng.normal(size=600) for k in (0, 1))
    weights = patient_weights(patients, range(1000), seed=0)
    values = [auroc_of(rank(labels, scores), weights) for scores in (first, second)]
    low, high = delong(labels, first, patients).ci95
    assert (high - low) / (2 * 1.96) == pytest.approx(values[0].std(), rel=0.1)
    low, high = delong_test(labels, first, second, patients).ci95
    assert (high - low) / (2 * 1.96) == pytest.approx((values[0] - values[1]).std(), rel=0.1)
    by_case = delong_test(labels, first, second).ci95
    assert high - low > 1.3 * (by_case[1] - by_case[0])


def test_studies_copied_within_a_patient_bring_no_news() -> None:
    labels, first, second = systems(80)
    once = delong_test(labels, first, second, [str(i) for i in range(80)])
    copied = (np.repeat(values, 5) for values in (labels, first, second))
    five = delong_test(*copied, [str(i // 5) for i in range(400)])
    assert five.ci95 == pytest.approx(once.ci95)
    assert five.p == pytest.approx(once.p)


def test_true_nulls_are_rejected_as_often_as_promised() -> None:
    p_values = []
    for trial in range(400):
        rng = np.random.default_rng(trial)
        labels = (np.arange(80) % 2).astype(float)
        shared = labels + rng.normal(size=80)
        p_values.append(delong_test(labels, *(shared + rng.normal(size=(2, 80)))).p)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_identical_systems_and_rising_transformations_have_p_1() -> None:
    labels, first, _ = systems(40)
    for other in (first, np.exp(first), 3 * first - 7):
        test = delong_test(labels, first, other)
        assert (test.value, test.ci95, test.p) == (0, (0, 0), 1)


def test_all_scores_equal() -> None:
    labels, flat = (np.arange(20) % 2).astype(float), np.full(20, 0.3)
    alone = delong(labels, flat)
    assert (alone.value, alone.ci95) == (0.5, None)
    assert alone.error == "no interval: every placement is the same"
    assert delong_test(labels, flat, flat).p == 1


def test_perfect_against_worst_has_no_spread_and_says_so() -> None:
    labels = np.r_[np.zeros(5), np.ones(5)]
    assert delong(labels, labels).value == 1
    assert delong(labels, labels).ci95 is None
    test = delong_test(labels, labels, -labels)
    assert (test.value, test.ci95, test.p) == (1, None, None)
    assert "no spread" in str(test.error)


@pytest.mark.parametrize(
    ("labels", "why"),
    [([0, 0, 0], "one class only"), ([1, 1, 1], "one class only"), ([np.nan] * 3, "no case with a known label")],
)
def test_one_class_is_null(labels: list[float], why: str) -> None:
    scores = np.array([0.1, 0.2, 0.3])
    assert (delong(labels, scores).value, delong(labels, scores).error) == (None, why)
    test = delong_test(labels, scores, scores)
    assert (test.value, test.p, test.error) == (None, None, why)


def test_one_positive_or_one_patient_has_a_value_and_no_interval() -> None:
    scores = np.array([0.4, 0.1, 0.5])
    alone = delong([1, 0, 0], scores)
    assert (alone.value, alone.ci95) == (0.5, None)
    assert "two patients with a positive" in str(alone.error)
    labels, first, second = systems(30)
    test = delong_test(labels, first, second, ["only"] * 30)
    assert test.value is not None
    assert (test.ci95, test.p) == (None, None)


def test_bad_input_is_refused() -> None:
    labels, first, second = systems(10)
    for bad in (np.nan, np.inf):
        with pytest.raises(MedleyError, match="finite"):
            delong_test(labels, np.where(np.arange(10) == 3, bad, first), second)
    with pytest.raises(MedleyError, match="0, 1 or nan"):
        delong(labels + 1, first)
    with pytest.raises(MedleyError, match="9 patient ids for 10 cases"):
        delong(labels, first, ["a"] * 9)
    with pytest.raises(MedleyError, match="shape"):
        delong_test(labels, first, second[:-1])
