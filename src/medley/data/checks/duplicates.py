"""The same film twice: in two parts of a split, under two patients, or in two studies of one patient.

Exact copies have equal bytes or equal decoded pixels. Near ones (encoded again, resized, cropped, another window,
negative, mirrored) are proposed by `fingerprint` and decided by `alignment`. Two studies of one patient may look nearly
alike and be two films, so pairs within a patient are told apart from the rest, and only told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from medley.core.records import Case
from medley.data.checks.alignment import SAME_FILM, correlate
from medley.data.checks.fingerprint import candidate_limit, candidates, fingerprints
from medley.data.checks.looks import Look
from medley.data.checks.result import FAILED, OK, WARNING, Check, verdict

Progress = Callable[[str, int, int], None]
SAME_FILE, SAME_PIXELS, NEAR = "same file", "same pixels", "near-duplicate"
_TELL_ALL = 50  # pairs of one group of identical films: more are told as a chain, n - 1 of n (n - 1) / 2
_PAIRS_A_JOB = 256


@dataclass(frozen=True)
class Pair:
    """Two images that are one film. `correlation` is 1 for exact copies; `turned` says "negative", "mirrored"."""

    one: Look
    other: Look
    kind: str
    correlation: float = 1.0
    turned: str = ""

    def __str__(self) -> str:
        how = f"{self.kind} {self.correlation:.3f}" if self.kind == NEAR else self.kind
        return f"{self.one.path} = {self.other.path} ({how}{', ' + self.turned if self.turned else ''})"


def find_pairs(looks: Sequence[Look], threads: int = 1, progress: Progress | None = None) -> list[Pair]:
    """All pairs of readable films that are one, exact ones first."""
    films = [look for look in looks if look.readable]
    exact = _exact_pairs(films)
    known = {frozenset((pair.one.path, pair.other.path)) for pair in exact}
    near = [pair for pair in _near_pairs(films, threads, progress) if frozenset(_paths(pair)) not in known]
    return exact + near


def _paths(pair: Pair) -> tuple[str, str]:
    return pair.one.path, pair.other.path


def _exact_pairs(films: Sequence[Look]) -> list[Pair]:
    groups: dict[str, list[Look]] = defaultdict(list)
    for look in films:
        groups[look.pixel_sha256].append(look)
    pairs = []
    for group in groups.values():
        chosen = combinations(group, 2) if len(group) <= _TELL_ALL else pairwise(group)
        for one, other in chosen:
            pairs.append(Pair(one, other, SAME_FILE if one.file_sha256 == other.file_sha256 else SAME_PIXELS))
    return pairs


def _near_pairs(films: Sequence[Look], threads: int, progress: Progress | None) -> list[Pair]:
    """Of films that differ in their pixels; of identical ones the first stands for all."""
    first: dict[str, Look] = {}
    for look in films:
        first.setdefault(look.pixel_sha256, look)
    films = list(first.values())
    if len(films) < 2:
        return []
    thumbs = np.stack([look.thumb for look in films if look.thumb is not None])
    plain, mirrored = fingerprints(thumbs)
    tick = (lambda done, of: progress("comparing fingerprints", done, of)) if progress else None
    rows, negative, turned = candidates(plain, mirrored, candidate_limit(), threads, tick)
    agreement = np.empty(len(rows), np.float32)

    def align(at: int) -> slice:
        here = slice(at, at + _PAIRS_A_JOB)
        agreement[here] = correlate(thumbs, rows[here], negative[here], turned[here])
        return here

    with ThreadPoolExecutor(threads) as pool:
        for here in pool.map(align, range(0, len(rows), _PAIRS_A_JOB)):
            if progress:
                progress("aligning likely pairs", min(here.stop, len(rows)), len(rows))
    best: dict[tuple[int, int], Pair] = {}
    for (i, j), value, is_negative, is_mirrored in zip(rows.tolist(), agreement, negative, turned, strict=True):
        if value >= SAME_FILM and ((i, j) not in best or best[i, j].correlation < value):
            how = " and ".join(word for word, yes in (("negative", is_negative), ("mirrored", is_mirrored)) if yes)
            best[i, j] = Pair(films[i], films[j], NEAR, float(value), how)
    return [best[key] for key in sorted(best)]


def check_duplicates(
    pairs: Sequence[Pair], cases: Mapping[str, Case], part_of: Mapping[str, str] | None
) -> tuple[Check, ...]:
    """Three checks: pairs across parts, pairs between patients, pairs within a patient."""
    across, between, within = [], [], []
    for pair in pairs:
        one, other = (cases[look.case_id] for look in (pair.one, pair.other))
        parts = [part_of.get(case.case_id) for case in (one, other)] if part_of is not None else []
        if parts and None not in parts and parts[0] != parts[1]:
            across.append(f"{parts[0]}, {parts[1]}: {pair}")
        elif one.patient_id != other.patient_id:
            between.append(f"patients {one.patient_id}, {other.patient_id}: {pair}")
        else:
            within.append(f"patient {one.patient_id}: {pair}")
    if part_of is None:
        first = Check("duplicates-across-parts", "not applicable", 0, "no split was given: --splits F")
    else:
        first = verdict(
            "duplicates-across-parts",
            across,
            "no film of one part stands in another",
            f"{len(across)} pairs of one film stand in two parts: the test part was partly seen in training",
            "give both the same patient_id and split again, or drop one: --fix keeps the copy of the later part",
        )
    exact = sum(NEAR not in line for line in between)
    second = verdict(
        "duplicates-between-patients",
        between,
        "no film stands under two patients",
        f"{len(between)} pairs of one film stand under two patient ids ({exact} exact)"
        + ("" if part_of is not None else ": a split by patient may part them"),
        "find out whether the two patients are one, and give them one patient_id",
        WARNING if part_of is not None else FAILED,
    )
    exact = sum(NEAR not in line for line in within)
    alike = len(within) - exact
    third = Check(
        "duplicates-within-patient",
        WARNING if exact else OK,
        exact,
        f"{exact} exact copies within a patient; {alike} further pairs look alike, follow-ups or copies (no leak)",
        "keep one of two exact copies: each counts as a study of its own" if exact else "",
        tuple(sorted(within, key=lambda line: NEAR in line)),
        {"exact": exact, "alike": alike},
    )
    return first, second, third


def mirrored_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which one is the mirror image of the other."""
    return [pair for pair in pairs if "mirrored" in pair.turned]
