"""Attention over tokens is an attention: it heeds the query, the keys and the padding, and refuses a lone key."""

from __future__ import annotations

import pytest
import torch

from medley.fusion.cross_attention import Bidirectional, CrossAttention

B, Q, K, D = 2, 5, 7, 16


@pytest.fixture
def layer() -> CrossAttention:
    torch.manual_seed(0)
    return CrossAttention(D, heads=4, dropout=0.0).eval()


def test_a_lone_key_is_refused_and_said_why(layer):
    with pytest.raises(ValueError, match=r"needs two keys or more, got 1.*pass tokens"):
        layer(torch.randn(B, Q, D), torch.randn(B, 1, D))


def test_rows_sum_to_one_and_vary_with_query_and_keys(layer):
    queries, keys = torch.randn(B, Q, D), torch.randn(B, K, D)
    _, weights = layer(queries, keys)
    assert weights.shape == (B, 4, Q, K)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, 4, Q))
    _, other_queries = layer(torch.randn(B, Q, D), keys)
    _, other_keys = layer(queries, torch.randn(B, K, D))
    assert (weights - other_queries).abs().max() > 1e-3
    assert (weights - other_keys).abs().max() > 1e-3


def test_padding_gets_no_weight_and_has_no_say(layer):
    queries, keys = torch.randn(B, Q, D), torch.randn(B, K, D)
    is_key = torch.ones(B, K, dtype=torch.bool)
    is_key[1, 4:] = False
    out, weights = layer(queries, keys, is_key)
    assert (weights[1, :, :, 4:] == 0).all()
    assert (weights[0] > 0).all()
    keys[1, 4:] = 1e3
    torch.testing.assert_close(layer(queries, keys, is_key)[0], out)
    torch.testing.assert_close(layer(queries[1:], keys[1:, :4])[0], out[1:])


def test_swapping_keys_permutes_the_map_and_leaves_the_answer(layer):
    queries, keys = torch.randn(B, Q, D), torch.randn(B, K, D)
    out, weights = layer(queries, keys)
    order = torch.randperm(K)
    out_swapped, weights_swapped = layer(queries, keys[:, order])
    torch.testing.assert_close(weights_swapped, weights[..., order])
    torch.testing.assert_close(out_swapped, out)


def test_query_and_key_weights_learn(layer):
    """With a lone key their gradient would be zero: the defect this layer refuses."""
    layer(torch.randn(B, Q, D), torch.randn(B, K, D))[0].pow(2).sum().backward()
    query, key, value = layer.attention.in_proj_weight.grad.chunk(3)
    assert min(query.abs().max(), key.abs().max(), value.abs().max()) > 0


def test_both_sides_read_each_other_as_they_were_before_the_layer():
    torch.manual_seed(0)
    both = Bidirectional(D, heads=4, layers=1, dropout=0.0).eval()
    patches, words = torch.randn(B, K, D), torch.randn(B, Q, D)
    is_patch, is_word = torch.ones(B, K, dtype=torch.bool), torch.ones(B, Q, dtype=torch.bool)
    new_patches, new_words, over_words, over_patches = both(patches, words, is_patch, is_word)
    assert over_words.shape == (B, 4, K, Q)
    assert over_patches.shape == (B, 4, Q, K)
    torch.testing.assert_close(new_patches, both.patches_read[0](patches, words)[0])
    torch.testing.assert_close(new_words, both.words_read[0](words, patches)[0])
    changed = words.clone()
    changed[:, 0] *= -1
    assert (both(patches, changed, is_patch, is_word)[0] - new_patches).abs().max() > 1e-4
