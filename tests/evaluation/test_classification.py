"""Our metrics against scikit-learn's, with ties, weights, and what cannot be computed."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from medley.core.errors import MedleyError
from medley.evaluation import classification as c
from medley.evaluation.ranking import auroc, average_precision, curves, rank


def draw(seed: int, n: int = 300, tied: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.3).astype(float)
    scores = 1 / (1 + np.exp(-(labels + rng.normal(size=n))))
    return labels, np.round(scores, 1) if tied else scores


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_auroc_and_average_precision_equal_scikit_learn(seed: int, tied: bool) -> None:
    labels, scores = draw(seed, tied=tied)
    assert auroc(labels, scores) == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(labels, scores) == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("tied", [False, True])
def test_integer_weights_are_repeated_cases(tied: bool) -> None:
    labels, scores = draw(1, tied=tied)
    weights = np.random.default_rng(2).integers(0, 4, size=(len(labels), 3))
    ours = (auroc(labels, scores, weights), average_precision(labels, scores, weights))
    for row, w in enumerate(weights.T):
        repeated = np.repeat(np.arange(len(labels)), w)
        assert ours[0][row] == pytest.approx(sk.roc_auc_score(labels[repeated], scores[repeated]), abs=1e-12)
        assert ours[1][row] == pytest.approx(sk.average_precision_score(labels[repeated], scores[repeated]), abs=1e-12)
        brier = c.brier(labels[:, None], scores[:, None], weights)[0, row]
        assert brier == pytest.approx(sk.brier_score_loss(labels[repeated], scores[repeated]), abs=1e-12)
        counts = c.confusion(labels[:, None], scores[:, None], np.array([0.5]), weights)
        y, called = labels[repeated], scores[repeated] >= 0.5
        for name, theirs in (
            ("f1", sk.f1_score(y, called)),
            ("precision", sk.precision_score(y, called)),
            ("recall", sk.recall_score(y, called)),
            ("specificity", sk.recall_score(1 - y, ~called)),
            ("mcc", sk.matthews_corrcoef(y, called)),
            ("accuracy", sk.accuracy_score(y, called)),
        ):
            assert getattr(counts, name)()[0, row] == pytest.approx(theirs, abs=1e-12), name
            weighted = {"precision": sk.precision_score, "recall": sk.recall_score, "mcc": sk.matthews_corrcoef}
            if name in weighted:
                by_weight = weighted[name](labels, scores >= 0.5, sample_weight=w)
                assert getattr(counts, name)()[0, row] == pytest.approx(by_weight, abs=1e-12), name
        bins, total = c.equal_mass_bins(rank(labels, scores)), 0.0
        order = rank(labels, scores).cases_K
        for number in range(c.ECE_BINS):  # the bins of all cases, whatever the weights
            inside = order[bins == number]
            total += abs((w[inside] * (scores - labels)[inside]).sum())
        assert c.ece(labels, scores, weights)[row] == pytest.approx(total / w.sum(), abs=1e-12)


def test_scores_that_differ_by_little_are_no_ties() -> None:
    labels, scores = np.array([0.0, 1.0]), np.array([0.1, 0.1 + 1e-15])
    assert auroc(labels, scores) == 1.0
    assert auroc(labels, scores[::-1]) == 0.0


def test_unknown_labels_are_left_out_and_not_negative() -> None:
    labels, scores = draw(3)
    labels[::3] = np.nan
    known = ~np.isnan(labels)
    assert auroc(labels, scores) == auroc(labels[known], scores[known])
    assert c.ece(labels, scores) == pytest.approx(c.ece(labels[known], scores[known]), abs=1e-12)
    counts = c.confusion(labels[:, None], scores[:, None], np.array([0.5]))
    assert counts.tp + counts.fp + counts.fn + counts.tn == known.sum()


def test_pooled_labels_are_micro() -> None:
    labels, scores = np.stack([draw(4)[0], draw(5)[0]], 1), np.stack([draw(4)[1], draw(5)[1]], 1)
    assert auroc(labels, scores) == pytest.approx(sk.roc_auc_score(labels.ravel(), scores.ravel()), abs=1e-12)
    weights = np.random.default_rng(0).integers(0, 3, size=len(labels))
    repeated = np.repeat(np.arange(len(labels)), weights)
    theirs = sk.roc_auc_score(labels[repeated].ravel(), scores[repeated].ravel())
    assert auroc(labels, scores, weights) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("labels", [np.zeros(4), np.ones(4), np.full(4, np.nan), np.zeros(0)])
def test_one_class_or_none_is_nan_and_not_a_number(labels: np.ndarray) -> None:
    scores = np.linspace(0, 1, len(labels))
    assert np.isnan(auroc(labels, scores))
    assert np.isnan(average_precision(labels, scores)) == (not (labels == 1).any())


def test_all_scores_equal() -> None:
    labels = np.array([0.0, 1.0, 0.0, 1.0, 0.0])
    scores = np.full(5, 0.4)
    assert auroc(labels, scores) == 0.5
    assert average_precision(labels, scores) == pytest.approx(0.4)
    assert c.ece(labels, scores) == pytest.approx(0.0, abs=1e-12)  # said 0.4, happened 2 in 5: ties share a bin


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(score: float) -> None:
    with pytest.raises(MedleyError, match="finite"):
        auroc(np.array([0.0, 1.0]), np.array([score, 0.5]))


@pytest.mark.parametrize("label", [-1, 2, 0.5])
def test_labels_outside_the_set_are_refused(label: float) -> None:
    with pytest.raises(MedleyError, match="0, 1 or nan"):
        auroc(np.array([label, 1.0]), np.array([0.1, 0.5]))


def test_curves_have_the_area_of_the_metrics() -> None:
    labels, scores = draw(6, tied=True)
    false_alarms, recall, precision, thresholds = curves(rank(labels, scores))
    assert np.trapezoid(np.r_[0, recall], np.r_[0, false_alarms]) == pytest.approx(float(auroc(labels, scores)))
    assert (np.diff(np.r_[0, recall]) * precision).sum() == pytest.approx(float(average_precision(labels, scores)))
    called = scores >= thresholds[3]
    assert recall[3] == pytest.approx(labels[called].sum() / labels.sum())


def test_ece_by_hand_and_in_any_row_order() -> None:
    scores = np.repeat([0.1, 0.9], 30)
    labels = np.r_[np.repeat([1.0, 0.0], [6, 24]), np.repeat([1.0, 0.0], [24, 6])]  # said 0.1, 0.9; happened 0.2, 0.8
    assert c.ece(labels, scores) == pytest.approx(0.1)
    order = np.random.default_rng(0).permutation(60)
    assert c.ece(labels[order], scores[order]) == pytest.approx(0.1)


def test_bins_hold_equal_mass() -> None:
    labels, scores = draw(7, n=300)
    assert set(np.bincount(c.equal_mass_bins(rank(labels, scores)))) == {20}


def test_calibrated_reference_is_what_a_calibrated_model_shows_and_less_than_an_overconfident_one() -> None:
    rng = np.random.default_rng(8)
    chance = rng.random(2000)
    labels = (rng.random(2000) < chance).astype(float)
    reference = c.ece_if_calibrated(labels, chance, 1)
    assert c.ece(labels, chance) == pytest.approx(reference, abs=0.01)
    assert 0.01 < reference < 0.05
    overconfident = np.where(chance > 0.5, 0.99, 0.01)
    assert c.ece(labels, overconfident) > 5 * c.ece_if_calibrated(labels, overconfident, 1)
    assert c.ece_if_calibrated(labels, chance, 1) == reference


def test_macro_needs_ten_of_each_and_leaves_no_finding_out() -> None:
    labels = np.zeros((40, 5))
    labels[:10, 0], labels[:9, 1], labels[:31, 2], labels[:10, 3], labels[:20, 4] = 1, 1, 1, 1, 1
    columns, left_out = c.macro_labels(labels, ("Edema", "Fracture", "Mass", "Nodule", "No Finding"))
    assert columns == [0, 3]
    assert left_out == {"Fracture": "9 positives, 31 negatives", "Mass": "31 positives, 9 negatives"}


@pytest.mark.parametrize(
    ("labels", "called", "undefined"),
    [
        ([0, 0, 1], [0, 0, 0], {"precision", "mcc"}),  # nothing is called: precision is not 0
        ([0, 0, 1], [1, 1, 1], {"mcc"}),
        ([0, 0, 0], [0, 1, 0], {"f1", "recall", "mcc"}),
        ([1, 1, 1], [0, 1, 0], {"specificity", "mcc"}),
        ([1, 0, 1], [1, 0, 0], set()),
    ],
)
def test_what_is_not_defined_is_nan_and_never_0(labels: list, called: list, undefined: set) -> None:
    counts = c.confusion(np.array(labels)[:, None], np.array(called)[:, None], np.array([0.5]))
    names = ("f1", "precision", "recall", "specificity", "mcc")
    assert {name for name in names if np.isnan(getattr(counts, name)()[0])} == undefined


def test_images_of_one_study_weigh_as_often_as_the_study_is_drawn() -> None:
    labels, scores = draw(9, n=100)
    study = np.repeat(np.arange(50), 2)
    weights = np.random.default_rng(1).integers(0, 4, size=(50, 3))
    ours = c.ece_of(rank(labels, scores, study), weights)
    assert ours == pytest.approx(c.ece(labels, scores, weights[study]), abs=1e-12)


def test_a_threshold_that_is_not_set_counts_nothing() -> None:
    counts = c.confusion(np.ones((3, 2)), np.ones((3, 2)), np.array([0.5, np.nan]))
    assert counts.f1()[0] == 1
    assert np.isnan(counts.f1()[1])
