"""What a report was read from, followed through three attentions of a model that writes from queries.

    a word  --cross-attention of the decoder-->  memory tokens: whole film, pooled tokens, states of the queries where
                                                 the decoder has them, words of the indication
    a pooled token  --pooling-->  queries  --their maps-->  patches of each film

The whole-film token has no place on the film: what was read of it is a share, not a map. For the others the product of
the three says along which ways a place could have reached a word, and how wide they were. It is not what moved the
word: values, residual paths, the gate and what the decoder remembers of its own words are not in it, and the decoder's
attention is a mean over its layers and heads. Where the maps of all sentences are alike, the product says what this
model reads of any film, and nothing of a sentence: `likeness` is printed beside them.

Shapes: T words, M memory tokens, K tokens made of queries, Q queries, V films, h w patches, S sentences.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    """One written word, and how much the step that said it read of each memory token; all together 1."""

    text: str
    whole: float
    pooled: tuple[float, ...]
    states: tuple[float, ...]  # of the queries, by themselves; empty where the decoder does not have them
    note: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        by_token = {"pooled": list(self.pooled), "states": list(self.states)}
        return {"word": self.text, "whole_film": self.whole, **by_token, "indication": self.note}


@dataclass(frozen=True)
class SentenceRead:
    """One written sentence; what it read is the mean of its words."""

    section: str
    text: str
    confidence: float
    words: tuple[WordRead, ...]
    queries: Mapping[str, float]  # name -> share that was read of it, through pooled tokens or as it is
    maps: tuple[np.ndarray, ...]  # one float32 [h, w] a film; together they sum to `found`

    @property
    def whole(self) -> float:
        """The share read of the whole-film token."""
        return float(np.mean([word.whole for word in self.words]))

    @property
    def note(self) -> float:
        """The share read of the indication's words."""
        return float(np.mean([word.note for word in self.words]))

    @property
    def found(self) -> float:
        """The share read of what the queries found."""
        return 1 - self.whole - self.note


@dataclass(frozen=True)
class Followed:
    """The three attentions of one study's report. `looked_KQ`: the first `pooled` of the K tokens are mixtures of
    queries, the others the queries as they are. `names` are those of the queries."""

    reads_TM: np.ndarray  # by the step that says each word
    looked_KQ: np.ndarray
    maps_QVhw: np.ndarray
    pooled: int
    names: tuple[str, ...]

    def sentence(self, section: str, text: str, confidence: float, words: Sequence[tuple[str, slice]]) -> SentenceRead:
        """A sentence of these words, each with the steps that said its pieces."""
        reads_WM = np.stack([self.reads_TM[steps].mean(0) for _, steps in words])
        found = [self._word(word, reads_M) for (word, _), reads_M in zip(words, reads_WM, strict=True)]
        read_Q = read_of_queries(reads_WM, self.looked_KQ).mean(0)
        maps_Vhw = np.einsum("q,qvhw->vhw", read_Q, self.maps_QVhw).astype(np.float32)
        queries = dict(zip(self.names, read_Q.tolist(), strict=True))
        return SentenceRead(section, text, confidence, tuple(found), queries, tuple(maps_Vhw))

    def _word(self, word: str, reads_M: np.ndarray) -> WordRead:
        whole, *rest = reads_M.tolist()
        tokens = len(self.looked_KQ)
        pooled, states, note = rest[: self.pooled], rest[self.pooled : tokens], rest[tokens:]
        return WordRead(word, whole, tuple(pooled), tuple(states), sum(note))


def spread(maps: Sequence[np.ndarray]) -> float:
    """exp(entropy) of an attention over its places, as a share of them: 1 for an even map, 1 / places for one place."""
    shares = np.concatenate([np.ravel(one) for one in maps]).astype(float)
    shares = shares / shares.sum()
    return float(np.exp(-np.sum(shares * np.log(np.maximum(shares, 1e-300)))) / len(shares))


def in_even_shares(maps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each place as a multiple of an even share over all places of all films."""
    total, places = sum(float(one.sum()) for one in maps), sum(one.size for one in maps)
    return [np.asarray(one, np.float32) * places / max(total, 1e-12) for one in maps]


def read_of_queries(reads_TM: np.ndarray, looked_KQ: np.ndarray) -> np.ndarray:
    """[T, Q]: the share that each word read of each query, through the K tokens that are made of queries.

    Memory tokens are the whole film, those K, and what comes after them; a row sums to the share read of the K.
    """
    return reads_TM[:, 1 : 1 + len(looked_KQ)] @ looked_KQ


def likeness(maps: Sequence[Sequence[np.ndarray]]) -> float | None:
    """The mean cosine of pairs of maps, 1 where all are the same; None for fewer than two."""
    flat = [np.concatenate([np.ravel(one) for one in films]).astype(float) for films in maps]
    pairs = [
        float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-300))
        for one, other in itertools.combinations(flat, 2)
    ]
    return float(np.mean(pairs)) if pairs else None
