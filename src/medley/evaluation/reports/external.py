"""Scorers that live elsewhere, run on the reports that have a reference: their means stand beside our metrics.

One that fails does not take the scorecard with it: its metric is null, and the reason is what it said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation.clinical.external import ExternalScores, Pair, run_scorer
from medley.evaluation.statistics import Metric
from medley.evaluation.text.sections import joined

PREFIX = "external/"

External = Mapping[str, ExternalScores | str]  # name -> the scores of `pairs_of` the predictions, or why there are none


def pairs_of(predictions: Sequence[Prediction]) -> list[Pair]:
    """All sections joined, of the studies that have a reference."""
    pairs = [Pair(one.case_id, one.patient_id, joined(one.hypothesis), joined(one.reference)) for one in predictions]
    return [pair for pair in pairs if pair.reference]


def run_scorers(commands: Mapping[str, Sequence[str]], predictions: Sequence[Prediction]) -> External:
    """Run each command on all pairs, one after the other."""
    found: dict[str, ExternalScores | str] = {}
    for name, command in commands.items():
        try:
            found[name] = run_scorer(command, pairs_of(predictions))
        except MedleyError as error:
            found[name] = str(error)
    return found


def external_metrics(
    external: External, predictions: Sequence[Prediction], *, resamples: int, seed: int
) -> dict[str, Metric]:
    """`external/<name>/<score>` with patient-clustered intervals; one null, `external/<name>`, where it failed."""
    pairs, found = pairs_of(predictions), dict[str, Metric]()
    for name, of in external.items():
        if isinstance(of, str):
            found[PREFIX + name] = Metric(None, None, len(pairs), of)
        else:
            metrics = of.metrics([pair.patient_id for pair in pairs], resamples=resamples, seed=seed)
            found |= {f"{PREFIX}{name}/{score}": metric for score, metric in metrics.items()}
    return found


def external_by_report(external: External, predictions: Sequence[Prediction]) -> dict[str, np.ndarray]:
    """`external/<name>/<score>` -> the score of each report [N]; nan where it has none."""
    rows = {one.case_id: row for row, one in enumerate(predictions)}
    places = [rows[pair.case_id] for pair in pairs_of(predictions)]
    found = {}
    for name, of in external.items():
        for score, values in ({} if isinstance(of, str) else of.scores).items():
            found[f"{PREFIX}{name}/{score}"] = np.full(len(predictions), np.nan)
            found[f"{PREFIX}{name}/{score}"][places] = values
    return found
