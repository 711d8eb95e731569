"""Texts that are nearly one text: a report copied with a word changed, a template filled in twice.

Two texts are held against each other by the runs of three words in them (Jaccard similarity). Which pairs are worth
it is told by MinHash (Broder 1997), so that the work does not grow with the square of the texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache

import numpy as np

from medley.core.seeds import generator, key64

RUN = 3  # words
NEAR = 0.8  # similarity at which two texts are twins, unless told otherwise
_BANDS, _ROWS = 25, 5  # a pair at 0.75 is a candidate with probability 1 - (1 - 0.75^5)^25 > 0.998, at 0.8 > 0.9999

Runs = frozenset[tuple[str, ...]]


def similarity(one: Sequence[str], other: Sequence[str]) -> float:
    """Of two texts in words, each of at least three: the share of their runs that stand in both."""
    return _jaccard(_runs(one), _runs(other))


def near_twins(
    asked: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]], least: float = NEAR
) -> Iterator[tuple[str, str]]:
    """(asked, its likest known) of each asked text that has a twin: similarity at least `least`, not below 0.75, where
    candidates would be missed. Texts are names -> words, three words at least; `asked` and `known` share no name."""
    runs = {name: _runs(words) for texts in (known, asked) for name, words in texts.items()}
    buckets: dict[tuple[int, int], list[str]] = {}
    for name in known:
        for band in enumerate(_signature(runs[name])):
            buckets.setdefault(band, []).append(name)
    for name in asked:
        mine = runs[name]
        candidates = {other for band in enumerate(_signature(mine)) for other in buckets.get(band, ())}
        # of lengths so unlike, no two texts can be so alike
        fitting = [one for one in candidates if least * len(mine) <= len(runs[one]) <= len(mine) / least]
        found = [(-_jaccard(mine, runs[one]), one) for one in fitting]
        if found and -min(found)[0] >= least:
            yield name, min(found)[1]


def _runs(words: Sequence[str]) -> Runs:
    return frozenset(tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1))


def _jaccard(one: Runs, other: Runs) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def _signature(runs: Runs) -> list[int]:
    """One key a band: the smallest hashes of `_ROWS` random orders of all possible runs."""
    factors, shifts = _orders()
    hashes = np.array([_key(run) for run in runs], dtype=np.uint64)
    lowest = (hashes[:, None] * factors + shifts).min(0)
    return [hash(tuple(band)) for band in lowest.reshape(_BANDS, _ROWS).tolist()]  # of numbers: the same everywhere


@lru_cache(maxsize=1 << 18)
def _key(run: tuple[str, ...]) -> int:
    return key64(*run)


@cache
def _orders() -> np.ndarray:
    """Odd factors and shifts: hash * factor + shift wraps round 2^64 and puts the runs into another order each time."""
    return generator("near text", "minhash").integers(1 << 64, size=(2, _BANDS * _ROWS), dtype=np.uint64) | np.uint64(1)
