"""Calibration: from a score to a probability that comes true as often as it says. Fitted on the dev part only.

    temperature   sigmoid(slope * logit(score))               Guo et al. 2017, one label at a time; slope = 1 / T
    platt         sigmoid(slope * logit(score) + intercept)   Platt 1999
    isotonic      the best rising steps, joined by lines      Zadrozny and Elkan 2002

Departures: the slope is never negative, for a higher score must not mean a lower probability; and all three learn
towards Platt's targets (positives + 1) / (positives + 2) and 1 / (negatives + 2) instead of 1 and 0, so that a dev
part which the scores happen to separate does not teach certainty. None changes the order of the cases (isotonic makes
ties), so AUROC and the thresholds rest on the raw scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Discriminator, Field, FiniteFloat, Tag

from medley.core.config import Config
from medley.core.counts import counted
from medley.core.errors import MedleyError, nearest
from medley.core.records import Prediction
from medley.evaluation.classification import MIN_SUPPORT, support
from medley.evaluation.fitted.record import FittedOnDev, ids_of
from medley.evaluation.predictions.arrays import Table, head_tables
from medley.evaluation.ranking import check

TINY = 1e-7  # scores are held this far from 0 and 1, whose logit is infinite
SLOPE = 50.0  # the steepest slope: beyond it every score is 0 or 1 to seven digits
FLAT = 1e-3  # a slope below this makes all scores equal

Method = Literal["temperature", "platt", "isotonic"]


class Sigmoid(Config):
    """sigmoid(slope * logit(score) + intercept)."""

    slope: FiniteFloat = Field(ge=0)
    """1 / temperature; below 1 the raw scores were too sure."""
    intercept: FiniteFloat = 0.0
    """Moves every probability towards the dev part's share of positives; 0 for temperature."""

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return _sigmoid(self.slope * _logit(scores) + self.intercept)


class Steps(Config):
    """Straight lines between rising knots; flat outside of them."""

    scores: tuple[FiniteFloat, ...] = Field(min_length=1)
    """Scores of the knots, rising."""
    probabilities: tuple[FiniteFloat, ...] = Field(min_length=1)
    """Probabilities of the knots, never falling."""

    def model_post_init(self, _: Any) -> None:
        falls = np.any(np.diff(self.scores) < 0) or np.any(np.diff(self.probabilities) < 0)
        if len(self.scores) != len(self.probabilities) or falls:
            raise ValueError("the knots must be as many scores as probabilities, both rising")

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        return np.interp(scores, self.scores, self.probabilities)


def _kind(curve: Any) -> str:
    """Which of the two a plain dict means, so that an error is told in its terms alone."""
    steps = "scores" in curve if isinstance(curve, Mapping) else isinstance(curve, Steps)
    return "steps" if steps else "sigmoid"


Curve = Annotated[Annotated[Sigmoid, Tag("sigmoid")] | Annotated[Steps, Tag("steps")], Discriminator(_kind)]


class Calibration(FittedOnDev):
    """The content of `calibration.json`: a curve for each head and label."""

    method: Method
    """How the curves were fitted."""
    curves: dict[str, dict[str, Curve | None]]
    """head -> label -> the curve from score to probability; null where none could be fitted."""
    reasons: dict[str, dict[str, str]]
    """head -> label -> why there is none."""

    def of(self, head: str, label: str) -> tuple[Curve | None, str | None]:
        """(curve, None), or (None, the reason)."""
        if head not in self.curves or label not in self.curves[head]:
            return None, f"no calibration was fitted for {label} of head {head}"
        curve = self.curves[head][label]
        return curve, None if curve else self.reasons.get(head, {}).get(label, "no calibration was fitted")

    def apply(self, head: str, label: str, scores: np.ndarray) -> np.ndarray:
        """Probabilities of these raw scores, in their shape; a MedleyError that says why where there is no curve."""
        curve, why = self.of(head, label)
        if curve is None:
            raise MedleyError(f"{label} of head {head} cannot be calibrated: {why}")
        return curve(np.asarray(scores, float))

    @classmethod
    def from_json(cls, content: Any, where: str = "calibration.json") -> Calibration:
        """The record from `to_json`'s dict. Raises MedleyError naming `where`, the key and the rule."""
        return super().from_json(content, where)


def fit_calibration(predictions: Sequence[Prediction], method: Method = "platt") -> Calibration:
    """A calibration of every head and label on these predictions: give it the dev part.

    A label with fewer than 10 positives or 10 negatives, or whose scores are all equal, gets none, with the reason.
    Raises MedleyError for an unknown method and for predictions that do not form a table (see `predictions.arrays`).
    """
    if method not in get_args(Method):
        raise MedleyError(f"calibration: unknown method '{method}'{nearest(method, get_args(Method))}")
    curves: dict[str, dict[str, Curve | None]] = {}
    reasons: dict[str, dict[str, str]] = {}
    for head, table in head_tables(predictions).items():
        curves[head], reasons[head] = _fit_head(table, method)
    return Calibration(method=method, curves=curves, reasons=reasons, **ids_of(predictions))


def _fit_head(table: Table, method: Method) -> tuple[dict[str, Curve | None], dict[str, str]]:
    labels_NL, scores_NL = check(table.labels_NL, table.scores_NL)
    positives_L, negatives_L, _ = support(labels_NL)
    curves: dict[str, Curve | None] = {}
    reasons: dict[str, str] = {}
    for column, label in enumerate(table.names):
        known = ~np.isnan(labels_NL[:, column])
        labels_N, scores_N = labels_NL[known, column], scores_NL[known, column]
        curves[label] = None
        if min(positives_L[column], negatives_L[column]) < MIN_SUPPORT:
            counts = f"{counted(positives_L[column], 'positive')} and {counted(negatives_L[column], 'negative')}"
            reasons[label] = f"{counts} to fit a calibration on; it needs {MIN_SUPPORT} of each"
        elif np.ptp(scores_N) == 0:
            reasons[label] = "all scores that a calibration could be fitted on are equal"
        else:
            curve = fit_curve(labels_N, scores_N, method)
            if method == "temperature" and isinstance(curve, Sigmoid) and curve.slope < FLAT:
                reasons[label] = "no temperature mends these scores: all would become even odds; platt can shift them"
            else:
                curves[label] = curve
    return curves, reasons


def fit_curve(labels_N: np.ndarray, scores_N: np.ndarray, method: Method) -> Curve:
    """The curve of one label from labels of 0 and 1 and scores in [0, 1]; both classes must be there."""
    positives, negatives = (labels_N == 1).sum(), (labels_N == 0).sum()
    low, high = 1 / (negatives + 2), (positives + 1) / (positives + 2)
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=low, y_max=high, out_of_bounds="clip").fit(scores_N, labels_N)
        return Steps(scores=tuple(fitted.X_thresholds_), probabilities=tuple(fitted.y_thresholds_))
    return _fit_sigmoid(_logit(scores_N), np.where(labels_N == 1, high, low), intercept=method == "platt")


def _fit_sigmoid(logits_N: np.ndarray, targets_N: np.ndarray, *, intercept: bool) -> Sigmoid:
    """The slope (and intercept) of the least log loss, which is convex in both."""
    from scipy.optimize import minimize

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        z_N = at[0] * logits_N + at[1]
        residual_N = _sigmoid(z_N) - targets_N
        value = (np.logaddexp(0, z_N) - targets_N * z_N).mean()
        return value, np.array([(residual_N * logits_N).mean(), residual_N.mean()])

    bounds = [(0, SLOPE), (None, None) if intercept else (0, 0)]
    found = minimize(
        loss, (1.0, 0.0), jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9}
    )
    return Sigmoid(slope=float(found.x[0]), intercept=float(found.x[1]))


def _logit(scores: np.ndarray) -> np.ndarray:
    held = np.clip(scores, TINY, 1 - TINY)
    return np.log(held / (1 - held))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(logits / 2))  # never overflows
