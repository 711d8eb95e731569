"""What a report was read from, followed through three attentions of a model that writes from queries.

    a word  --cross-attention of the decoder-->  memory tokens: whole film, pooled tokens, words of the indication
    a pooled token  --pooling-->  queries  --their maps-->  patches of each film

The whole-film token has no place on the film: what was read of it is a share, not a map. For the pooled tokens the
product of the three says along which ways a place could have reached a word, and how wide they were. It is not what
moved the word: values, residual paths, the gate and what the decoder remembers of its own words are not in it, and the
decoder's attention is a mean over its layers and heads. Where the maps of all sentences are alike, the product says
what this model reads of any film, and nothing of a sentence: `likeness` is printed beside them.

Shapes: T words, M memory tokens, K pooled tokens, Q queries, V films, h w patches, S sentences.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Look:
    """Where one query looked. `maps` holds one float32 [h, w] a film, together the shares of one attention."""

    name: str
    probability: float | None  # of a finding; a part of the chest has none
    threshold: float | None
    maps: tuple[np.ndarray, ...]
    scores: dict[str, float] | None = None  # pointing_game and iou, where it is known to lie on one of the films

    @property
    def spread(self) -> float:
        """The share of the patches that it in effect looked at: exp(entropy) over the patches of all films, (0, 1]."""
        return spread(self.maps)

    @property
    def of_films(self) -> tuple[float, ...]:
        """The share of the attention on each film."""
        total = sum(float(one.sum()) for one in self.maps)
        return tuple(float(one.sum()) / total for one in self.maps)


@dataclass(frozen=True)
class WordRead:
    """One written word, and how much the step that said it read of each memory token; the three add up to 1."""

    text: str
    whole: float
    pooled: tuple[float, ...]
    note: float


@dataclass(frozen=True)
class SentenceRead:
    """One written sentence; what it read is the mean of its words."""

    section: str
    text: str
    confidence: float
    words: tuple[WordRead, ...]
    maps: tuple[np.ndarray, ...]  # one float32 [h, w] a film; together they sum to the share of the pooled tokens

    @property
    def whole(self) -> float:
        """The share read of the whole-film token."""
        return float(np.mean([word.whole for word in self.words]))

    @property
    def note(self) -> float:
        """The share read of the indication's words."""
        return float(np.mean([word.note for word in self.words]))

    @property
    def pooled(self) -> float:
        """The share read of the pooled tokens."""
        return 1 - self.whole - self.note


def spread(maps: Sequence[np.ndarray]) -> float:
    """exp(entropy) of an attention over its places, as a share of them: 1 for an even map, 1 / places for one place."""
    shares = np.concatenate([np.ravel(one) for one in maps]).astype(float)
    shares = shares / shares.sum()
    return float(np.exp(-np.sum(shares * np.log(np.maximum(shares, 1e-300)))) / len(shares))


def in_even_shares(maps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each place as a multiple of an even share over all places of all films."""
    total, places = sum(float(one.sum()) for one in maps), sum(one.size for one in maps)
    return [np.asarray(one, np.float32) * places / max(total, 1e-12) for one in maps]


def where_read(reads_TM: np.ndarray, looked_KQ: np.ndarray, maps_QVhw: np.ndarray) -> np.ndarray:
    """float32 [T, V, h, w]: the share that each word read of each place, through the pooled tokens and the queries.

    Memory tokens are the whole film, the K pooled ones, and what comes after them; a word's map sums to the share that
    it read of the pooled ones.
    """
    pooled = len(looked_KQ)
    read_TQ = reads_TM[:, 1 : 1 + pooled] @ looked_KQ
    return np.einsum("tq,qvhw->tvhw", read_TQ, maps_QVhw).astype(np.float32)


def likeness(maps: Sequence[Sequence[np.ndarray]]) -> float | None:
    """The mean cosine of pairs of maps, 1 where all are the same; None for fewer than two."""
    flat = [np.concatenate([np.ravel(one) for one in films]).astype(float) for films in maps]
    pairs = [
        float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-300))
        for one, other in itertools.combinations(flat, 2)
    ]
    return float(np.mean(pairs)) if pairs else None
