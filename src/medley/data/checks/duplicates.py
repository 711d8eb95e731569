"""The same film twice: in two parts of a split, under two patients, or in two studies of one patient.

Exact copies have equal bytes or equal decoded pixels. Near ones (encoded again, resized, cropped, another window,
negative, mirrored) are proposed by `fingerprint` and decided by `alignment`, twice: from SURE_FILM on (SURE_FRONTAL
where both are frontal) two films are one, and a check fails; from SAME_FILM on they may be, and a person is to look.
Two studies of one patient may look nearly alike and be two films, so pairs within a patient are only told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from medley.core.records import Case
from medley.data.checks.alignment import SAME_FILM, SURE_FILM, SURE_FRONTAL, correlate
from medley.data.checks.fingerprint import candidate_limit, candidates, fingerprints
from medley.data.checks.looks import Look
from medley.data.checks.result import FAILED, OK, WARNING, Check

Progress = Callable[[str, int, int], None]
SAME_FILE, SAME_PIXELS, NEAR = "same file", "same pixels", "near-duplicate"
_TELL_ALL = 50  # pairs of one group of identical films: more are told as a chain, n - 1 of n (n - 1) / 2
_PAIRS_A_JOB = 256


@dataclass(frozen=True)
class Pair:
    """Two images that may be one film. `correlation` is 1 for exact copies; `turned` says "negative", "mirrored"."""

    one: Look
    other: Look
    kind: str
    correlation: float = 1.0
    turned: str = ""

    @property
    def sure(self) -> bool:
        """One film, not only alike: a check may fail by it, and `--fix` may drop one of the two."""
        frontal = {self.one.view, self.other.view} <= {"PA", "AP"}
        return self.kind != NEAR or self.correlation >= (SURE_FRONTAL if frontal else SURE_FILM)

    def __str__(self) -> str:
        how = f"{self.kind} {self.correlation:.3f}" if self.kind == NEAR else self.kind
        return f"{self.one.path} = {self.other.path} ({how}{', ' + self.turned if self.turned else ''})"


def find_pairs(looks: Sequence[Look], threads: int = 1, progress: Progress | None = None) -> list[Pair]:
    """All pairs of readable films that are, or may be, one: exact ones first. `Pair.sure` parts the two."""
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
        if parts := parts_apart(pair, part_of):
            across.append((pair, f"{parts[0]}, {parts[1]}: {pair}"))
        elif one.patient_id != other.patient_id:
            between.append((pair, f"patients {one.patient_id}, {other.patient_id}: {pair}"))
        else:
            within.append((pair, f"patient {one.patient_id}: {pair}"))
    if part_of is None:
        first = Check("duplicates-across-parts", "not applicable", 0, "no split was given: --splits F")
    else:
        first = _told(
            "duplicates-across-parts",
            across,
            "no film of one part stands in another",
            "{} pairs of one film stand in two parts: the test part was partly seen in training",
            "in two parts",
            "give both the same patient_id and split again, or drop one: --fix keeps the copy of the later part",
            FAILED,
        )
    second = _told(
        "duplicates-between-patients",
        between,
        "no film stands under two patients",
        "{} pairs of one film stand under two patient ids ({exact} exact)"
        + ("" if part_of is not None else ": a split by patient may part them"),
        "under two patient ids",
        "find out whether the two patients are one, and give them one patient_id",
        WARNING if part_of is not None else FAILED,
    )
    exact = sum(pair.kind != NEAR for pair, _ in within)
    alike = len(within) - exact
    third = Check(
        "duplicates-within-patient",
        WARNING if exact else OK,
        exact,
        f"{exact} exact copies within a patient; {alike} further pairs look alike, follow-ups or copies (no leak)",
        "keep one of two exact copies: each counts as a study of its own" if exact else "",
        tuple(line for _, line in sorted(within, key=lambda told: told[0].kind == NEAR)),
        {"exact": exact, "alike": alike},
    )
    return first, second, third


def parts_apart(pair: Pair, part_of: Mapping[str, str] | None) -> tuple[str, str] | None:
    """The two parts that the pair stands in; None where both are in one part, or one of them is in none."""
    one, other = ((part_of or {}).get(look.case_id) for look in (pair.one, pair.other))
    return (one, other) if one and other and one != other else None


def _told(
    name: str, told: Sequence[tuple[Pair, str]], fine: str, wrong: str, where: str, todo: str, status: str
) -> Check:
    """`status` by the sure pairs alone; a warning where there are only pairs that a person should look at."""
    sure = [line for pair, line in told if pair.sure]
    look = [line for pair, line in told if not pair.sure]
    numbers = {"exact": sum(pair.kind != NEAR for pair, _ in told), "sure": len(sure), "to_look_at": len(look)}
    pairs = f"{len(look)} pairs {where} look alike (correlation from {SAME_FILM:g})"
    if sure:
        says = wrong.format(len(sure), exact=numbers["exact"]) + (f"; {pairs}" if look else "")
        return Check(name, status, len(sure), says, todo, (*sure, *look), numbers)
    if look:
        todo = "look at these: one film, or two people alike? Give one film one patient_id; --fix leaves them alone"
        return Check(name, WARNING, len(look), f"{pairs}, none surely one film", todo, tuple(look), numbers)
    return Check(name, OK, 0, fine, numbers=numbers)


def mirrored_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which one is the mirror image of the other."""
    return [pair for pair in pairs if "mirrored" in pair.turned]
