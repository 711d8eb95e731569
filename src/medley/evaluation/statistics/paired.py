"""Two systems on the same cases: their differences with intervals, and whether chance alone would give as much.

Both systems answer each case, so they are compared within it: the same resamples for both, and, for the test, the two
answers of a patient exchanged. Whoever was drawn or exchanged is a patient, with all studies.

Shapes: N cases, R resamples, P patients, B exchanges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.evaluation.statistics.intervals import (
    DEFINED_SHARE,
    WEIGHTS_IN_MEMORY,
    Metric,
    bootstrap,
    number_patients,
    with_interval,
)

Statistics = Callable[[np.ndarray], Mapping[Any, np.ndarray]]  # case weights [N, R] -> name -> values [R]

SAME = 1e-12  # differences nearer than this are equal: sums of the same numbers in another order


@dataclass(frozen=True)
class PermutationTest:
    """Whether two systems differ: the two-sided p of exchanging their answers, and what stands behind it.

    `smallest_p` is the p that the most extreme exchange would have had: no result on these patients could give less.
    What could not be computed is None, and `error` says why.
    """

    p: float | None
    smallest_p: float | None
    exchanges: int  # how many were looked at, the observed one included
    exact: bool  # all there are, and not a sample
    seed: int | None  # None where exact: nothing was drawn
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The test as plain JSON values."""
        return asdict(self)


def paired_differences(
    first: Statistics,
    second: Statistics,
    patient_ids: Sequence[str],
    *,
    resamples: int,
    seed: int,
    centred: Callable[[Any], bool] = lambda name: False,
) -> dict[Any, Metric]:
    """First minus second for every name that both give, with its 95 % patient-clustered bootstrap interval.

    Both see the same resamples. A value that one of them does not have is null with the reason; `n` counts cases.
    `centred` says of a name whether its interval is moved so that the median resample lies on the value: for statistics
    such as ECE that grow with the noise of resampling, and not by the same for both.
    """
    everyone = np.ones((len(patient_ids), 1))
    at_first, at_second = first(everyone), second(everyone)
    names = [name for name in at_first if name in at_second]

    def differences(weights_NR: np.ndarray) -> dict[Any, np.ndarray]:
        of_first, of_second = first(weights_NR), second(weights_NR)
        return {name: of_first[name] - of_second[name] for name in names}

    samples = bootstrap(differences, patient_ids, resamples=resamples, seed=seed)
    n, n_patients = len(patient_ids), len(set(patient_ids))
    found = {}
    for name in names:
        lacking = [which for which, at in (("first", at_first), ("second", at_second)) if np.isnan(at[name][0])]
        if lacking:
            which = "either system" if len(lacking) == 2 else f"the {lacking[0]} system"
            found[name] = Metric(None, None, n, f"not defined for {which}")
        else:
            value = float(at_first[name][0] - at_second[name][0])
            drawn_R = samples[name]
            if centred(name) and np.isfinite(drawn_R).any():
                drawn_R = drawn_R - np.nanmedian(drawn_R) + value
            found[name] = with_interval(value, drawn_R, n=n, n_patients=n_patients)
    return found


def permutation_test(
    pooled: Statistics, patient_ids: Sequence[str], *, permutations: int, seed: int
) -> dict[Any, PermutationTest]:
    """Two-sided paired permutation test of every statistic, clustered by patient.

    `pooled` is computed on 2N rows, the answers of the first system to all N cases and then those of the second, from
    weights [2N, R] of 1 and 0 that pick one of the two answers of each case: ranked once, exchanged by weights. If the
    systems are alike, it does not matter which of them gave which of a patient's answers, so the observed difference
    is one of 2^P equally likely ones. p = (1 + B at least as large) / (1 + B) (Phipson and Smyth 2010), or, where all
    exchanges are no more than `permutations`, the exact share of them. An exchange that leaves a statistic undefined
    counts as large, and the test is null where that is so for more than 5 % of them.
    """
    if permutations < 1:
        raise MedleyError(f"permutation test: permutations is {permutations}; it must be at least 1")
    patient_N, patients = number_patients(patient_ids)
    everyone = np.zeros((1, patients), bool)
    observed = _differences(pooled, patient_N, everyone)
    # exchanging everybody only turns the sign, so half of the 2^P exchanges stand for all, the observed one among them
    exact = patients - 1 <= math.log2(permutations)
    drawn = _all_exchanges(patients) if exact else _drawn_exchanges(patients, permutations, seed)
    found: dict[Any, list[np.ndarray]] = {name: [] for name in observed}
    chunk = max(1, WEIGHTS_IN_MEMORY // (4 * len(patient_N)))
    for exchanged_RP in _chunks(drawn, chunk):
        for name, values_R in _differences(pooled, patient_N, exchanged_RP).items():
            found[name].append(values_R)
    return {
        name: _judged(float(observed[name][0]), np.concatenate(parts), patients, exact, seed)
        for name, parts in found.items()
    }


def _differences(pooled: Statistics, patient_N: np.ndarray, exchanged_RP: np.ndarray) -> dict[Any, np.ndarray]:
    """First minus second after each exchange."""
    theirs_NR = exchanged_RP.T[patient_N].astype(float)
    ours_NR = 1 - theirs_NR
    of_first = pooled(np.concatenate([ours_NR, theirs_NR]))
    of_second = pooled(np.concatenate([theirs_NR, ours_NR]))
    return {name: of_first[name] - of_second[name] for name in of_first}


def _all_exchanges(patients: int) -> Iterator[np.ndarray]:
    """Every exchange [P] that leaves the first patient alone."""
    for pattern in range(2 ** (patients - 1)):
        yield (pattern >> np.arange(patients)[::-1]) & 1 == 1


def _drawn_exchanges(patients: int, permutations: int, seed: int) -> Iterator[np.ndarray]:
    for index in range(permutations):
        yield generator(seed, "paired permutation", index).random(patients) < 0.5


def _chunks(rows: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    held: list[np.ndarray] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield np.stack(held)
            held = []
    if held:
        yield np.stack(held)


def _judged(observed: float, exchanged: np.ndarray, patients: int, exact: bool, seed: int) -> PermutationTest:
    """The share of exchanges with a difference at least as large; `exchanged` has the observed one where exact."""
    values = exchanged if exact else np.r_[observed, exchanged]

    def null(why: str) -> PermutationTest:
        return PermutationTest(None, None, len(values), exact, None if exact else seed, why)

    if patients < 2:
        return null("one patient only: there is nothing to exchange")
    if np.isnan(observed):
        return null("not defined for both systems")
    sizes, undefined = np.abs(values), np.isnan(values)
    if undefined.mean() > 1 - DEFINED_SHARE:
        return null(f"defined in {(~undefined).sum()} of {len(values)} exchanges only")
    sizes[undefined] = np.inf
    p = float((sizes >= abs(observed) - SAME).mean())
    smallest = float((sizes >= sizes[~undefined].max() - SAME).mean())
    return PermutationTest(p, smallest, len(values), exact, None if exact else seed)
