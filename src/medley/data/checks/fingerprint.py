"""A film in 64 numbers, and which films of a table may be the same one: the quick step before pixels are compared.

    content (constant frames cut off) -> 64 px -> histogram equalised -> 12 x 12 lowest cosine frequencies
            -> 64 directions in which films of different people differ and crops of one film do not -> length 1

The directions are Fisher's (linear discriminant analysis), fitted on films against their own random crops by
`benchmarks/near_duplicates.py`, which also prints what they find; they stand in `fingerprint.json`. The average frontal
and lateral film are projected out, so a negative film has the negative fingerprint and one product of fingerprints,
its sign ignored, finds copies and negatives; odd cosines change sign where a film is mirrored.

Why numbers and not bits: the benchmark times both; a popcount of 256 signs (`numpy.bitwise_count`) is no quicker.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files

import numpy as np

from medley.data.checks.alignment import THUMB_PX, equalise
from medley.data.preprocess.geometry import resize

FREQUENCIES = 12
PARTNERS = 5  # likest films before a film in the table, and as many behind it: a copy is among them or not found
_ROWS, _COLUMNS = 512, 2048  # of one product: its result stays in the cache
_FRAME_RANGE = 0.05  # of the grey scale: what an edge row of a frame varies by, compression noise included
_COARSE_PX = 32


def content(pixels: np.ndarray) -> np.ndarray:
    """float [H, W] without the constant frame of padding or collimation, white or black; at least half each side."""
    low, high = np.percentile(pixels, (5, 95), axis=1)
    rows = np.flatnonzero(high - low > _FRAME_RANGE)
    low, high = np.percentile(pixels, (5, 95), axis=0)
    columns = np.flatnonzero(high - low > _FRAME_RANGE)
    height, width = pixels.shape
    if len(rows) and rows[-1] - rows[0] >= height // 2:
        pixels = pixels[rows[0] : rows[-1] + 1]
    if len(columns) and columns[-1] - columns[0] >= width // 2:
        pixels = pixels[:, columns[0] : columns[-1] + 1]
    return pixels


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """float [H, W] in [0, 1] -> uint8 [64, 64] of its content, aspect ignored: squashed copies look the same."""
    return np.rint(resize(content(pixels), THUMB_PX, THUMB_PX).clip(0, 1) * 255).astype(np.uint8)


def describe(films: np.ndarray) -> np.ndarray:
    """Equalised [N, 64, 64] -> float32 [N, 143]: the lowest cosine frequencies without the constant."""
    coarse = films.reshape(len(films), _COARSE_PX, 2, _COARSE_PX, 2).mean((2, 4))
    cosines = _cosines()
    return (cosines @ coarse @ cosines.T).reshape(len(films), -1)[:, 1:].astype(np.float32)


@cache
def _cosines() -> np.ndarray:
    """The first rows of the orthonormal DCT-II, [12, 32]."""
    at = (np.arange(_COARSE_PX) + 0.5) * np.pi / _COARSE_PX
    rows = np.cos(np.arange(FREQUENCIES)[:, None] * at) * np.sqrt(2 / _COARSE_PX)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


def mirror(descriptions: np.ndarray) -> np.ndarray:
    """The descriptions of the mirrored films: odd horizontal frequencies change sign."""
    signs = np.where(np.arange(FREQUENCIES) % 2, -1, 1)
    return descriptions * np.tile(signs, FREQUENCIES)[1:].astype(np.float32)


@cache
def _fitted() -> dict:
    return json.loads(files("medley.data.checks").joinpath("fingerprint.json").read_text(encoding="utf-8"))


@cache
def _directions() -> np.ndarray:
    return np.array(_fitted()["directions"], np.float32)


def candidate_limit() -> float:
    """The least |product| of two fingerprints whose films are looked at: tuned with the directions, on their films."""
    return float(_fitted()["candidate_limit"])


def project(descriptions: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Descriptions [N, 143] along directions [143, K], each row of length 1."""
    along = descriptions @ directions
    return along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)


def fingerprints(thumbs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [N, 64, 64] -> float32 [N, 64] of the films and of their mirror images."""
    described = np.concatenate([describe(equalise(thumbs[at : at + 512])) for at in range(0, len(thumbs), 512)])
    return project(described, _directions()), project(mirror(described), _directions())


def candidates(
    plain: np.ndarray,
    mirrored: np.ndarray,
    limit: float,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of films that may be one: [P, 2] rows with i < j, whether j is a negative, and whether j is mirrored.

    `plain` and `mirrored` are `fingerprints`. Only pairs of |product| >= `limit` that are among the PARTNERS likest of
    either of their films are kept, so that the work after this step grows with the films and not with their square.
    """
    from threadpoolctl import threadpool_limits

    starts = range(0, len(plain), _ROWS)

    def block(start: int) -> np.ndarray:
        return _block_pairs(plain, mirrored, start, limit)

    found = []
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:  # the blocks are the parallel part
        for done, pairs in enumerate(pool.map(block, starts), start=1):
            found.append(pairs)
            if progress:
                progress(done, len(starts))
    pairs = _likest(np.concatenate(found)) if found else np.empty(0, _PAIR)
    return np.stack([pairs["i"], pairs["j"]], 1).astype(np.intp), pairs["score"] < 0, pairs["mirrored"]


_PAIR = np.dtype([("i", np.int32), ("j", np.int32), ("score", np.float32), ("mirrored", bool)])


def _block_pairs(plain: np.ndarray, mirrored: np.ndarray, start: int, limit: float) -> np.ndarray:
    """The pairs of rows start ... start + _ROWS with all rows behind them, the likest of each."""
    found = []
    mine = plain[start : start + _ROWS]
    for other in range(start, len(plain), _COLUMNS):
        for theirs, is_mirrored in ((plain, False), (mirrored, True)):
            scores = mine @ theirs[other : other + _COLUMNS].T
            at = np.flatnonzero((scores >= limit) | (scores <= -limit))
            i, j = np.divmod(at, scores.shape[1])
            pairs = np.empty(len(i), _PAIR)
            pairs["i"], pairs["j"] = i + start, j + other
            pairs["score"], pairs["mirrored"] = scores[i, j], is_mirrored
            found.append(pairs[pairs["i"] < pairs["j"]])
    return _likest(np.concatenate(found))


def _likest(pairs: np.ndarray) -> np.ndarray:
    """A pair stays where it is among the PARTNERS likest of its first film, or of its second one."""
    pairs = pairs[np.argsort(-np.abs(pairs["score"]), kind="stable")]
    keep = np.zeros(len(pairs), bool)
    for side in ("i", "j"):
        keep |= _rank_within(pairs[side]) < PARTNERS
    return pairs[keep]


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """For each row, how many rows before it have the same group."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])[: len(ordered)]
    starts = np.repeat(first, np.diff(np.r_[first, len(ordered)]))
    ranks = np.empty(len(groups), np.intp)
    ranks[order] = np.arange(len(groups)) - starts
    return ranks
