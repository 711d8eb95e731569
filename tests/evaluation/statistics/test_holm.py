"""Holm's adjustment by hand, by simulation, and with tests that could not be made."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.evaluation.statistics import holm


def test_by_hand() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}  # 4 x .005, 3 x .01, 2 x .03, then not below the one before
    )


def test_one_test_is_left_alone_and_none_falls_or_passes_1() -> None:
    assert holm({"only": 0.04}) == {"only": 0.04}
    assert holm({1: 0.9, 2: 0.9}) == {1: 1.0, 2: 1.0}
    assert holm({}) == {}
    rng = np.random.default_rng(0)
    p_values = dict(enumerate(rng.random(30)))
    adjusted = holm(p_values)
    assert all(adjusted[k] >= p for k, p in p_values.items())
    order = sorted(p_values, key=p_values.get)
    assert [adjusted[k] for k in order] == sorted(adjusted.values())


def test_what_could_not_be_tested_stays_null_and_does_not_count() -> None:
    assert holm({"a": 0.02, "b": None, "c": 0.5}) == pytest.approx({"a": 0.04, "b": None, "c": 0.5})
    assert holm({"a": None}) == {"a": None}


def test_a_table_of_true_nulls_is_wrong_in_one_of_twenty() -> None:
    rng = np.random.default_rng(1)
    wrong = [min(holm(dict(enumerate(rng.random(15)))).values()) < 0.05 for _ in range(1000)]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused_by_name(p: float) -> None:
    with pytest.raises(MedleyError, match="Holm: the p of auroc_macro is"):
        holm({"auroc_macro": p})
