"""Which words of the note moved the answer: integrated gradients over the note's tokens (Sundararajan et al. 2017).

The path goes from a note whose every token is [PAD], the tokenizer's word for nothing, to the note itself; what stands
at both ends ([CLS], [SEP]) stays. What the tokens are given adds up to log-odds(note) - log-odds(empty note); how far
the sum misses it is the error of the integral, and it is returned, never hidden. captum does the integration.

Shapes: B studies, L tokens, C labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.explain.surface import FilmModel, log_odds, rows

_STEPS = (32, 128, 512)  # more are taken until the error is small
_CLOSE = 0.01  # of the difference
_AT_ONCE = 32


@dataclass(frozen=True)
class WordShares:
    """What each token adds to the log-odds of one label, and how well the sum keeps its promise."""

    tokens: tuple[float, ...]  # one a token of the batch's row, 0 for what is no word
    note: float  # log-odds with the note
    empty: float  # log-odds with a note of padding
    error: float  # sum(tokens) - (note - empty)


def word_gradients(
    model: FilmModel, batch: Any, row: int, column: int, embedding: nn.Module, fixed_L: torch.Tensor, empty_id: int
) -> WordShares:
    """Integrated gradients of the label in `column` for one study of a batch with `words_BL` and `is_word_BL`.

    `embedding` is the text tower's table of words; `fixed_L` is True for tokens that stay. Raises MedleyError for a
    study without a note.
    """
    from captum.attr import LayerIntegratedGradients

    if not bool(batch.is_word_BL[row].any()):
        raise MedleyError("this study has no note: there are no words to explain")
    one = rows(batch, torch.tensor([row]))
    words_1L = one.words_BL
    empty_1L = torch.where(fixed_L.to(words_1L.device) | ~one.is_word_BL, words_1L, empty_id)

    def answer(words_RL: torch.Tensor) -> torch.Tensor:
        many = rows(one, torch.zeros(len(words_RL), dtype=torch.long))
        return log_odds(model, dataclasses.replace(many, words_BL=words_RL))[:, column]

    with torch.no_grad():
        note, empty = float(answer(words_1L)), float(answer(empty_1L))
    method = LayerIntegratedGradients(answer, embedding)
    for steps in _STEPS:
        parts_1LD = method.attribute(words_1L, empty_1L, n_steps=steps, internal_batch_size=_AT_ONCE)
        tokens_L = parts_1LD.detach().sum(-1)[0] * one.is_word_BL[0]
        error = float(tokens_L.sum()) - (note - empty)
        if abs(error) <= _CLOSE * max(abs(note - empty), 0.1):
            break
    return WordShares(tuple(tokens_L.tolist()), note, empty, error)


def strongest(words: Mapping[str, float], most: int) -> dict[str, float]:
    """The words that moved the answer most, either way, strongest first; bare punctuation is left out."""
    ordered = sorted((word for word in words if any(map(str.isalnum, word))), key=lambda word: -abs(words[word]))
    return {word: words[word] for word in ordered[:most]}
