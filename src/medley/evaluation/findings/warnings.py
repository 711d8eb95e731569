"""What a reader of a findings scorecard must know before quoting a number, one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from medley.core.counts import counted
from medley.core.records import Prediction
from medley.evaluation.classification import MIN_SUPPORT
from medley.evaluation.fitted.usable import Fits
from medley.evaluation.predictions.arrays import FUSED, Table
from medley.evaluation.scorecard.card import Protocol

MIN_RESAMPLES = 100  # two beyond each end of the interval


def warnings_of(
    predictions: Sequence[Prediction],
    tables: Mapping[str, Table],
    left_out: Mapping[str, str],
    protocol: Protocol,
    fits: Mapping[str, Fits],
) -> list[str]:
    """Labels left out, scores that say nothing, what nothing was fitted for, and what nobody stated."""
    truth, warnings = tables[FUSED], []
    if left_out:
        named = "; ".join(f"{name} ({why})" for name, why in left_out.items())
        warnings.append(f"left out of the averages for want of {MIN_SUPPORT} positives and negatives: {named}")
    known = {name for prediction in predictions for name, value in prediction.labels.items() if value is not None}
    if unscored := sorted(known - set(truth.names)):
        warnings.append(f"labelled but not scored, so in no number here: {', '.join(unscored)}")
    for head, table in tables.items():
        flat = [name for i, name in enumerate(table.names) if np.ptp(table.scores_NL[:, i]) == 0]
        if flat and len(predictions) > 1:
            warnings.append(f"head {head} gives every case the same score for {', '.join(flat)}")
    no_threshold = {head: of.no_threshold for head, of in fits.items()}
    no_calibration = {head: of.no_calibration for head, of in fits.items()}
    called = ("F1, precision, recall, specificity, MCC or accuracy", "threshold")
    warnings += _without(no_threshold, len(truth.names), *called)
    warnings += _without(no_calibration, len(truth.names), "calibrated probabilities", "calibration")
    without_images = sum(not prediction.images for prediction in predictions)
    if 0 < without_images < len(predictions):
        warnings.append(f"image level leaves out {counted(without_images, 'study')} whose prediction holds no images")
    of_reports = ("section", "text_cleaning")  # findings have neither
    if unstated := [name for name, value in asdict(protocol).items() if value is None and name not in of_reports]:
        warnings.append(f"the protocol does not state: {', '.join(unstated)}")
    return warnings


def few_resamples(resamples: int) -> list[str]:
    """What is said of intervals whose ends rest on too few resamples to be those of 95 %."""
    if not 0 < resamples < MIN_RESAMPLES:
        return []
    return [f"intervals of {counted(resamples, 'resample')}: too few to be 95 % intervals, which take {MIN_RESAMPLES}"]


def _without(missing: Mapping[str, Mapping[str, str]], n_labels: int, metrics: str, what: str) -> list[str]:
    """One line for all heads that lack the same labels for the same reasons."""
    heads: dict[str, list[str]] = {}
    for head, reasons in missing.items():
        if len(reasons) == n_labels and len(set(reasons.values())) == 1:
            heads.setdefault(f"no {metrics}: {next(iter(reasons.values()))}", []).append(head)
        elif reasons:
            named = "; ".join(f"{name} ({why})" for name, why in reasons.items())
            heads.setdefault(f"without a {what}, so in no {metrics}: {named}", []).append(head)
    return [f"{'head' if len(names) == 1 else 'heads'} {', '.join(names)}: {line}" for line, names in heads.items()]
