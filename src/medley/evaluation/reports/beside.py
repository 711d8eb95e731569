"""Other answers to the same cases beside the system's: floors, which it should be above, and ceilings.

All of them and the system see one set of resamples, so every difference is paired: `minus_<name>/<metric>` is the
system minus that answer. Each is read with the system's truth; a file of answers needs none of its own.

Shapes: N studies, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation import statistics
from medley.evaluation.floors.paired import in_order_of
from medley.evaluation.reports.statistics import ReportStatistics
from medley.evaluation.reports.tasks import CHEST
from medley.evaluation.scorecard.report_headline import DELTA
from medley.evaluation.scorecard.report_kinds import kind_of
from medley.evaluation.scorecard.report_words import BESIDE
from medley.evaluation.statistics import NO_RESAMPLES, Metric, with_interval

Answers = Mapping[str, Sequence[Prediction]]  # name -> predictions of the system's own cases
Read = Callable[[Sequence[Prediction]], ReportStatistics]


@dataclass(frozen=True)
class Beside:
    """What each other answer scored: `<name>/<metric>` and `minus_<name>/<metric>`, and its bare values by name."""

    values: dict[str, dict[str, float | None]] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)


def compared(metrics: Mapping[str, Metric], task: str = CHEST) -> list[str]:
    """Those of a system's metrics that its floors are asked for: what it says, and likeness of words by section."""
    prefixes = dict.fromkeys(name.rpartition("/")[0] for name in metrics)
    names = [*kind_of(task).asked, *(f"{prefix}/{name}" if prefix else name for prefix in prefixes for name in BESIDE)]
    return [name for name in names if name in metrics]


def score_beside(
    predictions: Sequence[Prediction],
    system: ReportStatistics,
    measured: Mapping[str, Metric],
    answers: Answers,
    read: Read,
    *,
    resamples: int,
    seed: int,
) -> Beside:
    """Score `answers`, which `read` reads as it read the system; `measured` are the system's own metrics.

    Raises MedleyError, by name, where an answer is not of the same cases or brings another truth.
    """
    found = Beside()
    others = {name: read(_with_truth(predictions, name, lines)) for name, lines in answers.items()}
    of_others = {name: of.metrics(resamples=0, seed=seed) for name, of in others.items()}
    names = compared(measured, predictions[0].task)

    def of_weights(weights_NR: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        ours, nothing_R = system.weighted(weights_NR), np.full(weights_NR.shape[1], np.nan)
        values: dict[tuple[str, str], np.ndarray] = {}
        for other, of in others.items():
            theirs = of.weighted(weights_NR)
            for name in names:
                their_R = theirs.get(name, nothing_R)
                values[f"{other}/", name] = their_R
                values[f"{DELTA}{other}/", name] = ours.get(name, nothing_R) - their_R
        return values

    drawn = resamples > 0 and bool(others)
    samples = statistics.bootstrap(of_weights, system.patient_ids, resamples=resamples, seed=seed) if drawn else {}
    patients = len(set(system.patient_ids))
    for other, theirs in of_others.items():
        found.values[other] = {}
        for name in names:
            ours, own = measured[name], theirs.get(name) or Metric(None, None, 0, "it does not write this section")
            less = Metric(None, None, own.n, ours.error if ours.value is None else f"{other}: {own.error}")
            if ours.value is not None and own.value is not None:
                less = replace(own, value=ours.value - own.value)
            for prefix, metric in ((f"{other}/", own), (f"{DELTA}{other}/", less)):
                found.metrics[prefix + name] = _with_interval(metric, samples.get((prefix, name)), patients)
            found.values[other][name] = own.value
    return found


def _with_interval(metric: Metric, samples_R: np.ndarray | None, patients: int) -> Metric:
    if metric.value is None:
        return metric
    if samples_R is None:
        return replace(metric, error=NO_RESAMPLES)
    return with_interval(metric.value, samples_R, n=metric.n, n_patients=patients)


def _with_truth(predictions: Sequence[Prediction], name: str, lines: Sequence[Prediction]) -> list[Prediction]:
    """The lines in the order of the system's predictions, with their truth; one of their own must be the same."""
    found = []
    for one, line in zip(predictions, in_order_of(predictions, name, lines), strict=True):
        for what, ours, theirs in (("reference", one.reference, line.reference), ("label", one.labels, line.labels)):
            if odd := [key for key, value in theirs.items() if value not in (None, "", ours.get(key))]:
                where = f"case '{one.case_id}', {what} '{odd[0]}'"
                raise MedleyError(f"floor {name}: {where} is not as in the system's predictions; make the floor again")
        found.append(replace(line, reference=one.reference, labels=one.labels, truth=one.truth, task=one.task))
    return found
