"""Intervals: patients are the unit, resamples are repeatable, and a missing interval has its reason."""

from __future__ import annotations

import time

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.evaluation.ranking import areas_of, auroc_of, average_precision_of, rank
from medley.evaluation.statistics import Metric, bootstrap, intervals, patient_weights, wilson, with_interval


def test_a_patient_is_drawn_with_all_studies() -> None:
    patients = [f"p{i // 3}" for i in range(30)]
    weights = patient_weights(patients, range(50), seed=1)
    assert weights.shape == (30, 50)
    assert (weights[0::3] == weights[1::3]).all()
    assert (weights[::3].sum(0) == 10).all()
    assert weights.std() > 0


def test_resamples_do_not_depend_on_the_chunks(monkeypatch) -> None:
    patients = [f"p{i}" for i in range(20)]
    whole = patient_weights(patients, range(10), seed=1)
    assert (patient_weights(patients, range(4, 10), seed=1) == whole[:, 4:]).all()
    assert (patient_weights(patients, range(10), seed=2) != whole).any()
    labels = np.arange(20.0) % 3 == 1
    ranking = rank(labels, np.sin(np.arange(20)))

    def statistics(weights: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(("auroc", "ap"), areas_of(ranking, weights), strict=True))

    at_once = bootstrap(statistics, patients, resamples=23, seed=1)
    for in_memory in (20, 60, 200):
        monkeypatch.setattr(intervals, "WEIGHTS_IN_MEMORY", in_memory)
        chunked = bootstrap(statistics, patients, resamples=23, seed=1)
        assert all((chunked[name] == values).all() for name, values in at_once.items())


def test_the_interval_of_a_mean_has_the_known_width_and_grows_with_clusters() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=200), 4)  # four equal studies a patient: no news after the first

    def mean(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": values @ weights / weights.sum(0)}

    def half_width(patients: list[str]) -> float:
        samples = bootstrap(mean, patients, resamples=1000, seed=3)["mean"]
        low, high = with_interval(values.mean(), samples, n=800, n_patients=200).ci95
        return (high - low) / 2

    by_patient = half_width([f"p{i // 4}" for i in range(800)])
    by_study = half_width([f"p{i}" for i in range(800)])
    assert by_patient == pytest.approx(1.96 * values.std() / np.sqrt(200), rel=0.1)
    assert by_patient == pytest.approx(2 * by_study, rel=0.1)


def test_coverage_of_the_auroc_interval() -> None:
    hits, truth = 0, 0.7602  # two normals one unit apart: Phi(1 / sqrt 2)
    for trial in range(60):
        rng = np.random.default_rng(trial)
        labels = (np.arange(150) < 50).astype(float)
        ranking = rank(labels, labels + rng.normal(size=150))
        samples = bootstrap(
            lambda w, r=ranking: {"auroc": auroc_of(r, w)}, [str(i) for i in range(150)], resamples=200, seed=trial
        )["auroc"]
        low, high = with_interval(float(auroc_of(ranking)), samples, n=150, n_patients=150).ci95
        hits += low <= truth <= high
    assert 52 <= hits <= 60  # 95 % of 60 is 57


def test_one_patient_has_a_value_and_no_interval() -> None:
    metric = with_interval(0.7, np.full(10, 0.7), n=5, n_patients=1)
    assert metric == Metric(0.7, None, 5, "no interval: one patient only")


def test_a_metric_that_most_resamples_cannot_compute_has_no_interval() -> None:
    samples = np.r_[np.full(90, 0.7), np.full(10, np.nan)]
    metric = with_interval(0.7, samples, n=5, n_patients=5)
    assert metric.ci95 is None
    assert "90 of 100 resamples" in str(metric.error)


def test_the_centred_interval_holds_its_value() -> None:
    rng = np.random.default_rng(1)
    samples = np.abs(rng.normal(0.05, 0.004, size=1000))  # ECE of resamples: biased upwards from 0.03
    plain = with_interval(0.03, samples, n=9, n_patients=9)
    centred = with_interval(0.03, samples, n=9, n_patients=9, centred=True)
    assert plain.ci95[0] > 0.03
    assert centred.ci95[0] < 0.03 < centred.ci95[1]
    assert centred.ci95[1] - centred.ci95[0] == pytest.approx(plain.ci95[1] - plain.ci95[0])


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],  # Newcombe 1998, table I, method 3
)
def test_wilson_against_newcombe(k: int, n: int, low: float, high: float) -> None:
    metric = wilson(k, n)
    assert metric.value == pytest.approx(k / n)
    assert metric.ci95 == pytest.approx((low, high), abs=1e-4)


def test_wilson_of_nothing_is_null() -> None:
    assert wilson(0, 0).value is None
    assert wilson(0, 0).error


def test_no_resamples_or_no_cases_is_an_error() -> None:
    with pytest.raises(MedleyError, match="at least 1"):
        bootstrap(lambda w: {"x": w[0]}, ["a", "b"], resamples=0, seed=1)
    with pytest.raises(MedleyError, match="no cases"):
        bootstrap(lambda w: {"x": w.sum(0)}, [], resamples=5, seed=1)


def test_a_corpus_score_is_resampled_from_the_sums_of_its_cases() -> None:
    """What needs no order only needs each case's own counts: F1 over a corpus, as a ratio of weighted sums."""
    rng = np.random.default_rng(0)
    counts_N3 = rng.poisson(2, size=(40, 3))  # hits, said, meant of each report
    patients = [f"p{i // 2}" for i in range(40)]

    def f1(weights: np.ndarray) -> dict[str, np.ndarray]:
        hits, said, meant = counts_N3.T @ weights
        return {"f1": 2 * hits / (said + meant), "sums": counts_N3.T @ weights}

    samples = bootstrap(f1, patients, resamples=30, seed=4)
    assert samples["sums"].shape == (3, 30)
    for r, weights in enumerate(patient_weights(patients, range(30), seed=4).T.astype(int)):
        hits, said, meant = np.repeat(counts_N3, weights, axis=0).sum(0)
        assert samples["f1"][r] == pytest.approx(2 * hits / (said + meant))


def test_a_thousand_resamples_of_600_by_14_take_seconds() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((600, 14)) < 0.3).astype(float)
    rankings = [rank(labels[:, i], rng.random(600)) for i in range(14)]

    def statistics(weights: np.ndarray) -> dict[int, np.ndarray]:
        return {i: auroc_of(r, weights) + average_precision_of(r, weights) for i, r in enumerate(rankings)}

    start = time.process_time()
    bootstrap(statistics, [str(i) for i in range(600)], resamples=1000, seed=1)
    assert time.process_time() - start < 5
