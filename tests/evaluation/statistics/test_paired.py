"""Paired tests against brute force and scipy, and what they say of systems that are alike, apart, or not comparable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from medley.core.errors import MedleyError
from medley.evaluation.ranking import areas_of, rank
from medley.evaluation.statistics import bootstrap, paired, paired_differences, permutation_test


def systems(n: int, seed: int = 0, apart: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and the scores of two systems of which the first is better by `apart`."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 3 == 0).astype(float)
    shared = rng.normal(size=n)
    first, second = (k * labels + shared + rng.normal(size=n) for k in (1 + apart, 1))
    return labels, np.round(first, 1), np.round(second, 1)


def areas(labels: np.ndarray, *scores: np.ndarray) -> Callable[[np.ndarray], Mapping[str, np.ndarray]]:
    """AUROC and AP of one system, or of the pooled rows of two."""
    ranking = rank(np.tile(labels, len(scores)), np.concatenate(scores))
    return lambda weights: dict(zip(("auroc", "ap"), areas_of(ranking, weights), strict=True))


def means(values: np.ndarray) -> Callable[[np.ndarray], Mapping[str, np.ndarray]]:
    return lambda weights: {"mean": values @ weights / weights.sum(0)}


def by_brute_force(labels: np.ndarray, first: np.ndarray, second: np.ndarray, patients: Sequence[Any]) -> dict:
    """metric -> (p, smallest p) over every exchange, with scikit-learn."""
    names, patient = np.unique(patients, return_inverse=True)
    found = {}
    for metric, of in (("auroc", roc_auc_score), ("ap", average_precision_score)):
        sizes = []
        for exchange in product((False, True), repeat=len(names)):
            swap = np.array(exchange)[patient]
            ours, theirs = np.where(swap, second, first), np.where(swap, first, second)
            sizes.append(abs(of(labels, ours) - of(labels, theirs)))
        sizes = np.array(sizes)
        found[metric] = (sizes >= sizes[0] - 1e-12).mean(), (sizes >= sizes.max() - 1e-12).mean()
    return found


@pytest.mark.parametrize("seed", range(2))
def test_few_patients_are_enumerated_and_equal_brute_force(seed: int) -> None:
    labels, first, second = systems(11, seed, apart=1.0)
    patients = [f"p{i // 2}" for i in range(11)]  # 6 patients: 64 exchanges
    tests = permutation_test(areas(labels, first, second), patients, permutations=1000, seed=1)
    for metric, (p, smallest) in by_brute_force(labels, first, second, patients).items():
        assert tests[metric].exact
        assert tests[metric].seed is None
        assert tests[metric].exchanges == 32  # the other half turns the sign only
        assert (tests[metric].p, tests[metric].smallest_p) == (pytest.approx(p), pytest.approx(smallest))


def test_a_sample_of_exchanges_comes_near_the_exact_p(monkeypatch) -> None:
    labels, first, second = systems(24, seed=5, apart=0.5)
    patients = [f"p{i // 2}" for i in range(24)]
    exact = permutation_test(areas(labels, first, second), patients, permutations=2**11, seed=1)
    sampled = permutation_test(areas(labels, first, second), patients, permutations=2**11 - 1, seed=1)
    for metric, test in sampled.items():
        assert (exact[metric].exact, test.exact) == (True, False)
        assert (test.exchanges, test.seed) == (2048, 1)  # the observed one is counted
        assert test.p == pytest.approx(exact[metric].p, abs=0.03)
    monkeypatch.setattr(paired, "WEIGHTS_IN_MEMORY", 4 * 24 * 100)
    assert permutation_test(areas(labels, first, second), patients, permutations=2**11 - 1, seed=1) == sampled
    other = permutation_test(areas(labels, first, second), patients, permutations=2**11 - 1, seed=2)
    assert other["auroc"].p != sampled["auroc"].p


def test_the_mean_of_one_case_a_patient_equals_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.6, 1, size=11), rng.normal(size=11)
    theirs = stats.permutation_test((first, second), lambda a, b: (a - b).mean(), permutation_type="samples")
    ours = permutation_test(means(np.r_[first, second]), [str(i) for i in range(11)], permutations=5000, seed=0)
    assert ours["mean"].exact
    assert ours["mean"].p == pytest.approx(theirs.pvalue)


def test_no_p_is_zero_and_the_smallest_is_told() -> None:
    labels, first, second = systems(300, apart=8.0)
    second = -second
    test = permutation_test(areas(labels, first, second), [str(i) for i in range(300)], permutations=199, seed=0)
    assert test["auroc"].p == test["auroc"].smallest_p == 1 / 200
    five = permutation_test(means(np.r_[np.ones(5), np.zeros(5)]), list("abcde"), permutations=10_000, seed=0)["mean"]
    assert five.p == five.smallest_p == 2 / 2**5  # five patients cannot be significant at 0.05


def test_patients_whose_answers_are_the_same_do_not_help_to_a_small_p() -> None:
    values = np.zeros(200)
    values[:3] = 1  # the systems differ in 3 of 100 patients
    test = permutation_test(means(values), [str(i) for i in range(100)], permutations=2000, seed=0)["mean"]
    assert test.smallest_p == pytest.approx(2 / 2**3, abs=0.03)
    assert test.p == test.smallest_p


def test_studies_of_a_patient_are_exchanged_together() -> None:
    rng = np.random.default_rng(2)
    luck = np.repeat(rng.normal(0.4, 1, size=8), 25)  # each patient's 25 studies favour the same system
    values = np.r_[luck, np.zeros(200)]
    by_patient = permutation_test(means(values), [str(i // 25) for i in range(200)], permutations=1000, seed=0)["mean"]
    by_study = permutation_test(means(values), [str(i) for i in range(200)], permutations=1000, seed=0)["mean"]
    share = np.mean([abs(np.dot(signs, luck[::25])) >= abs(luck[::25].sum()) for signs in product((-1, 1), repeat=8)])
    assert by_patient.p == pytest.approx(share)
    assert by_study.p < by_patient.p / 3


def test_true_nulls_are_rejected_as_often_as_promised() -> None:
    p_values = []
    for trial in range(150):
        rng = np.random.default_rng(trial)
        labels = (np.arange(40) % 2).astype(float)
        shared, own = np.repeat(rng.normal(size=20), 2), rng.normal(size=(2, 40))
        pooled = areas(labels, *(labels + shared + own))
        patients = [str(i // 2) for i in range(40)]
        p_values.append(permutation_test(pooled, patients, permutations=99, seed=trial)["auroc"].p)
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("patients", [["a"] * 12, [str(i // 2) for i in range(12)], [str(i) for i in range(12)]])
def test_identical_systems(patients: list[str]) -> None:
    labels, first, _ = systems(12)
    tests = permutation_test(areas(labels, first, first), patients, permutations=50, seed=0)
    differences = paired_differences(areas(labels, first), areas(labels, first), patients, resamples=200, seed=0)
    if len(set(patients)) == 1:
        assert {(test.p, test.error) for test in tests.values()} == {
            (None, "one patient only: there is nothing to exchange")
        }
        assert differences["auroc"].error == "no interval: one patient only"
    else:
        assert {(test.p, test.smallest_p) for test in tests.values()} == {(1, 1)}
    assert differences["auroc"].value == 0


def test_one_class_is_null_and_not_zero() -> None:
    _, first, second = systems(12)
    labels, patients = np.zeros(12), [str(i) for i in range(12)]
    test = permutation_test(areas(labels, first, second), patients, permutations=50, seed=0)["auroc"]
    assert (test.p, test.smallest_p, test.error) == (None, None, "not defined for both systems")
    found = paired_differences(areas(labels, first), areas(labels, second), patients, resamples=50, seed=0)["auroc"]
    assert (found.value, found.ci95, found.error) == (None, None, "not defined for either system")


def test_all_scores_equal_is_no_difference() -> None:
    labels = (np.arange(30) % 2).astype(float)
    patients = [str(i) for i in range(30)]
    tests = permutation_test(areas(labels, np.full(30, 0.5), np.full(30, 0.5)), patients, permutations=50, seed=0)
    assert tests["auroc"].p == 1


def test_exchanges_that_leave_nothing_to_compute_count_as_large_or_void_the_test() -> None:
    calls = np.r_[np.ones(15), np.zeros(5), np.zeros(10), np.ones(10)]  # the first calls 15 of 20 cases, the second 10

    def called(at_least: int) -> Callable[[np.ndarray], Mapping[str, np.ndarray]]:
        return lambda weights: {"called": np.where(calls @ weights >= at_least, calls @ weights, np.nan)}

    def p_of(at_least: int) -> paired.PermutationTest:
        return permutation_test(called(at_least), [str(i) for i in range(20)], permutations=999, seed=0)["called"]

    always, rarely_not, often_not = p_of(0), p_of(9), p_of(10)
    assert rarely_not.p == always.p  # whoever calls less than 9 leaves more than 16 to the other: a large difference
    assert rarely_not.smallest_p > always.smallest_p
    assert (often_not.p, often_not.smallest_p) == (None, None)
    assert "of 1000 exchanges only" in str(often_not.error)
    assert p_of(11).error == "not defined for both systems"


def test_the_difference_is_paired_and_its_interval_that_of_the_same_resamples() -> None:
    labels, first, second = systems(150, apart=0.5)
    patients = [str(i // 2) for i in range(150)]
    of_first, of_second = areas(labels, first), areas(labels, second)
    found = paired_differences(of_first, of_second, patients, resamples=300, seed=3)
    by_hand = [bootstrap(of, patients, resamples=300, seed=3)["auroc"] for of in (of_first, of_second)]
    assert found["auroc"].ci95 == pytest.approx(np.percentile(by_hand[0] - by_hand[1], (2.5, 97.5)))
    assert found["auroc"].value == pytest.approx(roc_auc_score(labels, first) - roc_auc_score(labels, second))
    apart = paired_differences(of_first, of_first, patients, resamples=300, seed=3)["ap"]
    assert (apart.value, apart.ci95) == (0, (0, 0))


def test_bad_numbers_of_permutations_and_scores_are_refused() -> None:
    labels, first, second = systems(12)
    with pytest.raises(MedleyError, match="permutations is 0; it must be at least 1"):
        permutation_test(areas(labels, first, second), ["a"] * 12, permutations=0, seed=0)
    with pytest.raises(MedleyError, match="finite"):
        areas(labels, first, np.full(12, np.nan))
