"""Label policies: -1 and blank stay two questions, answers are keyed, mistakes are named."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.data.policies import CHEXPERT_POLICY, LabelPolicy, apply

NAMES = ("Edema", "Cardiomegaly", "Fracture", "Pneumonia")
CASE = {"Edema": -1.0, "Cardiomegaly": 1.0, "Fracture": 0.0, "Pneumonia": math.nan}


def targets(policy: LabelPolicy, seed: int = 0, case_id: str = "a") -> list[float]:
    return apply(CASE, NAMES, policy, seed, case_id).tolist()


@pytest.mark.parametrize(("uncertain", "edema"), [("ignore", math.nan), ("zeros", 0), ("ones", 1), ("multiclass", -1)])
@pytest.mark.parametrize(("blank", "pneumonia"), [("mask", math.nan), ("negative", 0)])
def test_uncertain_and_blank_are_two_questions(uncertain, edema, blank, pneumonia):
    found = apply(CASE, NAMES, LabelPolicy(uncertain, blank), 0, "a")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([edema, 1, 0, pneumonia], np.float32))


def test_the_neutral_policy_invents_nothing():
    found = targets(LabelPolicy())
    assert [math.isnan(value) for value in found] == [True, False, False, True]


@pytest.mark.parametrize(("policy", "low", "high"), [("smooth_ones", 0.55, 0.85), ("smooth_zeros", 0.0, 0.3)])
def test_smoothing_is_uniform_in_its_range_and_keyed(policy, low, high):
    draws = np.array([targets(LabelPolicy(policy), case_id=str(i))[0] for i in range(2000)])
    assert low <= draws.min() < draws.max() <= high
    assert draws.mean() == pytest.approx((low + high) / 2, abs=0.01)
    assert draws.std() == pytest.approx((high - low) / math.sqrt(12), abs=0.01)
    assert targets(LabelPolicy(policy))[:3] == targets(LabelPolicy(policy))[:3]
    assert targets(LabelPolicy(policy), seed=1)[0] != targets(LabelPolicy(policy), seed=2)[0]


def test_a_smoothed_target_does_not_depend_on_the_other_labels():
    policy = LabelPolicy("smooth_ones")
    assert apply(CASE, ("Edema",), policy, 0, "a")[0] == apply(CASE, NAMES[::-1], policy, 0, "a")[-1]


def test_policies_per_label_with_a_default_and_any_spelling():
    policy = LabelPolicy({"default": "ignore", "Pleural_Effusion": "ones"})
    found = apply({"Pleural Effusion": -1.0, "Edema": -1.0}, ("Pleural Effusion", "Edema"), policy, 0, "a")
    assert found[0] == 1
    assert math.isnan(found[1])
    assert CHEXPERT_POLICY.of("Edema") == "ones"
    assert CHEXPERT_POLICY.of("Consolidation") == "zeros"


def test_describe_is_equal_exactly_for_equal_policies():
    one = LabelPolicy({"Edema": "ones", "default": "zeros", "Fracture": "zeros"}, "negative")
    other = LabelPolicy({"default": "zeros", "Edema": "ones"}, "negative")
    assert one.describe() == other.describe() == "uncertain zeros, Edema: ones; blank negative"
    assert LabelPolicy("zeros").describe() != LabelPolicy("zeros", "negative").describe()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelPolicy("one"), "did you mean 'ones'"),
        (lambda: LabelPolicy({"default": "zeros", "Edema": "smooth"}), r"\(Edema\) 'smooth'; did you mean 'smooth_"),
        (lambda: LabelPolicy(blank="negativ"), "did you mean 'negative'"),
        (lambda: LabelPolicy({"Edema": "ones"}), "need a 'default'"),
        (lambda: LabelPolicy({"default": "ones", "Effusion": "ones", "Pleural Effusion": "zeros"}), "stands twice"),
        (lambda: apply(CASE, NAMES, LabelPolicy({"default": "ones", "Edma": "ones"}), 0, "a"), "did you mean 'Edema'"),
        (lambda: apply({"Edema": 0.5}, NAMES, LabelPolicy(), 0, "a"), "'Edema' is 0.5"),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(MedleyError, match=message):
        make()


def test_a_policy_travels_to_workers():
    assert pickle.loads(pickle.dumps(CHEXPERT_POLICY)).describe() == CHEXPERT_POLICY.describe()
