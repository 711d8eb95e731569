"""Thresholds are the best F1 of the dev part, and a record of where they come from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, recall_score

from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation.fitted.thresholds import Thresholds, fit_thresholds, max_f1_threshold


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_has_a_higher_f1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random(80) < 0.3).astype(float)
    scores = np.round(labels * 0.3 + rng.random(80) * 0.7, 1 + seed % 2)  # with ties
    best = f1_score(labels, scores >= max_f1_threshold(labels, scores))
    assert best == max(f1_score(labels, scores >= t, zero_division=0) for t in np.linspace(-0.05, 1.05, 111))


def test_every_head_gets_its_own_and_the_record_names_cases_and_patients(make) -> None:
    dev = make(60, "dev")
    thresholds = fit_thresholds(dev)
    assert set(thresholds.values) == {"fused", "image_only", "text_only"}
    assert thresholds.values["fused"]["Edema"] != thresholds.values["text_only"]["Edema"]
    assert thresholds.case_ids == tuple(p.case_id for p in dev)
    assert len(thresholds.patient_ids) == 30
    assert thresholds.seen_in(["dev-patient3", "someone else"]) == ["dev-patient3"]


def test_few_positives_give_null_with_the_reason(make) -> None:
    thresholds = fit_thresholds(make(60, "dev"))
    value, why = thresholds.of("fused", "Fracture")
    assert value is None
    assert "positives to fit a threshold on; it needs 5" in str(why)
    assert thresholds.of("fused", "Mass") == (None, "no threshold was fitted for Mass of head fused")


def test_round_trip_through_json(make) -> None:
    thresholds = fit_thresholds(make(60, "dev"))
    assert Thresholds.from_json(json.loads(json.dumps(thresholds.to_json()))) == thresholds


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"value": {}}, "did you mean 'values'"),
        ({"patient_ids": None}, "patient_ids"),
        ({"values": {"fused": {"Edema": float("nan")}}}, "Edema"),
        ({"metric": "best"}, "metric"),
    ],
)
def test_a_damaged_record_is_refused_by_key(make, change: dict, says: str) -> None:
    content = fit_thresholds(make(60, "dev")).to_json() | change
    with pytest.raises(MedleyError, match=says) as error:
        Thresholds.from_json(content, "run/thresholds.json")
    assert "run/thresholds.json" in str(error.value)


def test_a_record_without_its_patients_is_refused(make) -> None:
    content = fit_thresholds(make(60, "dev")).to_json()
    del content["patient_ids"]
    with pytest.raises(MedleyError, match="'patient_ids' is required"):
        Thresholds.from_json(content)
    with pytest.raises(MedleyError, match="an object"):
        Thresholds.from_json([1])


def test_no_predictions_is_an_error() -> None:
    with pytest.raises(MedleyError, match="no predictions"):
        fit_thresholds([])


def dev_arrays(dev, label: str) -> tuple[np.ndarray, np.ndarray]:
    known = [(p.labels[label], p.scores[label]) for p in dev if p.labels[label] is not None]
    return tuple(np.array(known).T)


def test_no_other_threshold_has_a_higher_youden_index(make) -> None:
    dev = make(80, "dev")
    thresholds = fit_thresholds(dev, "youden")
    assert thresholds.describe() == "youden"
    labels, scores = dev_arrays(dev, "Edema")

    def youden(cut: float) -> float:
        return balanced_accuracy_score(labels, scores >= cut)  # (J + 1) / 2

    best = youden(thresholds.values["fused"]["Edema"])
    assert best == pytest.approx(max(youden(cut) for cut in np.r_[scores, 2]), abs=1e-12)


@pytest.mark.parametrize("asked", [0.5, 0.9, 1.0])
def test_a_fixed_sensitivity_is_the_highest_threshold_that_finds_the_share(make, asked: float) -> None:
    dev = make(80, "dev")
    thresholds = fit_thresholds(dev, "sensitivity", asked)
    assert thresholds.describe() == f"sensitivity {asked:g}"
    labels, scores = dev_arrays(dev, "Edema")
    cut = thresholds.values["fused"]["Edema"]
    assert recall_score(labels, scores >= cut) >= asked
    assert recall_score(labels, scores >= min(s for s in [*scores, 2] if s > cut)) < asked


def test_nine_of_ten_are_a_share_of_nine_tenths() -> None:
    dev = [
        Prediction(f"c{i}", f"p{i}", "chest_findings", {"Edema": (i + 1) / 20}, {"Edema": int(i >= 10)})
        for i in range(20)
    ]
    assert fit_thresholds(dev, "sensitivity", 0.9).values["fused"]["Edema"] == 12 / 20
    assert fit_thresholds(dev, "sensitivity", 0.91).values["fused"]["Edema"] == 11 / 20


def test_all_scores_equal_give_no_threshold(make) -> None:
    dev = [replace(p, scores=dict.fromkeys(p.scores, 0.5)) for p in make(60, "dev")]
    value, why = fit_thresholds(dev).of("fused", "Edema")
    assert (value, why) == (None, "all scores that a threshold could be fitted on are equal")


def test_unknown_metrics_and_sensitivities_are_refused(make) -> None:
    with pytest.raises(MedleyError, match="unknown metric 'max_f2'; did you mean 'max_f1'"):
        fit_thresholds(make(10), "max_f2")
    for wrong in (0, 1.1, float("nan")):
        with pytest.raises(MedleyError, match="sensitivity is"):
            fit_thresholds(make(10), "sensitivity", wrong)
