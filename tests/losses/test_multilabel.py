"""Losses against values computed by hand, and the two rules of a mask: no value, no gradient."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from medley.core.labels import CHEXPERT_14
from medley.losses import multilabel as losses

NAN = math.nan
LOSSES = {
    "bce": losses.bce,
    "weighted": partial(losses.weighted_bce, prevalence=[0.5, 0.2, 0.1]),
    "asymmetric": losses.asymmetric,
    "focal": losses.focal,
}


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def one(loss, p: float, target: float) -> float:
    return float(loss(torch.tensor([[logit(p)]]), torch.tensor([[target]])))


@pytest.mark.parametrize("name", LOSSES)
def test_an_unknown_target_has_neither_value_nor_gradient(name):
    logits = torch.tensor([[0.3, -1.0, 2.0], [1.0, 80.0, -80.0]], requires_grad=True)
    targets = torch.tensor([[1.0, NAN, 0.0], [NAN, NAN, 1.0]])
    total = losses.masked_sum(LOSSES[name], logits, targets)
    total.backward()
    assert total.isfinite()
    assert (logits.grad[targets.isnan()] == 0).all()
    assert (logits.grad[~targets.isnan()] != 0).all()
    moved = logits.detach().clone()
    moved[targets.isnan()] = -3.0
    assert losses.masked_sum(LOSSES[name], moved, targets) == total.detach()


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_finite_with_its_gradient_at_extreme_logits(name):
    logits = torch.tensor([[60.0, -60.0, 0.0], [-200.0, 200.0, 30.0]], requires_grad=True)
    total = losses.masked_sum(LOSSES[name], logits, torch.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]))
    total.backward()
    assert total.isfinite()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_the_right_answer_costs_less(name):
    for target in (0.0, 1.0):
        cost = [float(LOSSES[name](torch.full((1, 3), x), torch.full((1, 3), target)).sum()) for x in (-2.0, 2.0)]
        assert (cost[1] < cost[0]) == (target == 1.0)


def test_nothing_known_is_zero_and_not_nan():
    assert losses.masked_sum(losses.bce, torch.randn(2, 3), torch.full((2, 3), NAN)) == 0


def test_bce_by_hand():
    assert one(losses.bce, 0.8, 1.0) == pytest.approx(-math.log(0.8), rel=1e-5)
    assert one(losses.bce, 0.8, 0.6) == pytest.approx(-0.6 * math.log(0.8) - 0.4 * math.log(0.2), rel=1e-5)


def test_weighted_bce_by_hand_and_its_cap():
    for prevalence, weight in ((0.2, 4.0), (0.5, 1.0), (0.001, 20.0), (0.0, 20.0)):
        loss = partial(losses.weighted_bce, prevalence=[prevalence])
        assert one(loss, 0.3, 1.0) == pytest.approx(-weight * math.log(0.3), rel=1e-5)
        assert one(loss, 0.3, 0.0) == pytest.approx(-math.log(0.7), rel=1e-5)


def test_weighted_bce_weighs_each_column_by_its_own_label():
    cost = losses.weighted_bce(torch.zeros(1, 2), torch.ones(1, 2), prevalence=[0.5, 0.2])
    assert (cost[0, 1] / cost[0, 0]).item() == pytest.approx(4.0)


def test_focal_by_hand():
    assert one(losses.focal, 0.7, 1.0) == pytest.approx(-0.25 * 0.3**2 * math.log(0.7), rel=1e-5)
    assert one(losses.focal, 0.7, 0.0) == pytest.approx(-0.75 * 0.7**2 * math.log(0.3), rel=1e-5)


def test_asymmetric_by_hand_and_drops_very_easy_negatives():
    assert one(losses.asymmetric, 0.7, 1.0) == pytest.approx(-0.3 * math.log(0.7), rel=1e-5)
    assert one(losses.asymmetric, 0.7, 0.0) == pytest.approx(-(0.65**4) * math.log(0.35), rel=1e-5)
    logits = torch.tensor([[logit(0.04)]], requires_grad=True)
    losses.asymmetric(logits, torch.zeros(1, 1)).sum().backward()
    assert logits.grad.item() == 0, "below the clip a negative is dropped"


@pytest.mark.parametrize(
    ("target", "wanted"), [(0.0, (1, 0, 0)), (1.0, (0, 1, 0)), (-1.0, (0, 0, 1)), (0.7, (0.3, 0.7, 0))]
)
def test_three_class_is_cross_entropy_with_uncertain_as_a_class(target, wanted):
    logits = torch.tensor([[[0.2, -1.0, 0.7]]])
    expected = -(torch.tensor(wanted) * logits[0, 0].log_softmax(-1)).sum()
    torch.testing.assert_close(losses.three_class(logits, torch.tensor([[target]]))[0, 0], expected)


def test_three_class_keeps_to_the_mask():
    logits = torch.randn(1, 2, 3, requires_grad=True)
    losses.masked_sum(losses.three_class, logits, torch.tensor([[NAN, -1.0]])).backward()
    assert (logits.grad[0, 0] == 0).all()
    assert (logits.grad[0, 1] != 0).all()


def test_the_hierarchy_penalty_is_zero_exactly_where_the_order_holds():
    labels = ("Lung Opacity", "Edema", "Fracture")
    ordered = torch.tensor([[logit(0.6), logit(0.5), 3.0]])
    assert losses.hierarchy_penalty(ordered, labels) == 0
    assert losses.hierarchy_penalty(torch.tensor([[0.4, 0.4, 3.0]]), labels) == 0
    broken = torch.tensor([[logit(0.2), logit(0.5), 3.0], [logit(0.6), logit(0.5), -3.0]], requires_grad=True)
    penalty = losses.hierarchy_penalty(broken, labels)
    assert penalty.item() == pytest.approx(0.3, abs=1e-6)
    penalty.backward()
    assert broken.grad[0, 0] < 0 < broken.grad[0, 1]
    assert (broken.grad[1] == 0).all()


def test_pairs_follow_the_label_list_wherever_the_columns_stand():
    names = tuple(reversed(CHEXPERT_14))
    pairs = {(names[child], names[parent]) for child, parent in losses.hierarchy_pairs(names)}
    assert ("Pneumonia", "Consolidation") in pairs
    assert ("Cardiomegaly", "Enlarged Cardiomediastinum") in pairs
    assert len(pairs) == 7
    assert losses.hierarchy_pairs(("Edema", "Fracture")) == []


def test_kl_is_zero_at_equality_and_pulls_one_way_only():
    a = torch.tensor([[0.5, -2.0]], requires_grad=True)
    b = torch.tensor([[0.5, 1.0]], requires_grad=True)
    kl = losses.bernoulli_kl(a, b)
    p, q = torch.sigmoid(torch.tensor(1.0)).item(), torch.sigmoid(torch.tensor(-2.0)).item()
    assert kl[0, 0].item() == pytest.approx(0, abs=1e-7)
    assert kl[0, 1].item() == pytest.approx(p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)), rel=1e-5)
    kl.sum().backward()
    assert b.grad is None
    assert a.grad[0, 1] < 0, "the lower logit is pulled up"
    assert losses.bernoulli_kl(torch.tensor([[90.0]]), torch.tensor([[-90.0]])).isfinite().all()


def test_the_first_labels_together_weigh_as_much_as_the_others():
    logits = torch.randn(4, 5, requires_grad=True)
    targets = torch.randint(0, 2, (4, 5)).float()
    targets[0, 0] = targets[1, 3] = NAN
    apart = losses.bce(logits.detach(), targets.nan_to_num(0.0)).masked_fill(targets.isnan(), 0.0)
    total = losses.grouped_sum(logits, targets, first=2)
    assert float(total.detach()) == pytest.approx(float(1.5 * apart[:, :2].sum() + apart[:, 2:].sum()), rel=1e-6)
    assert float(losses.grouped_count(targets, first=2)) == pytest.approx(1.5 * 7 + 11)
    whole = torch.ones(4, 5)
    assert float(losses.grouped_count(whole, 2)) == 24, "12 of each"
    total.backward()
    assert (logits.grad[targets.isnan()] == 0).all()
