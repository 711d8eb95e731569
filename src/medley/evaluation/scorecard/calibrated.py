"""Whether calibration made the probabilities more believable or less, in words: fitted on dev, it may do either."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from medley.core.counts import counted
from medley.evaluation.scorecard.card import LabelScores
from medley.evaluation.scorecard.findings_headline import averaged_labels
from medley.evaluation.scorecard.numbers import number


def calibration_said(scored: Mapping[str, LabelScores]) -> tuple[bool, str] | None:
    """(whether it made the calibration error larger, what it did in a sentence); None where nothing is calibrated.

    Both errors are means over the same labels: those of the averages that have a calibration.
    """
    pairs = []
    for label in averaged_labels(scored):
        of = scored[label].metrics
        if "ece_calibrated" in of and of["ece"].value is not None and of["ece_calibrated"].value is not None:
            pairs.append((of["ece"].value, of["ece_calibrated"].value))
    if not pairs:
        return None
    raw, calibrated = (round(float(np.mean(values)), 3) for values in zip(*pairs, strict=True))
    grown = sum(round(after, 3) > round(before, 3) for before, after in pairs)
    labels = f"{grown} of {counted(len(pairs), 'label')}"
    if calibrated > raw:
        follows = f"and larger for {labels}: on these studies the raw probabilities were nearer to what happened"
        return True, f"Calibration made the error larger here: {number(calibrated)}, raw {number(raw)}, {follows}."
    change = f"made the error smaller here: {number(calibrated)}, raw {number(raw)}"
    if calibrated == raw:
        change = f"left the error as it was: {number(calibrated)}"
    return False, f"Calibration {change}; it is larger for {labels}."
