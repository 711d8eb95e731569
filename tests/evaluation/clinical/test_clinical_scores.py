"""From predictions to clinical scores: truth of table or text, both readings of uncertain, sides, intervals, nulls."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.core.records import Prediction
from medley.evaluation.clinical.labels import TABLE, TEXT, pooled_statistics, read_labels
from medley.evaluation.clinical.laterality import laterality, true_sides
from medley.evaluation.clinical.scores import clinical_scores
from medley.evaluation.statistics import paired_differences, permutation_test

SAYS = {
    "Edema": "Pulmonary edema.",
    "Pleural Effusion": "Left pleural effusion.",
    "Cardiomegaly": "Cardiomegaly.",
    "Fracture": "Right rib fracture.",
}


def report(*labels: str) -> str:
    return " ".join(SAYS[label] for label in labels) or "The lungs are clear."


def make(n: int = 60, skill: float = 0.8, seed: int = 0) -> list[Prediction]:
    rng, made = np.random.default_rng(seed), []
    for i in range(n):
        true = [label for label in SAYS if rng.random() < 0.4]
        said = [label for label in SAYS if (label in true) == (rng.random() < skill)]
        made.append(
            Prediction(
                f"c{i}",
                f"p{i // 2}",
                "chest_report",
                hypothesis={"findings": report(*said)},
                reference={"findings": report(*true)},
            )
        )
    return made


def test_a_copy_of_the_reference_scores_one_and_a_constant_does_not() -> None:
    perfect = [replace(one, hypothesis=one.reference) for one in make()]
    scores = clinical_scores(read_labels(perfect), resamples=50)
    for name in ("clinical_f1_micro_14", "clinical_f1_macro_14", "clinical_f1_example_14", "laterality_accuracy"):
        assert scores.metrics[name].value == 1, name
    constant = [replace(one, hypothesis={"findings": "The lungs are clear."}) for one in perfect]
    of_constant = clinical_scores(read_labels(constant), resamples=50).metrics
    assert of_constant["clinical_f1_micro_13"].value == 0
    assert of_constant["laterality_accuracy"].value == 0, "unmentioned is wrong"


def test_intervals_are_of_patients_and_hold_the_value() -> None:
    scores = clinical_scores(read_labels(make()), resamples=200)
    micro = scores.metrics["clinical_f1_micro_14"]
    assert micro.ci95 is not None
    assert micro.ci95[0] < micro.value < micro.ci95[1]
    by_label = scores.per_label["uncertain_1"]
    assert by_label["Edema"].positives + by_label["Fracture"].positives > 20
    assert by_label["Pneumothorax"].metrics["f1"].value is None
    assert by_label["Pneumothorax"].metrics["f1"].error == "no positive reference"
    assert "Pneumothorax" in scores.left_out
    assert json.loads(json.dumps(scores.as_json()))["protocol"]["truth"] == TEXT


def test_both_readings_of_uncertain() -> None:
    said = {"findings": "Possible pneumonia."}
    pair = [Prediction("c", "p", "chest_report", hypothesis=said, reference={"findings": "Pneumonia."})]
    scores = clinical_scores(read_labels(pair), resamples=0).metrics
    assert scores["clinical_f1_micro_14"].value == 1
    assert scores["clinical_f1_micro_14_uncertain_0"].value == 0
    assert scores["clinical_f1_micro_14"].error == "no interval: no resamples were asked for"


def test_the_truth_is_the_tables_where_every_case_has_it() -> None:
    labels = dict.fromkeys(CHEXPERT_14, 0) | {"Support Devices": 1}
    one = Prediction(
        "c",
        "p",
        "chest_report",
        labels=labels,
        hypothesis={"report": "Lungs are clear. Pacemaker."},
        reference={"report": "Edema."},
        truth={"findings": [{"label": "Fracture", "side": "left"}, {"label": "Support Devices", "side": "midline"}]},
    )
    read = read_labels([one])
    assert read.truth == TABLE
    assert read.said[0]["No Finding"] == 0, "case tables count a device as a finding"
    assert read.true_sides == ({"Fracture": "left"},)
    assert clinical_scores(read, resamples=0).metrics["clinical_f1_micro_14"].value == 1
    assert read_labels([one], truth=TEXT).said[0]["No Finding"] == 1
    mixed = [one, replace(one, case_id="d", labels={})]
    assert read_labels(mixed).truth == TEXT
    with pytest.raises(MedleyError, match="case 'd' has no labels"):
        read_labels(mixed, truth=TABLE)


def test_sides() -> None:
    truths = [{"Fracture": "left", "Cardiomegaly": "left"}, {"Pneumonia": "bilateral", "Fracture": "right"}, {}]
    said = [{"Fracture": "left"}, {"Pneumonia": "left"}, {"Fracture": "left"}]
    got = laterality(truths, said)(np.array([[1.0, 1, 1], [1, 2, 0]]).T)
    assert got["laterality_accuracy"] == pytest.approx([1 / 3, 1 / 5])
    nothing = laterality([{}], [{"Fracture": "left"}])(np.ones((1, 1)))["laterality_accuracy"]
    assert np.isnan(nothing[0])
    assert true_sides({"sides": {"Effusion": "left"}}, "x") == {"Pleural Effusion": "left"}
    both = [{"label": "Fracture", "side": "left"}, {"label": "Fracture", "side": "right"}]
    assert true_sides({"findings": both}, "x") == {"Fracture": "bilateral"}
    assert true_sides({"masks": "m"}, "x") is None
    with pytest.raises(MedleyError, match="case 'c': the side of 'Fracture' is 'up'"):
        true_sides({"sides": {"Fracture": "up"}}, "case 'c'")
    with pytest.raises(MedleyError, match="unknown label 'Fractur' in truth; did you mean 'Fracture'"):
        true_sides({"sides": {"Fractur": "left"}}, "case 'c'")
    with pytest.raises(MedleyError, match="must hold 'sides'"):
        true_sides({"findings": "left"}, "case 'c'")


def test_two_systems_are_compared_on_the_same_reports() -> None:
    good = read_labels(make(skill=0.9))
    worse = [
        replace(one, hypothesis=other.hypothesis) for one, other in zip(make(skill=0.9), make(skill=0.5), strict=True)
    ]
    bad = read_labels(worse)
    key = (None, "clinical_f1_micro_13")
    difference = paired_differences(good.statistics(), bad.statistics(), good.patient_ids, resamples=200, seed=0)[key]
    assert difference.ci95 is not None
    assert difference.ci95[0] > 0
    test = permutation_test(pooled_statistics(good, bad), good.patient_ids, permutations=200, seed=0)[key]
    assert test.p is not None
    assert test.p < 0.05
    with pytest.raises(MedleyError, match="here 60 and 20 reports"):
        pooled_statistics(good, read_labels(make(20)))
    with pytest.raises(MedleyError, match="in one order: case 'c0' and 'c59'"):
        pooled_statistics(good, read_labels(make()[::-1]))


def test_bad_input_is_named_or_null() -> None:
    few = make(4)
    with pytest.raises(MedleyError, match="no predictions"):
        read_labels([])
    with pytest.raises(MedleyError, match="no prediction has labels or a reference"):
        read_labels([replace(one, reference={}) for one in few])
    with pytest.raises(MedleyError, match="unknown truth"):
        read_labels(few, truth="tabel")
    empty = [replace(few[0], reference={"findings": " "}), replace(few[1], hypothesis={"findings": ""}), *few[2:]]
    read = read_labels(empty)
    assert len(read.patient_ids) == 3
    assert read.remarks == ("1 report without a reference text left out", "1 empty answer scored as saying nothing")
    one = clinical_scores(read_labels(few[:1]), resamples=20).metrics["clinical_f1_micro_14_uncertain_0"]
    assert one.ci95 is None
    assert "one" in str(one.error) or "1 " in str(one.error)
    long = replace(few[0], hypothesis={"findings": "no 😀 effusion \x00 " * 5000})
    assert clinical_scores(read_labels([long, *few[1:]]), resamples=5).reports == 4


def test_of_a_text_that_cannot_be_read_nothing_is_claimed_and_nothing_is_true() -> None:
    chinese, few = {"findings": "两肺清晰。"}, make(20)
    one = replace(few[0], reference={"findings": "The lungs are clear."})
    said = clinical_scores(read_labels([replace(one, hypothesis=chinese)]), resamples=0)
    assert said.metrics["clinical_f1_micro_14"].value == 0, "it does not say No Finding"
    assert said.remarks == (
        "the labeler can read nothing in 1 of 1 hypotheses: they claim nothing, not even No Finding",
    )
    lacking = [*few[5:], *(replace(each, reference=chinese) for each in few[:5])]
    found, rest = read_labels(lacking), read_labels(few[5:])
    assert found.unread == (
        "the labeler can read nothing in 5 of 20 references: they are not known, and in no clinical metric",
    )
    ours, theirs = (clinical_scores(labels, resamples=0).metrics for labels in (found, rest))
    for name, metric in ours.items():
        assert (metric.value, metric.n) == (theirs[name].value, theirs[name].n), name
    nobody = clinical_scores(read_labels([replace(each, reference=chinese) for each in few]), resamples=20)
    micro = nobody.metrics["clinical_f1_micro_14"]
    assert (micro.value, micro.n, micro.error) == (None, 0, "no report has a known label")
    assert read_labels([replace(one, labels={"Edema": 0}, hypothesis=chinese)]).unread, "of a table's truth, too"


def test_another_labeler_is_asked_once_for_each_text_and_named() -> None:
    asked: list[str] = []

    def theirs(texts):
        asked.extend(texts)
        return [dict.fromkeys(CHEXPERT_14, 1.0) for _ in texts]

    read = read_labels(make(), labeler=theirs, named="theirs")
    assert len(asked) == len(set(asked)) <= 2**4
    assert clinical_scores(read, resamples=0).as_json()["protocol"]["labeler"] == "theirs"
