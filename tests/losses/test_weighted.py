"""Words that weigh more count more, and those that weigh nothing not at all."""

from __future__ import annotations

import torch

from medley.losses.tokens import token_sum
from medley.losses.weighted import weighted_token_sum


def test_it_is_the_plain_sum_where_all_words_weigh_the_same():
    logits, words = torch.randn(2, 5, 7), torch.randint(7, (2, 5))
    said = torch.rand(2, 5) < 0.6
    assert torch.allclose(weighted_token_sum(logits, words, said.float()), token_sum(logits, words, said))
    assert torch.allclose(weighted_token_sum(logits, words, 3.0 * said), 3 * token_sum(logits, words, said))


def test_a_word_of_no_weight_has_no_gradient_whatever_it_is():
    logits = torch.randn(1, 3, 4, requires_grad=True)
    weights = torch.tensor([[1.0, 0.0, 3.0]])
    weighted_token_sum(logits, torch.tensor([[1, -2, 3]]), weights).backward()
    assert not logits.grad[0, 1].any()
    assert logits.grad[0, 2].abs().sum() > 0
