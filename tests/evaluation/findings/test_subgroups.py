"""Subgroups: the same numbers as the subgroup scored alone, paired gaps, and a word on those that are small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import recall_score, roc_auc_score

from medley.core.records import Prediction
from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.findings.subgroups import AGE_BANDS, age_band
from medley.evaluation.fitted.calibration import fit_calibration
from medley.evaluation.fitted.thresholds import fit_thresholds
from medley.evaluation.scorecard.card import Protocol, Scorecard

MACRO = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")


def score(predictions: list[Prediction], **options) -> Scorecard:
    options = {"thresholds": None, "protocol": Protocol(), "provenance": {}, "floors": {}, "bootstrap": 200} | options
    return chest_findings_scorecard(predictions, **options)


def told(predictions: list[Prediction], **groups) -> list[Prediction]:
    """The predictions with their groups: a list a key, repeated."""
    return [
        replace(p, group={key: values[i % len(values)] for key, values in groups.items()})
        for i, p in enumerate(predictions)
    ]


@pytest.fixture
def worse_for_men(make) -> list[Prediction]:
    """Every second patient a man, for whom the scores are mostly noise."""
    women, men = make(200, "w"), make(200, "m", skill=0.5)
    return [*told(women, sex=["F"], age_years=[30, 50]), *told(men, sex=["M"], age_years=[30, 50])]


def test_a_subgroup_has_the_numbers_that_it_has_alone(make, worse_for_men) -> None:
    dev = make(200, "dev")
    fitted = {"thresholds": fit_thresholds(dev), "calibration": fit_calibration(dev)}
    group = score(worse_for_men, **fitted).subgroups["sex"].groups["M"]
    men = [p for p in worse_for_men if p.group["sex"] == "M"]
    alone = score(men, **fitted)
    assert (group.studies, group.patients, group.labels) == (200, 100, MACRO)
    for name, metric in group.metrics.items():
        label = name.partition("/")[2]
        other = alone.per_label["fused"][label].metrics[name.partition("/")[0]] if label else alone.metrics[name]
        assert metric.value == (None if other.value is None else pytest.approx(other.value, abs=1e-12)), name
        assert metric.n == other.n
    truth, scores = np.array([(p.labels["Edema"], p.scores["Edema"]) for p in men if p.labels["Edema"] is not None]).T
    assert group.metrics["auroc/Edema"].value == pytest.approx(roc_auc_score(truth, scores))
    called = scores >= fitted["thresholds"].values["fused"]["Edema"]
    assert group.metrics["recall/Edema"].value == pytest.approx(recall_score(truth, called))


def test_the_largest_gap_is_found_and_paired(worse_for_men) -> None:
    axis = score(worse_for_men).subgroups["sex"]
    gap = axis.largest_gap["auroc_macro"]
    assert (gap.better, gap.worse, gap.labels) == ("F", "M", MACRO)
    values = [axis.groups[name].metrics["auroc_macro"].value for name in "FM"]
    assert gap.difference.value == pytest.approx(values[0] - values[1])
    assert gap.difference.ci95[0] > 0
    assert gap.difference.n == 400


def test_a_gap_within_the_same_patients_is_narrower_than_two_intervals(make) -> None:
    """Each patient has a study on each side, with scores that are almost the same: what they share cancels."""
    made = make(200, unknown=0)
    twins = [replace(p, case_id=f"{p.case_id}b", group={"view": "AP"}) for p in made]
    rng = np.random.default_rng(0)
    twins = [replace(p, scores={n: 0.98 * s + 0.02 * rng.random() for n, s in p.scores.items()}) for p in twins]
    axis = score([*told(made, view=["PA"]), *twins]).subgroups["view"]
    low, high = axis.largest_gap["auroc_macro"].difference.ci95
    apart = axis.groups["PA"].metrics["auroc_macro"].ci95
    assert high - low < 0.5 * (apart[1] - apart[0])


def test_the_interval_of_the_widest_of_many_pairs_is_wider_than_that_of_one(make) -> None:
    """Groups drawn at random: the widest of ten pairs would often exclude 0 if its interval did not know."""
    excluded = 0
    for seed in range(10):
        test = make(300, seed=seed, heads=())
        rng = np.random.default_rng(seed)
        test = [replace(p, group={"source": "abcde"[rng.integers(5)]}) for p in test]
        gap = score(test, seed=seed).subgroups["source"].largest_gap["auroc_macro"].difference
        excluded += gap.ci95[0] > 0
    assert excluded <= 1


def test_labels_without_support_in_a_group_are_out_of_its_average_and_of_the_gap(make) -> None:
    test = told(make(200), sex=["F", "M"])
    no_edema = [replace(p, labels={**p.labels, "Edema": 0}) if p.group["sex"] == "M" else p for p in test]
    axis = score(no_edema).subgroups["sex"]
    assert "Edema" in axis.groups["F"].labels
    assert "Edema" not in axis.groups["M"].labels
    assert "Edema" not in axis.largest_gap["auroc_macro"].labels
    assert axis.groups["M"].metrics["auroc/Edema"].error == "no positive case"
    mean = np.mean([axis.groups["F"].metrics[f"auroc/{n}"].value for n in axis.largest_gap["auroc_macro"].labels])
    mean -= np.mean([axis.groups["M"].metrics[f"auroc/{n}"].value for n in axis.largest_gap["auroc_macro"].labels])
    assert axis.largest_gap["auroc_macro"].difference.value == pytest.approx(abs(mean))


def test_small_groups_are_shown_warned_of_and_held_against_no_other(make) -> None:
    test = [replace(p, group={"source": "tiny" if i < 12 else "big"}) for i, p in enumerate(make(200))]
    card = score(test)
    axis = card.subgroups["source"]
    assert axis.groups["tiny"].studies == 12
    assert axis.groups["tiny"].metrics["auroc_macro"].value is None
    assert axis.groups["tiny"].metrics["auroc_macro"].error == "no label has 10 positives and 10 negatives"
    assert axis.largest_gap["auroc_macro"].better is None
    assert axis.largest_gap["auroc_macro"].difference.error == "fewer than two subgroups of 50 studies"
    assert any("subgroups by source" in line and "tiny (12)" in line for line in card.warnings)


def test_who_states_no_group_is_counted_and_not_dropped_in_silence(make) -> None:
    test = [replace(p, group={"sex": "FM"[i % 2]} if i % 4 else {}) for i, p in enumerate(make(200))]
    card = score(test)
    axis = card.subgroups["sex"]
    assert (axis.not_stated, sum(group.studies for group in axis.groups.values())) == (50, 150)
    assert any("subgroups by sex leave out 50 studies" in line for line in card.warnings)
    assert any("no subgroups by age, view, source" in line for line in card.warnings)
    assert card.subgroups["view"].not_stated == 200


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (0, "0-17"),
        (17.9, "0-17"),
        (18, "18-39"),
        (np.float64(40), "40-59"),
        (np.int64(79), "60-79"),
        (80.0, "80+"),
        (120, "80+"),
        *((odd, None) for odd in (-1, 121, 300, float("nan"), float("inf"), "45Y", None, True)),
    ],
)
def test_age_bands(age: object, band: str | None) -> None:
    assert age_band(age) == band
    assert band is None or band in AGE_BANDS


def test_ages_that_are_none_are_named_and_nan_is_not_known(make) -> None:
    test = told(make(200), age_years=[30, 50, float("nan"), 300])
    card = score(test)
    assert card.subgroups["age"].not_stated == 100
    assert any("50 studies with an age_years that is no age" in w and "'t3' with 300" in w for w in card.warnings)


def test_of_very_many_groups_the_smallest_stand_together(make) -> None:
    test = [replace(p, group={"source": "one" if i < 60 else f"site {i}"}) for i, p in enumerate(make(200))]
    groups = score(test, bootstrap=20).subgroups["source"].groups
    assert len(groups) == 12
    assert groups["other (130)"].studies == 130
    assert sum(group.studies for group in groups.values()) == 200


def test_images_by_view_are_scored_image_by_image(make) -> None:
    test = [
        replace(
            p, images=tuple({**image, "view": view} for image, view in zip(p.images, ("PA", "LATERAL"), strict=True))
        )
        for p in make(200, images=True)
    ]
    axis = score(test, thresholds=fit_thresholds(make(100, "dev"))).subgroups["image_view"]
    known = [(p.labels["Edema"], p.images[1]["scores"]["Edema"]) for p in test if p.labels["Edema"] is not None]
    truth, scores = np.array(known).T
    lateral = axis.groups["LATERAL"]
    assert lateral.metrics["auroc/Edema"].value == pytest.approx(roc_auc_score(truth, scores))
    assert (lateral.studies, lateral.patients) == (200, 100)
    assert "recall_macro" not in lateral.metrics  # the thresholds are of studies, not of single images
    assert set(axis.largest_gap) == {"auroc_macro"}
    assert "image_view" not in score(make(40)).subgroups


def test_one_group_and_one_patient_have_reasons(make) -> None:
    card = score(told([replace(p, patient_id="only") for p in make(200)], sex=["F"]))
    group = card.subgroups["sex"].groups["F"]
    assert group.metrics["auroc_macro"].value is not None
    assert group.metrics["auroc_macro"].error == "no interval: one patient only"
    assert card.subgroups["sex"].largest_gap["auroc_macro"].difference.value is None
    recall = card.subgroups["sex"].groups["F"].metrics["recall_macro"]
    assert (recall.value, recall.error) == (None, "no thresholds: none fitted on a dev part")
    two = score(told(make(200), sex=["F", "M"]))
    assert (
        two.subgroups["sex"].largest_gap["recall_macro"].difference.error == "no thresholds: none fitted on a dev part"
    )
