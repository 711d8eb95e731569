"""Calibration makes probabilities come true on other patients, never on those that it was fitted on."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss, roc_auc_score

from medley.core.errors import MedleyError
from medley.evaluation import classification as c
from medley.evaluation.fitted.calibration import Calibration, Sigmoid, Steps, fit_calibration, fit_curve

METHODS = ("temperature", "platt", "isotonic")


class Logits(ClassifierMixin, BaseEstimator):
    """A 'model' whose decision function is the logit itself."""

    classes_ = np.array([0, 1])

    def fit(self, x, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def decision_function(self, x):
        return x[:, 0]

    def predict(self, x):
        return (x[:, 0] > 0).astype(int)


def draw(seed: int, n: int = 2000, *, sharpness: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Outcomes of known probability, and scores that say it too sharply and shifted."""
    rng = np.random.default_rng(seed)
    truth = 1.5 * rng.normal(size=n) - 1
    return (rng.random(n) < expit(truth)).astype(float), expit(sharpness * truth + shift)


def test_platt_equals_scikit_learn() -> None:
    labels, scores = draw(0, sharpness=2.5, shift=1.0)
    x = logit(scores)[:, None]
    theirs = CalibratedClassifierCV(FrozenEstimator(Logits()), method="sigmoid", ensemble=False).fit(x, labels)
    ours = fit_curve(labels, scores, "platt")
    assert ours(scores) == pytest.approx(theirs.predict_proba(x)[:, 1], abs=1e-4)
    assert isinstance(ours, Sigmoid)
    assert (ours.slope, ours.intercept) == pytest.approx((1 / 2.5, -1 / 2.5), abs=0.1)  # what undoes the distortion


def test_temperature_has_the_least_log_loss_of_all_slopes() -> None:
    labels, scores = draw(1, sharpness=3.0)
    curve = fit_curve(labels, scores, "temperature")
    assert isinstance(curve, Sigmoid)
    assert curve.intercept == 0
    slopes = np.linspace(0.05, 3, 300)
    best = slopes[np.argmin([log_loss(labels, expit(slope * logit(scores))) for slope in slopes])]
    assert curve.slope == pytest.approx(best, abs=0.01)
    assert curve.slope == pytest.approx(1 / 3, abs=0.05)
    assert curve(np.array([0.5])) == 0.5  # a temperature moves no even odds


def test_isotonic_equals_scikit_learn_within_the_bounds_and_never_says_never() -> None:
    labels, scores = draw(2, sharpness=3.0, shift=-1.0)
    curve = fit_curve(labels, scores, "isotonic")
    positives, negatives = labels.sum(), (1 - labels).sum()
    low, high = 1 / (negatives + 2), (positives + 1) / (positives + 2)
    theirs = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip").fit(scores, labels)
    asked = np.r_[0, draw(3)[1], 1]
    assert curve(asked) == pytest.approx(theirs.predict(asked), abs=1e-12)
    assert curve(asked).min() == low
    assert curve(asked).max() == high


@pytest.mark.parametrize("method", METHODS)
def test_on_other_patients_the_probabilities_come_true(method: str) -> None:
    curve = fit_curve(*draw(4, sharpness=3.0), method)
    labels, scores = draw(5, sharpness=3.0)
    expected = c.ece_if_calibrated(labels, curve(scores))
    assert c.ece(labels, scores) > 3 * expected
    assert c.ece(labels, curve(scores)) < 2 * expected
    assert c.brier(labels[:, None], curve(scores)[:, None]) < c.brier(labels[:, None], scores[:, None])


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_the_order_of_the_cases_stays(method: str) -> None:
    labels, scores = draw(6, sharpness=0.3, shift=0.2)
    assert roc_auc_score(labels, fit_curve(labels, scores, method)(scores)) == roc_auc_score(labels, scores)


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_are_upside_down_become_the_prevalence_and_are_not_turned_round(method: str) -> None:
    labels, scores = draw(7)
    curve = fit_curve(labels, 1 - scores, method)
    assert np.ptp(curve(scores)) == pytest.approx(0, abs=1e-3)
    if method != "temperature":  # which can only answer even odds
        assert curve(scores).mean() == pytest.approx(labels.mean(), abs=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_separate_dev_do_not_teach_certainty(method: str) -> None:
    labels = np.r_[np.zeros(20), np.ones(10)]
    scores = np.r_[np.linspace(0.01, 0.3, 20), np.linspace(0.7, 0.99, 10)]
    said = fit_curve(labels, scores, method)(np.array([0.0, 0.005, 0.995, 1.0]))
    assert np.isfinite(said).all()
    assert (said > 0).all()
    assert (said < 1).all()


def test_reliability_bins_equal_scikit_learns_curve() -> None:
    labels, scores = draw(8, n=1500)
    said, happened, cases = c.reliability(labels, scores)
    theirs = calibration_curve(labels, scores, n_bins=15, strategy="quantile")
    assert happened == pytest.approx(theirs[0], abs=0.03)  # its quantiles may cut a case elsewhere
    assert said == pytest.approx(theirs[1], abs=0.01)
    assert sum(cases) == 1500
    assert np.average(np.abs(np.subtract(said, happened)), weights=cases) == pytest.approx(float(c.ece(labels, scores)))
    tied = c.reliability(np.array([0.0, 1.0, 1.0, 0.0, np.nan]), np.full(5, 0.25))
    assert tied == ((0.25,), (0.5,), (4,))


@pytest.mark.parametrize("method", METHODS)
def test_the_record_names_who_it_was_fitted_on_and_survives_json(make, method: str) -> None:
    dev = make(120, "dev")
    calibration = fit_calibration(dev, method)
    assert calibration.case_ids == tuple(p.case_id for p in dev)
    assert calibration.seen_in(["dev-patient3", "someone else"]) == ["dev-patient3"]
    again = Calibration.from_json(json.loads(json.dumps(calibration.to_json())))
    assert again == calibration
    scores = np.linspace(0, 1, 11).reshape(1, 11)
    assert (again.apply("fused", "Edema", scores) == calibration.apply("fused", "Edema", scores)).all()
    assert not np.allclose(calibration.apply("text_only", "Edema", scores), calibration.apply("fused", "Edema", scores))


def test_a_label_with_little_support_has_none_and_says_why(make) -> None:
    dev = [replace(p, labels={**p.labels, "Edema": 1}) for p in make(120, "dev")]
    flat = [replace(p, scores={**p.scores, "Atelectasis": 0.3}) for p in dev]
    calibration = fit_calibration(flat)
    for label, says in (
        ("Fracture", "positives and 1"),
        ("Edema", "120 positives and 0 negatives to fit a calibration on; it needs 10 of each"),
        ("Atelectasis", "are equal"),
        ("Mass", "no calibration was fitted for Mass of head fused"),
    ):
        curve, why = calibration.of("fused", label)
        assert curve is None
        assert says in str(why)
        with pytest.raises(MedleyError, match=f"{label} of head fused cannot be calibrated"):
            calibration.apply("fused", label, np.array([0.5]))
    assert calibration.of("image_only", "Atelectasis")[0] is not None


def test_a_temperature_that_cannot_mend_a_shift_says_so(make) -> None:
    dev = [replace(p, scores={name: 0.9 + s / 10 for name, s in p.scores.items()}) for p in make(120, "dev")]
    curve, why = fit_calibration(dev, "temperature").of("fused", "Edema")
    assert curve is None
    assert "platt" in str(why)
    moved, _ = fit_calibration(dev, "platt").of("fused", "Edema")
    known = [(p.scores["Edema"], p.labels["Edema"]) for p in dev if p.labels["Edema"] is not None]
    scores, labels = np.array(known).T
    assert moved is not None
    assert moved(scores).mean() == pytest.approx(labels.mean(), abs=0.01)


def test_an_unknown_method_is_refused_by_name(make) -> None:
    with pytest.raises(MedleyError, match="unknown method 'plat'; did you mean 'platt'"):
        fit_calibration(make(40), "plat")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"metod": 1}, "did you mean 'method'"),
        ({"method": "histogram"}, "method"),
        ({"curves": {"fused": {"Edema": {"slope": -1.0}}}}, "slope"),
        ({"curves": {"fused": {"Edema": {"scores": [0.5, 0.1], "probabilities": [0.1, 0.2]}}}}, "rising"),
        ({"curves": {"fused": {"Edema": {"scores": [0.5], "probabilities": [0.1, 0.2]}}}}, "rising"),
        ({"curves": {"fused": {"Edema": {"slope": float("inf")}}}}, "finite"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(make, change: dict, says: str) -> None:
    content = fit_calibration(make(40, "dev")).to_json() | change
    with pytest.raises(MedleyError, match=says) as error:
        Calibration.from_json(content, "run/calibration.json")
    assert str(error.value).startswith("run/calibration.json")
    assert "\n" not in str(error.value)
    with pytest.raises(MedleyError, match="it must be an object"):
        Calibration.from_json([], "run/calibration.json")


def test_a_lone_knot_is_a_constant() -> None:
    assert (Steps(scores=(0.4,), probabilities=(0.2,))(np.array([0.0, 0.4, 1.0])) == 0.2).all()
