"""Words add up to what the note changed; a map that is true to the model makes its answer fall first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from medley.core.errors import MedleyError
from medley.explain.perturbation import deletion_insertion
from medley.explain.words import strongest, word_gradients

PAD, CLS, SEP = 0, 1, 2


@dataclass(frozen=True)
class Notes:
    words_BL: torch.Tensor
    is_word_BL: torch.Tensor

    def __len__(self) -> int:
        return len(self.words_BL)


class Reader(nn.Module):
    """log-odds = tanh of the sum of a number a word; the table's rows are the numbers, so the truth is known."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(20, 4, padding_idx=PAD)
        nn.init.zeros_(self.table.weight)
        with torch.no_grad():
            self.table.weight[7], self.table.weight[9] = 0.9, -0.3

    def forward(self, batch: Notes):
        states_BLD = self.table(batch.words_BL) * batch.is_word_BL[..., None]
        logits_BC = torch.stack([states_BLD.sum((1, 2)).tanh(), states_BLD.sum((1, 2)) * 2], dim=1)

        class Read:
            def binary(self, head):
                return logits_BC

        return Read()


def notes() -> Notes:
    words = torch.tensor([[CLS, 5, 7, 9, SEP, PAD, PAD], [CLS, 5, SEP, PAD, PAD, PAD, PAD]])
    return Notes(words, words != PAD)


def test_words_get_their_share_and_add_up():
    model, batch = Reader(), notes()
    stays = torch.isin(batch.words_BL[0], torch.tensor([CLS, SEP, PAD]))
    linear = word_gradients(model, batch, 0, 1, model.table, stays, PAD)
    assert linear.tokens == pytest.approx((0, 0, 7.2, -2.4, 0, 0, 0), abs=1e-5)
    curved = word_gradients(model, batch, 0, 0, model.table, stays, PAD)
    assert sum(curved.tokens) == pytest.approx(curved.note - curved.empty, abs=0.01)
    assert abs(curved.error) < 0.01
    assert curved.empty == 0
    assert curved.note == pytest.approx(np.tanh(2.4), abs=1e-6)
    assert curved.tokens[2] == pytest.approx(-3 * curved.tokens[3], rel=1e-4)


def test_a_study_without_a_note_has_no_words_to_explain():
    model, batch = Reader(), notes()
    silent = Notes(batch.words_BL, torch.zeros_like(batch.is_word_BL))
    with pytest.raises(MedleyError, match="this study has no note"):
        word_gradients(model, silent, 0, 0, model.table, torch.zeros(7, dtype=torch.bool), PAD)


def test_the_strongest_words_either_way_and_no_bare_punctuation():
    words = {"a": 0.1, "fell": -0.5, ".": 0.9, "3rd": 0.2}
    assert strongest(words, 2) == {"fell": -0.5, "3rd": 0.2}


def test_a_true_map_deletes_low_and_inserts_high():
    """The answer rests on the detail of one corner."""
    film = torch.rand(32, 32, generator=torch.Generator().manual_seed(0))

    def probability(films_RHW: torch.Tensor) -> torch.Tensor:
        there = films_RHW[:, :8, :8]
        return (there.std((1, 2)) / film[:8, :8].std()).clamp(0, 1)

    right, wrong = np.zeros((4, 4)), np.zeros((4, 4))
    right[0, 0] = wrong[3, 3] = 1
    good, bad = (deletion_insertion(probability, film, one, "study") for one in (right, wrong))
    assert good["deletion"] < 0.3 < 0.6 < bad["deletion"]
    assert good["insertion"] > 0.8
    assert bad["insertion"] < good["insertion"] - 0.3
    assert deletion_insertion(probability, film, right, "study") == good
    even = deletion_insertion(probability, film, np.ones((4, 4)), "study")
    assert even != deletion_insertion(probability, film, np.ones((4, 4)), "another"), "ties are drawn, keyed"


def test_an_answer_that_never_changes_scores_itself():
    same = deletion_insertion(lambda films: torch.full((len(films),), 0.25), torch.rand(16, 16), np.eye(4), 1)
    assert same == pytest.approx({"deletion": 0.25, "insertion": 0.25})
