"""Two systems on the same cases: what A is above B in every metric that both have, and how surely.

Each difference has a 95 % interval over patients (the same resamples for both systems), the p of a paired permutation
test (the two answers of a patient exchanged), and for the AUROC of a label the p of DeLong's test, clustered by
patient. Metrics at thresholds take each system's own, as its scorecard holds them.

Many tests are made, so each p has a second beside it, adjusted by Holm: among the averages of a head, and among the
labels and metrics of a head. One test is named beforehand and stands alone: the macro AUROC of the systems' answers.
In the exchange, AUROC and average precision are of ranks within each system, and calls are those at its own thresholds.
Calibration errors have no exchange test: their bins are of one system's scores, and an exchange would mix them.

Shapes: S studies, R resamples or exchanges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.evaluation.compare.heads import PairedHead, paired_heads
from medley.evaluation.compare.systems import CALIBRATION, System, alike, read_system
from medley.evaluation.findings.metrics import Weighted
from medley.evaluation.findings.warnings import few_resamples
from medley.evaluation.fitted.usable import CALIBRATED
from medley.evaluation.predictions.arrays import FUSED
from medley.evaluation.statistics import (
    DeLongTest,
    Metric,
    PermutationTest,
    delong_test,
    holm,
    paired_differences,
    permutation_test,
)

Key = tuple[str, str | None, str]  # head; label, or None for an average; metric
Flat = dict[Key, np.ndarray]
HEADLINE: Key = (FUSED, None, "auroc_macro")
SAME = 1e-6  # a scorecard's own value and the one of its predictions may lie this far apart, between machines
Tick = Callable[[str, int, int], None] | None


@dataclass(frozen=True)
class Difference:
    """One metric of one head: both values, A minus B, and the tests of it. What is null says why."""

    a: float | None
    b: float | None
    difference: Metric
    permutation: PermutationTest | None
    p_holm: float | None  # of the permutation test, adjusted
    delong: DeLongTest | None = None  # AUROC of a label only
    delong_p_holm: float | None = None  # adjusted among the labels of the head

    def as_json(self) -> dict[str, Any]:
        """The difference as plain JSON values."""
        found: dict[str, Any] = {"a": self.a, "b": self.b, "difference": self.difference.as_json()}
        found |= {"permutation": self.permutation and self.permutation.as_json(), "p_holm": self.p_holm}
        if self.delong is not None:
            found |= {"delong": self.delong.as_json(), "delong_p_holm": self.delong_p_holm}
        return found


@dataclass(frozen=True)
class Comparison:
    """All differences of two systems: `averages` by name as in a scorecard, `per_label` by head, label and metric."""

    a: System
    b: System
    averages: Mapping[str, Difference]
    per_label: Mapping[str, Mapping[str, Mapping[str, Difference]]]
    resamples: int
    permutations: int
    seed: int
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain JSON values."""
        return {
            "task": self.a.card.task,
            "a": {"scorecard": str(self.a.path), "provenance": dict(self.a.card.provenance)},
            "b": {"scorecard": str(self.b.path), "provenance": dict(self.b.card.provenance)},
            "protocol": dict(self.a.card.protocol),
            "bootstrap": self.resamples,
            "permutations": self.permutations,
            "seed": self.seed,
            "averages": {name: difference.as_json() for name, difference in self.averages.items()},
            "per_label": {
                head: {
                    label: {metric: difference.as_json() for metric, difference in metrics.items()}
                    for label, metrics in labels.items()
                }
                for head, labels in self.per_label.items()
            },
            "warnings": list(self.warnings),
        }


def compare(
    first: Path | str,
    second: Path | str,
    *,
    bootstrap: int = 1000,
    permutations: int = 10_000,
    seed: int = 0,
    tick: Tick = None,
) -> Comparison:
    """Compare two runs, folders or scorecards; A minus B throughout.

    Raises MedleyError where one cannot be read, is no longer the scorecard of its predictions, or where the two were
    not measured alike: `systems.alike` says what must agree.
    """
    a, b = alike(read_system("A", first), read_system("B", second))
    heads, warnings = paired_heads(a, b)
    patient_ids = a.patient_ids
    metrics = {name: head.metrics() for name, head in heads.items()}
    of_a, of_b, of_both = (_merged({name: of[i] for name, of in metrics.items()}) for i in range(3))
    everyone = np.ones((len(patient_ids), 1))
    at_a, at_b = of_a(everyone), of_b(everyone)
    _hold_to_cards(heads, at_a, at_b)

    drawing = _counted(of_a, "drawing patients", bootstrap, tick)
    differences = paired_differences(drawing, of_b, patient_ids, resamples=bootstrap, seed=seed, centred=_is_ece)
    exchanging = _counted(of_both, "exchanging answers", 2 * permutations, tick)
    tests = permutation_test(exchanging, patient_ids, permutations=permutations, seed=seed)
    found = {
        key: _difference(heads[key[0]], key, at_a[key], at_b[key], differences[key], tests[key]) for key in differences
    }
    found = _adjusted(found)
    return Comparison(
        a=a,
        b=b,
        averages={heads[head].named(metric): of for (head, label, metric), of in found.items() if label is None},
        per_label=_nested(found),
        resamples=bootstrap,
        permutations=permutations,
        seed=seed,
        warnings=(*warnings, *_warnings(a), *few_resamples(bootstrap)),
    )


def _merged(by_head: Mapping[str, Weighted]) -> Callable[[np.ndarray], Flat]:
    def metrics(weights_SR: np.ndarray) -> Flat:
        return {(head, *key): values_R for head, of in by_head.items() for key, values_R in of(weights_SR).items()}

    return metrics


def _counted(metrics: Callable[[np.ndarray], Flat], what: str, total: int, tick: Tick) -> Callable[[np.ndarray], Flat]:
    """The same function, telling how many columns of weights it has seen."""
    seen = 0

    def counted(weights_SR: np.ndarray) -> Flat:
        nonlocal seen
        found = metrics(weights_SR)
        seen += weights_SR.shape[1]
        if tick:
            tick(what, min(seen, total), total)
        return found

    return counted


def _hold_to_cards(heads: Mapping[str, PairedHead], at_a: Flat, at_b: Flat) -> None:
    """Raises MedleyError where a scorecard says another value than its predictions give: one of them was changed."""
    for at, which in ((at_a, "a"), (at_b, "b")):
        for (head, label, metric), (value,) in at.items():
            side = getattr(heads[head], which)
            own = heads[head].own(side, label, metric)
            if own is None or own.value is None or np.isnan(value):
                continue
            if not isinstance(own.value, int | float) or not abs(own.value - value) <= SAME:  # nan is not near
                name = heads[head].named(metric) if label is None else f"per_label/{head}/{label}/{metric}"
                raise MedleyError(
                    f"{side.system.path} says {name} {own.value!r}, and the predictions beside it give {value:.6f}: "
                    "one of them was changed, or is of another version; score again"
                )


def _difference(
    head: PairedHead, key: Key, at_a: np.ndarray, at_b: np.ndarray, difference: Metric, test: PermutationTest
) -> Difference:
    _, label, metric = key
    a, b = (None if np.isnan(value) else float(value) for value in (at_a[0], at_b[0]))
    n = head.cases(label)
    why = head.unlike(label, metric) or _why_null(head, label, metric, a is None, b is None)
    if why:
        return Difference(a, b, Metric(None, None, n, why), None, None)
    delong = None
    if label is not None and metric == "auroc" and head.a.fits is not None:
        column = head.a.table.names.index(label)
        first, second = (side.table.scores_NL[:, column] for side in (head.a, head.b))
        delong = delong_test(head.a.table.labels_NL[:, column], first, second, head.a.system.patient_ids)
    return Difference(a, b, replace(difference, n=n), None if _is_ece(key) else test, None, delong)


def _is_ece(key: Key) -> bool:
    """Whether this is a calibration error: its bins are those of one system's scores, which an exchange would mix."""
    return key[2].startswith("ece")


def _why_null(head: PairedHead, label: str | None, metric: str, a: bool, b: bool) -> str:
    """Why A's value (`a`) or B's is null; empty where neither is."""
    reasons: dict[str, list[str]] = {}
    for name, null, side in (("A", a, head.a), ("B", b, head.b)):
        if null:
            reasons.setdefault(_reason(head.own(side, label, metric), metric), []).append(name)
    return "; ".join(f"{' and '.join(names)}: {reason}" for reason, names in reasons.items())


def _reason(own: Metric | None, metric: str) -> str:
    """The reason that the scorecard gives, or that it has a value whose calibration is not beside it."""
    if own is None:
        return "not in its scorecard"
    if own.value is None:
        return own.error or "not defined"
    missing = metric in CALIBRATED
    return f"{CALIBRATION} is neither beside its scorecard nor in its run" if missing else "not defined"


def _adjusted(found: Mapping[Key, Difference]) -> dict[Key, Difference]:
    """Holm's adjustment of each p: one family are the averages of a head, another its labels and their metrics."""
    families: dict[Any, dict[Key, float | None]] = {}
    of_delong: dict[str, dict[Key, float | None]] = {}
    for key, difference in found.items():
        p = difference.permutation.p if difference.permutation else None
        families.setdefault("headline" if key == HEADLINE else (key[0], key[1] is None), {})[key] = p
        if difference.delong is not None:
            of_delong.setdefault(key[0], {})[key] = difference.delong.p
    p_holm = {key: p for family in families.values() for key, p in holm(family).items()}
    delong_p_holm = {key: p for family in of_delong.values() for key, p in holm(family).items()}
    return {
        key: replace(difference, p_holm=p_holm[key], delong_p_holm=delong_p_holm.get(key))
        for key, difference in found.items()
    }


def _warnings(a: System) -> list[str]:
    """What the protocol, which both share, leaves open."""
    stated = ("table", "split", "part", "label_policy", "notes", "aggregation")
    open_keys = [key for key in stated if a.card.protocol.get(key) is None]
    warnings = [f"neither protocol states: {', '.join(open_keys)}"] if open_keys else []
    if lacking := a.card.protocol.get("studies_lacking"):
        warnings.append(f"neither has a prediction of {counted(lacking, 'case')} of the part")
    return warnings


def _nested(found: Mapping[Key, Difference]) -> dict[str, dict[str, dict[str, Difference]]]:
    nested: dict[str, dict[str, dict[str, Difference]]] = {}
    for (head, label, metric), difference in found.items():
        if label is not None:
            nested.setdefault(head, {}).setdefault(label, {})[metric] = difference
    return nested
