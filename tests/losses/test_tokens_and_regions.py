"""Smoothing is applied, and attention is drawn to where a region is known to lie."""

from __future__ import annotations

import math

import torch

from medley.losses.regions import attention_sum, on_grid
from medley.losses.tokens import token_sum


def test_token_sum_by_hand_and_only_over_targets():
    logits = torch.tensor([[[2.0, 0.0, 0.0], [9.0, 0.0, 0.0]]])
    words, is_target = torch.tensor([[0, -100]]), torch.tensor([[True, False]])
    logs = logits[0, 0].log_softmax(0)
    assert math.isclose(token_sum(logits, words, is_target).item(), -logs[0].item(), rel_tol=1e-6)
    smoothed = -(0.9 * logs[0] + 0.1 * logs.mean())
    assert math.isclose(token_sum(logits, words, is_target, 0.1).item(), smoothed.item(), rel_tol=1e-6)


def test_attention_is_best_evenly_on_its_region():
    places = torch.full((1, 2, 2, 4, 4), torch.nan)  # one study, frontal and lateral, two regions
    places[0, 0, 0] = 0.0
    places[0, 0, 0, :2] = 1.0  # region 0: the upper half of the frontal; region 1 is not known
    even = torch.zeros(1, 2, 2, 2, 2)
    even[0, 0, 0, 0] = 0.5
    astray = torch.full((1, 2, 2, 2, 2), 1 / 8)
    assert attention_sum(even, places).item() < 1e-6
    assert math.isclose(attention_sum(astray, places).item(), math.log(4), rel_tol=1e-5)


def test_a_region_on_a_view_that_was_not_read_teaches_nothing():
    places = torch.full((1, 2, 1, 4, 4), torch.nan)
    places[0, 0, 0] = 1.0
    lateral_only = torch.zeros(1, 1, 2, 2, 2)
    lateral_only[0, 0, 1] = 0.25
    assert attention_sum(lateral_only, places).item() == 0.0


def test_on_grid_averages_and_keeps_what_is_not_known():
    places = torch.zeros(1, 1, 1, 4, 4)
    places[..., :2, :2], places[..., 3, 3] = 1.0, torch.nan
    pooled = on_grid(places, (2, 2))[0, 0, 0]
    assert pooled[0].tolist() == [1.0, 0.0]
    assert pooled[1, 1].isnan()
    places[..., 1, 1] = 0.0
    assert on_grid(places, (2, 2))[0, 0, 0, 0, 0] == 0.75
    densest = on_grid(places, (2, 2), most=True)[0, 0, 0]
    assert densest[0].tolist() == [1.0, 0.0]
    assert densest[1, 1].isnan()
