"""Scores of single reports as the scorecards hold them: what cannot be read off the texts here is still compared.

METEOR needs WordNet, BERTScore an encoder, and a scorer of others its own environment; the mean of `by_report.csv`
needs nothing. A metric is taken from there where both systems have it; its mean must be the scorecard's value.

Shapes: S studies.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping

import numpy as np

from medley.core.errors import MedleyError
from medley.evaluation.compare.systems import System

FILE = "by_report.csv"

Scores = Mapping[str, np.ndarray]  # name as in a scorecard -> scores of the studies [S], nan where one has none


def read_by_report(system: System) -> Scores:
    """The scores beside a scorecard, in the order of its predictions; empty where there are none.

    Raises MedleyError where they are of other cases, or no numbers.
    """
    path = system.path.parent / FILE
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row.get("case_id"): row for row in csv.DictReader(file)}
    if set(rows) != {one.case_id for one in system.predictions}:
        raise MedleyError(f"{path} is not of the cases of the predictions beside it; score again")
    names = [name for name in next(iter(rows.values())) if name not in (None, "case_id")]
    try:
        return {
            name: np.array([float(rows[one.case_id][name] or math.nan) for one in system.predictions]) for name in names
        }
    except (TypeError, ValueError) as error:
        raise MedleyError(f"{path} holds something that is no number ({error}); score again") from error
