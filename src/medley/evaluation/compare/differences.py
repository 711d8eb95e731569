"""Two systems on the same cases: what A is above B in every metric that both have, and how surely.

Each difference has a 95 % interval over patients (the same resamples for both systems), the p of a paired permutation
test (the two answers of a patient exchanged), and for the AUROC of a label the p of DeLong's test, clustered by
patient. Every metric is a function of case weights: no text is read, and no case ranked, twice.

Many tests are made, so each p has a second beside it, adjusted by Holm among the tests of its family. One test is named
beforehand and stands alone: the macro AUROC of findings, the micro F1 of what reports say (14 labels of a chest
film, side and lobe together of a brain).

Shapes: S studies, R resamples or exchanges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from medley.core.counts import counted
from medley.core.errors import MedleyError
from medley.evaluation.compare.alike import alike
from medley.evaluation.compare.findings import findings_pair
from medley.evaluation.compare.record import Comparison, Difference, Flat, Key, Pair, Weighted
from medley.evaluation.compare.reports import report_pair
from medley.evaluation.compare.systems import FINDINGS, System, read_system
from medley.evaluation.findings.warnings import few_resamples
from medley.evaluation.reports.tasks import REPORT_TASKS
from medley.evaluation.statistics import Metric, PermutationTest, holm, paired_differences, permutation_test

Pairing = Callable[[System, System], Pair]
PAIRS: dict[str, Pairing] = {FINDINGS: findings_pair, **dict.fromkeys(REPORT_TASKS, report_pair)}  # by task
SAME = 1e-6  # a scorecard's own value and the one of its predictions may lie this far apart, between machines
Tick = Callable[[str, int, int], None] | None


def compare(
    first: Path | str,
    second: Path | str,
    *,
    bootstrap: int = 1000,
    permutations: int = 10_000,
    seed: int = 0,
    tick: Tick = None,
) -> Comparison:
    """Compare two runs, folders or scorecards of one task; A minus B throughout.

    Raises MedleyError where one cannot be read, is no longer the scorecard of its predictions, or where the two were
    not measured alike: `alike` says what must agree.
    """
    a, b = alike(read_system("A", first), read_system("B", second))
    pair = PAIRS[a.card.task](a, b)
    patient_ids = a.patient_ids
    of_a, of_b, of_both = pair.functions()
    everyone = np.ones((len(patient_ids), 1))
    at_a, at_b = of_a(everyone), of_b(everyone)
    for side, system, at in (("a", a, at_a), ("b", b, at_b)):
        _hold_to_card(pair, side, system, at)

    drawing = _counted(of_a, "drawing patients", bootstrap, tick)
    differences = paired_differences(drawing, of_b, patient_ids, resamples=bootstrap, seed=seed, centred=_is_ece)
    exchanging = _counted(of_both, "exchanging answers", 2 * permutations, tick)
    tests = permutation_test(exchanging, patient_ids, permutations=permutations, seed=seed)
    found = {
        key: _difference(pair, key, float(at_a[key][0]), float(at_b[key][0]), differences[key], tests[key])
        for key in differences
    }
    found = _adjusted(found, pair)
    families: dict[str, list[tuple[Key, Difference]]] = {name: [] for name in pair.spoken}
    for key, of in found.items():
        if key != pair.headline and (family := pair.family(key)) in families:
            families[family].append((key, of))
    return Comparison(
        a=a,
        b=b,
        headline=pair.named(pair.headline),
        averages={pair.named(key): of for key, of in found.items() if key.label is None},
        per_label=_nested(found),
        families={name: tuple(of) for name, of in families.items()},
        identical=pair.identical(),
        resamples=bootstrap,
        permutations=permutations,
        seed=seed,
        warnings=(*pair.warnings, *_warnings(a, pair), *few_resamples(bootstrap)),
    )


def _counted(metrics: Weighted, what: str, total: int, tick: Tick) -> Weighted:
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


def _hold_to_card(pair: Pair, side: str, system: System, at: Flat) -> None:
    """Raises MedleyError where a scorecard says another value than its predictions give: one of them was changed."""
    for key, (value,) in at.items():
        own = pair.own(side, key)
        if own is None or own.value is None or np.isnan(value):
            continue
        if not isinstance(own.value, int | float) or not abs(own.value - value) <= SAME:  # nan is not near
            name = pair.named(key) if key.label is None else f"per_label/{key.group}/{key.label}/{key.metric}"
            raise MedleyError(
                f"{system.path} says {name} {own.value!r}, and the predictions beside it give {value:.6f}: "
                "one of them was changed, or is of another version; score again"
            )


def _difference(
    pair: Pair, key: Key, at_a: float, at_b: float, difference: Metric, test: PermutationTest
) -> Difference:
    a, b = (None if np.isnan(value) else value for value in (at_a, at_b))
    n = pair.cases(key)
    why = pair.unlike(key) or _why_null(pair, key, a is None, b is None)
    if why:
        return Difference(a, b, Metric(None, None, n, why), None, None)
    tested = None if _is_ece(key) else test
    return Difference(a, b, replace(difference, n=n), tested, None, pair.delong(key))


def _is_ece(key: Key) -> bool:
    """Whether this is a calibration error: its bins are those of one system's scores, which an exchange would mix."""
    return key.metric.startswith("ece")


def _why_null(pair: Pair, key: Key, a: bool, b: bool) -> str:
    """Why A's value (`a`) or B's is null; empty where neither is."""
    reasons: dict[str, list[str]] = {}
    for name, side, null in (("A", "a", a), ("B", "b", b)):
        if null:
            own = pair.own(side, key)
            if own is None:
                reason = "not in its scorecard"
            else:
                reason = (own.error or "not defined") if own.value is None else pair.undefined(side, key)
            reasons.setdefault(reason, []).append(name)
    return "; ".join(f"{' and '.join(names)}: {reason}" for reason, names in reasons.items())


def _adjusted(found: Mapping[Key, Difference], pair: Pair) -> dict[Key, Difference]:
    """Holm's adjustment of each p among its family; the headline is a family of its own."""
    families: dict[str | None, dict[Key, float | None]] = {}
    of_delong: dict[str, dict[Key, float | None]] = {}
    for key, difference in found.items():
        p = difference.permutation.p if difference.permutation else None
        families.setdefault(None if key == pair.headline else pair.family(key), {})[key] = p
        if difference.delong is not None:
            of_delong.setdefault(key.group, {})[key] = difference.delong.p
    p_holm = {key: p for family in families.values() for key, p in holm(family).items()}
    delong_p_holm = {key: p for family in of_delong.values() for key, p in holm(family).items()}
    return {
        key: replace(difference, p_holm=p_holm[key], delong_p_holm=delong_p_holm.get(key))
        for key, difference in found.items()
    }


def _warnings(a: System, pair: Pair) -> list[str]:
    """What the protocol, which both share, leaves open."""
    open_keys = [key for key in pair.stated if a.card.protocol.get(key) is None]
    warnings = [f"neither protocol states: {', '.join(open_keys)}"] if open_keys else []
    if lacking := a.card.protocol.get("studies_lacking"):
        warnings.append(f"neither has a prediction of {counted(lacking, 'case')} of the part")
    return warnings


def _nested(found: Mapping[Key, Difference]) -> dict[str, dict[str, dict[str, Difference]]]:
    nested: dict[str, dict[str, dict[str, Difference]]] = {}
    for key, difference in found.items():
        if key.label is not None:
            nested.setdefault(key.group, {}).setdefault(key.label, {})[key.metric] = difference
    return nested
