"""Are two films one film? Lay one on the other, then correlate what is left when the coarse picture is taken away.

Chest films of different people look alike as a whole (lungs dark, middle white), so the raw correlation of two
strangers is often above 0.8. What tells them apart is fine structure, and that only once the films lie on each other:

    thumbnails, histogram equalised        gamma, window and exposure no longer matter
    scale and shift of each axis           Gauss-Newton on blurred copies, coarse to fine (Lucas & Kanade 1981;
                                           Baker & Matthews 2004): undoes crops and other aspects
    local contrast normalisation           the coarse picture is taken away
    correlation over what both films show

A negative film is compared as 1 - film, a mirrored one after turning it back: the caller says which.
"""

from __future__ import annotations

from functools import cache

import numpy as np

THUMB_PX = 64
# The least correlation at which two films may be one. Planted copies of real films lie above it, 99 of 100; strangers
# among real films stay far below; generated films, whose anatomy is one drawing, come nearest (docs/check_data.md).
SAME_FILM = 0.8
# From here on two films are one. Lateral films, and what may be one, are more alike: strangers among 3,000 generated
# studies reach 0.852, frontal ones 0.772.
SURE_FILM, SURE_FRONTAL = 0.9, 0.85
MAX_MOVE = 0.3  # of half the side: crops go no further, and more would be another picture
_COARSE_PX = 32
_BLURS = ((2.0, 6), (1.0, 4), (0.5, 3))  # standard deviation in coarse pixels, steps
_DAMPING = 1e-3
_LOCAL_PX = 1.0  # standard deviation of the window that counts as local, in thumbnail pixels
_BATCH = 64


def equalise(thumbs: np.ndarray) -> np.ndarray:
    """uint8 [N, h, w] -> float32 [N, h, w] in (0, 1): each grey value becomes its mid-rank among the film's own."""
    out = np.empty(thumbs.shape, np.float32)
    for film, pixels in zip(out, thumbs, strict=True):
        counts = np.bincount(pixels.ravel(), minlength=256)
        film[:] = ((np.cumsum(counts) - counts / 2) / pixels.size)[pixels]
    return out


def correlate(thumbs: np.ndarray, pairs: np.ndarray, negative: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """uint8 thumbnails [N, 64, 64], pairs [P, 2] of their rows -> float32 [P] in [-1, 1]: correlation when aligned.

    `negative` and `mirrored`, bool [P], say how the second film of a pair is to be turned back. Either may be the crop
    of the other: both ways are tried and the better one counts.
    """
    out = np.empty(len(pairs), np.float32)
    for at in range(0, len(pairs), _BATCH):
        here = slice(at, at + _BATCH)
        a, b = equalise(thumbs[pairs[here, 0]]), equalise(thumbs[pairs[here, 1]])
        b = np.where(mirrored[here, None, None], b[:, :, ::-1], b)
        b = np.where(negative[here, None, None], 1 - b, b)
        fine_a, fine_b, coarse_a, coarse_b = _fine(a), _fine(b), _halve(a), _halve(b)
        one = _agreement(fine_a, fine_b, _register(coarse_a, coarse_b))
        other = _agreement(fine_b, fine_a, _register(coarse_b, coarse_a))
        out[here] = np.maximum(one, other)
    return out


def _fine(films: np.ndarray) -> np.ndarray:
    """Local contrast normalisation: minus the local mean, over the local standard deviation."""
    detail = films - _blur(films, _LOCAL_PX)
    return detail / (np.sqrt(_blur(detail * detail, _LOCAL_PX)) + 0.02)


def _halve(films: np.ndarray) -> np.ndarray:
    return films.reshape(len(films), _COARSE_PX, 2, _COARSE_PX, 2).mean((2, 4))


def _blur(films: np.ndarray, sigma: float) -> np.ndarray:
    kernel = _blur_matrix(films.shape[1], sigma)
    return kernel @ films @ kernel.T


@cache
def _blur_matrix(px: int, sigma: float) -> np.ndarray:
    """A Gaussian blur along one axis as a matrix [px, px]; beyond the edge lies nothing."""
    distance = np.arange(px)[:, None] - np.arange(px)[None]
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def _axis(px: int) -> np.ndarray:
    return ((np.arange(px) + 0.5) / px * 2 - 1).astype(np.float32)  # [-1, 1] across the film


def _resampler(scale: np.ndarray, shift: np.ndarray, px: int) -> tuple[np.ndarray, np.ndarray]:
    """Bilinear resampling of one axis as matrices [N, px, px], and which output pixels see the film, bool [N, px]."""
    at = ((scale[:, None] * _axis(px) + shift[:, None]) + 1) / 2 * px - 0.5
    inside = (at >= -0.5) & (at <= px - 0.5)
    at = at.clip(0, px - 1)
    low = np.floor(at).astype(np.intp).clip(0, px - 2)
    share = (at - low).astype(np.float32)
    matrix = np.zeros((len(scale), px, px), np.float32)
    film, row = np.arange(len(scale))[:, None], np.arange(px)[None]
    matrix[film, row, low] = 1 - share
    matrix[film, row, low + 1] = share
    return matrix, inside


def _warp(films: np.ndarray, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Films seen through moves [N, 4] = (scale - 1, shift) of y, then of x; and the mask of what is film."""
    px = films.shape[1]
    rows, sees_y = _resampler(1 + moves[:, 0], moves[:, 1], px)
    columns, sees_x = _resampler(1 + moves[:, 2], moves[:, 3], px)
    mask = sees_y[:, :, None] & sees_x[:, None, :]
    return rows @ films @ columns.transpose(0, 2, 1), mask.astype(np.float32)


def _register(films: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """The moves [N, 4] that lay `films` on `onto`, by damped Gauss-Newton on the standardised difference."""
    count, px = len(films), films.shape[1]
    moves = np.zeros((count, 4), np.float32)
    y, x = _axis(px)[None, :, None], _axis(px)[None, None, :]
    damping = np.eye(4, dtype=np.float32) * _DAMPING * px * px
    for sigma, steps in _BLURS:
        soft, target = _blur(films, sigma), _blur(onto, sigma)
        for _ in range(steps):
            seen, mask = _warp(soft, moves)
            seen, wanted = _standardise(seen, mask), _standardise(target, mask)
            slope_y = np.gradient(seen, axis=1) * (px / 2) / (1 + moves[:, 0])[:, None, None]
            slope_x = np.gradient(seen, axis=2) * (px / 2) / (1 + moves[:, 2])[:, None, None]
            jacobian = np.stack([slope_y * y, slope_y, slope_x * x, slope_x], 1) * mask[:, None]
            jacobian = jacobian.reshape(count, 4, -1)
            residual = ((wanted - seen) * mask).reshape(count, -1, 1)
            step = np.linalg.solve(jacobian @ jacobian.transpose(0, 2, 1) + damping, jacobian @ residual)
            moves = (moves + step[:, :, 0]).clip(-MAX_MOVE, MAX_MOVE).astype(np.float32)
    return moves


def _standardise(films: np.ndarray, mask: np.ndarray) -> np.ndarray:
    size = mask.sum((1, 2), keepdims=True) + 1e-6
    centred = films - (films * mask).sum((1, 2), keepdims=True) / size
    return centred / np.sqrt((centred * centred * mask).sum((1, 2), keepdims=True) / size + 1e-6)


def _agreement(fine: np.ndarray, fine_onto: np.ndarray, moves: np.ndarray) -> np.ndarray:
    seen, mask = _warp(fine, moves)
    one, other = _standardise(seen, mask), _standardise(fine_onto, mask)
    return (one * other * mask).sum((1, 2)) / (mask.sum((1, 2)) + 1e-6)
