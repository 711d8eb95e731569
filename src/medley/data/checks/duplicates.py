"""The same image twice: in two parts of a split, under two patients, or in two studies of one patient.

Exact copies have equal bytes or equal decoded pixels. Near ones (encoded again, resized, cropped, another window,
negative, mirrored) are proposed by `fingerprint` and decided by `alignment`, twice: from SURE_FILM on (SURE_FRONTAL
where both are frontal) two films are one, and a check fails; from SAME_FILM on they may be, and a person is to look.
Two studies of one patient may look nearly alike and be two films, so pairs within a patient are only told. Volumes are
compared by `volumes.alike`, with limits of their own.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product

import numpy as np

from medley.core.counts import counted
from medley.core.records import Case
from medley.data.checks.alignment import SAME_FILM, SURE_FILM, SURE_FRONTAL, correlate
from medley.data.checks.fingerprint import candidate_limit, candidates, fingerprints
from medley.data.checks.looks import Look
from medley.data.checks.parts import NO_SPLIT
from medley.data.checks.result import FAILED, OK, WARNING, Check, not_applicable
from medley.data.checks.volumes.alike import SAME_VOLUME, SURE_VOLUME, find_alike
from medley.data.splits import PARTS

Progress = Callable[[str, int, int], None]
NAMES = ("duplicates-across-parts", "duplicates-between-patients", "duplicates-within-patient")
SAME_FILE, SAME_PIXELS, NEAR = "same file", "same pixels", "near-duplicate"
_LOOK = "look at these: one image, or two people alike? Give one image one patient_id; --fix leaves them alone"
_LOOK_DRAWN = "generated images, all of one drawing: strangers do come that near, and nothing need be done"
_SUREST = 0.99  # no limit goes beyond: a copy encoded again lies above
_FEW_FILMS, _CROWD_A_TENFOLD = 4000, 0.08
_TELL_ALL = 50  # pairs of one group of identical films: more are told as a chain, n - 1 of n (n - 1) / 2
_PAIRS_A_JOB = 256


@dataclass(frozen=True)
class Pair:
    """Two images that may be one. `correlation` is 1 for exact copies; `turned` says "negative", "mirrored"."""

    one: Look
    other: Look
    kind: str
    correlation: float = 1.0
    turned: str = ""
    crowd: float = 0.0  # what is added to the limits: see `crowd_of`
    real: bool = True  # not both are generated

    @property
    def sure(self) -> bool:
        """One image, not only alike: a check may fail by it, and `--fix` may drop one of the two."""
        if self.one.volume is not None:
            return self.kind != NEAR or self.correlation >= SURE_VOLUME
        frontal = {self.one.view, self.other.view} <= {"PA", "AP"}
        limit = min((SURE_FRONTAL if frontal else SURE_FILM) + self.crowd, _SUREST)
        return self.kind != NEAR or self.correlation >= limit

    def __str__(self) -> str:
        how = f"{self.kind} {self.correlation:.3f}" if self.kind == NEAR else self.kind
        return f"{self.one.path} = {self.other.path} ({how}{', ' + self.turned if self.turned else ''})"


def crowd_of(films: int) -> float:
    """What is added to the limits among so many generated films: all are of one drawing, so that with the square of
    their number strangers come nearer (docs/check_data.md). Real strangers never come near them."""
    return _CROWD_A_TENFOLD * max(0.0, math.log10(max(1, films) / _FEW_FILMS))


def find_pairs(
    looks: Sequence[Look],
    threads: int = 1,
    progress: Progress | None = None,
    part_of: Mapping[str, str] | None = None,
    generated: Collection[str] = (),
) -> list[Pair]:
    """All pairs of readable images that are, or may be, one: exact ones first. `Pair.sure` parts the two.

    Of many identical ones not all pairs are told; with `part_of` (case_id -> part) each part that they stand in is.
    `generated` are the case ids of drawn films.
    """
    groups: dict[str, list[Look]] = defaultdict(list)
    for look in looks:
        if look.readable:
            groups[look.pixel_sha256].append(look)
    identical = [_by_part(group, part_of or {}) for group in groups.values()]
    films = [group for group in identical if group[0].volume is None]
    volumes = [group for group in identical if group[0].volume is not None]
    near = _near_pairs(films, part_of or {}, threads, progress) + _near_volumes(volumes, part_of or {}, progress)
    crowd = crowd_of(sum(look.case_id in generated and look.volume is None for look in looks))
    drawn = [pair.one.case_id in generated and pair.other.case_id in generated for pair in near]
    return _exact_pairs(identical) + [
        replace(p, crowd=crowd, real=False) if d else p for p, d in zip(near, drawn, strict=True)
    ]


def _by_part(group: Sequence[Look], part_of: Mapping[str, str]) -> list[Look]:
    """Train before dev before test before what is in no part."""
    order = {part: place for place, part in enumerate(PARTS)}
    return sorted(group, key=lambda look: order.get(part_of.get(look.case_id, ""), len(PARTS)))


def _one_a_part(group: Sequence[Look], part_of: Mapping[str, str]) -> list[Look]:
    """Of identical films the first of each part; of no part only where none of them is in one."""
    first: dict[str, Look] = {}
    for look in group:
        if look.case_id in part_of:
            first.setdefault(part_of[look.case_id], look)
    return list(first.values()) or [group[0]]


def _exact_pairs(identical: Sequence[Sequence[Look]]) -> list[Pair]:
    pairs = []
    for group in identical:
        chosen = combinations(group, 2) if len(group) <= _TELL_ALL else pairwise(group)
        for one, other in chosen:
            pairs.append(Pair(one, other, SAME_FILE if one.file_sha256 == other.file_sha256 else SAME_PIXELS))
    return pairs


def _near_pairs(
    identical: Sequence[Sequence[Look]], part_of: Mapping[str, str], threads: int, progress: Progress | None
) -> list[Pair]:
    """Of films that differ in their pixels. Of identical ones the first is compared, and one of each part is told."""
    films = [group[0] for group in identical]
    if len(films) < 2:
        return []
    told = [_one_a_part(group, part_of) for group in identical]
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
    best: dict[tuple[int, int], tuple[float, str]] = {}
    for (i, j), value, is_negative, is_mirrored in zip(rows.tolist(), agreement, negative, turned, strict=True):
        if value >= SAME_FILM and ((i, j) not in best or best[i, j][0] < value):
            how = " and ".join(word for word, yes in (("negative", is_negative), ("mirrored", is_mirrored)) if yes)
            best[i, j] = float(value), how
    return [Pair(one, other, NEAR, *best[i, j]) for i, j in sorted(best) for one, other in product(told[i], told[j])]


def _near_volumes(
    identical: Sequence[Sequence[Look]], part_of: Mapping[str, str], progress: Progress | None
) -> list[Pair]:
    """As `_near_pairs`, of volumes of one sequence."""
    tick = (lambda done, of: progress("comparing volumes", done, of)) if progress else None
    told = [_one_a_part(group, part_of) for group in identical]
    return [
        Pair(one, other, NEAR, correlation, "mirrored" if mirrored else "")
        for i, j, correlation, mirrored in find_alike([group[0] for group in identical], tick)
        for one, other in product(told[i], told[j])
    ]


def check_duplicates(
    pairs: Sequence[Pair], cases: Mapping[str, Case], part_of: Mapping[str, str] | None, noun: str = "film"
) -> tuple[Check, ...]:
    """Three checks, by NAMES: pairs across parts, pairs between patients, pairs within a patient. `noun` is what the
    table holds: film, volume or image."""
    across, between, within = [], [], []
    of_parts = Counter[str]()
    for pair in pairs:
        one, other = (cases[look.case_id] for look in (pair.one, pair.other))
        if parts := parts_apart(pair, part_of):
            across.append((pair, f"{parts[0]} and {parts[1]}: {pair}"))
            of_parts[" and ".join(sorted(parts, key=PARTS.index))] += pair.sure
        elif one.patient_id != other.patient_id:
            between.append((pair, f"patients {one.patient_id}, {other.patient_id}: {pair}"))
        else:
            within.append((pair, f"patient {one.patient_id}: {pair}"))
    if part_of is None:
        first = not_applicable(NAMES[0], NO_SPLIT)
    else:
        which = ", ".join(f"{names} {count}" for names, count in sorted(of_parts.items()) if count)
        first = _told(
            NAMES[0],
            across,
            f"no {noun} of one part stands in another",
            f"{{pairs}} of one {noun} in two parts ({which}): what is fitted on the one is scored on the other",
            "in two parts",
            "give both the same patient_id and split again, or drop one: --fix keeps the copy of the later part",
            FAILED,
        )
    second = _told(
        NAMES[1],
        between,
        f"no {noun} stands under two patients",
        f"{{pairs}} of one {noun} under two patient ids ({{exact}} exact)"
        + ("" if part_of is not None else ": a split by patient may part them"),
        "under two patient ids",
        "find out whether the two patients are one, and give them one patient_id",
        WARNING if part_of is not None else FAILED,
    )
    exact = sum(pair.kind != NEAR for pair, _ in within)
    alike = len(within) - exact
    third = Check(
        NAMES[2],
        WARNING if exact else OK,
        exact,
        f"{counted(exact, 'exact copy')} within a patient; {counted(alike, 'further pair')} alike: follow-ups or "
        "copies, no leak",
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
    limits = {SAME_FILM if pair.one.volume is None else SAME_VOLUME for pair, _ in told} or {SAME_FILM}
    pairs = f"{counted(len(look), 'pair')} {where} to look at (alike: correlation from {min(limits):g})"
    if sure:
        says = wrong.format(pairs=counted(len(sure), "pair"), exact=numbers["exact"]) + (f"; {pairs}" if look else "")
        return Check(name, status, len(sure), says, todo, (*sure, *look), numbers)
    if look:
        todo = _LOOK if any(pair.real for pair, _ in told if not pair.sure) else _LOOK_DRAWN
        return Check(name, WARNING, len(look), f"{pairs}, none surely one", todo, tuple(look), numbers)
    return Check(name, OK, 0, fine, numbers=numbers)


def mirrored_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs of which one is the mirror image of the other."""
    return [pair for pair in pairs if "mirrored" in pair.turned]
