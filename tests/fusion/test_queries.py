"""A label's query reads the tokens and says where."""

from __future__ import annotations

import torch

from medley.fusion.queries import LabelQueries

B, C, K, D = 2, 3, 8, 16


def test_each_label_has_a_map_of_its_own_that_sums_to_one():
    torch.manual_seed(0)
    queries = LabelQueries(C, D, heads=4, layers=2, dropout=0.0).eval()
    with torch.no_grad():
        queries.queries_CD.normal_()
    is_token = torch.ones(B, K, dtype=torch.bool)
    is_token[0, 5:] = False
    states, maps = queries(torch.randn(B, K, D), is_token)
    assert states.shape == (B, C, D)
    assert maps.shape == (B, C, K)
    torch.testing.assert_close(maps.sum(-1), torch.ones(B, C))
    assert (maps[0, :, 5:] == 0).all()
    assert (maps[1, 0] - maps[1, 1]).abs().max() > 1e-3, "two labels look at two places"
    assert (maps[0, 0, :5] - maps[1, 0, :5]).abs().max() > 1e-3, "and a label elsewhere on another film"


def test_the_map_moves_with_the_patch_that_it_likes():
    torch.manual_seed(0)
    queries = LabelQueries(1, D, heads=2, layers=1, dropout=0.0).eval()
    tokens = torch.randn(1, K, D) * 0.01
    liked = torch.randn(D)
    tokens[0, 2] += 5 * liked
    is_token = torch.ones(1, K, dtype=torch.bool)
    _, before = queries(tokens, is_token)
    order = torch.tensor([2, 1, 0, 3, 4, 5, 6, 7])
    _, after = queries(tokens[:, order], is_token)
    torch.testing.assert_close(after[0, 0, 0], before[0, 0, 2])
    torch.testing.assert_close(after, before[..., order])
