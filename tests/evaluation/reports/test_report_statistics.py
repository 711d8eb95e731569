"""All that is measured of reports as one function of weights: equal to scoring real lists of reports anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.evaluation.reports.statistics import pooled, report_statistics
from medley.evaluation.statistics import bootstrap, paired_differences, patient_weights, permutation_test


def drawn(predictions, counts):
    """The list of reports that these counts stand for; a report drawn twice is there twice."""
    return [
        replace(one, case_id=f"{one.case_id}-{copy}")
        for one, count in zip(predictions, counts, strict=True)
        for copy in range(int(count))
    ]


def test_a_resample_is_the_score_of_the_reports_it_draws(reports):
    predictions = reports(40)
    found = report_statistics(predictions)
    weights_NR = patient_weights(found.patient_ids, range(4), seed=3)
    values = found.weighted(weights_NR)
    assert {"bleu_4", "findings/rouge_l", "impression/chrf", "clinical_f1_micro_14", "laterality_accuracy"} <= set(
        values
    )
    document_frequencies = ("cider", "cider_d")  # of the whole reference set, in every resample
    by_support = ("clinical_f1_macro_14", "clinical_f1_macro_13", "clinical_f1_macro_5")  # decided once, on all reports
    for column in range(weights_NR.shape[1]):
        anew = report_statistics(drawn(predictions, weights_NR[:, column])).weighted
        points = anew(np.ones((int(weights_NR[:, column].sum()), 1)))
        for name, (value,) in points.items():
            if name.endswith(document_frequencies) or name.removesuffix("_uncertain_0") in by_support:
                continue
            assert values[name][column] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_the_metrics_are_those_of_the_weights(reports):
    found = report_statistics(reports(30))
    metrics = found.metrics(resamples=50, seed=1)
    samples = bootstrap(found.weighted, found.patient_ids, resamples=50, seed=1)
    points = found.weighted(np.ones((30, 1)))
    for name, (value,) in points.items():
        assert metrics[name].value == (None if np.isnan(value) else pytest.approx(value)), name
        if metrics[name].ci95:
            assert metrics[name].ci95 == pytest.approx(tuple(np.nanpercentile(samples[name], (2.5, 97.5)))), name
    assert set(metrics) - set(points) <= {f"{of}{name}" for of in ("", "findings/", "impression/") for name in ABSENT}
    assert metrics["bertscore_f1"].error


ABSENT = ("meteor", "bertscore_f1")  # whose WordNet and encoder nobody gave


def test_the_truth_is_said(reports):
    predictions = reports(20)
    of_text = report_statistics(predictions)
    assert of_text.definitions["truth"] == "reference text"
    labels = dict.fromkeys(CHEXPERT_14, 0) | {"Edema": 1}
    of_table = report_statistics([replace(one, labels=labels, truth={"sides": {}}) for one in predictions])
    assert (of_table.definitions["truth"], of_table.definitions["truth_of_sides"]) == ("table", "table")
    assert of_text.definitions["truth_of_sides"] == "reference text"
    half = [replace(one, labels=labels) if i % 2 else one for i, one in enumerate(predictions)]
    mixed = report_statistics(half)
    assert mixed.definitions["truth"] == "reference text"
    assert any("only 10 of 20 studies have labels of a table" in line for line in mixed.remarks)
    elsewhere = report_statistics([replace(one, labels={"Hernia": 1}) for one in predictions])
    assert not any("of a table" in line for line in elsewhere.remarks), "a label that clinical F1 does not ask for"
    unread = report_statistics([replace(one, reference={"findings": "两肺清晰。"}) for one in predictions])
    assert any("the labeler can read nothing in 20 of 20 references" in line for line in unread.remarks)


def test_a_study_without_a_reference_is_in_no_number_and_the_others_stay(reports):
    predictions = reports(20)
    lacking = [replace(one, reference={}) if i < 5 else one for i, one in enumerate(predictions)]
    found, rest = report_statistics(lacking), report_statistics(predictions[5:])
    ours, theirs = found.metrics(resamples=0, seed=0), rest.metrics(resamples=0, seed=0)
    for name, metric in ours.items():
        assert (metric.value, metric.n) == pytest.approx((theirs[name].value, theirs[name].n), abs=1e-12), name
    assert ours["bleu_1"].n == ours["clinical_f1_micro_14"].n == 15
    assert any("5 of 20 references empty" in line for line in found.remarks)
    by_report = found.by_report()
    assert np.isnan(by_report["clinical_f1_example_14"][:5]).all()
    mean = np.nanmean(by_report["clinical_f1_example_14"])
    assert mean == pytest.approx(ours["clinical_f1_example_14"].value)
    labelled = report_statistics([replace(o, reference={}, labels={"Edema": 1}) for o in predictions])
    metrics = labelled.metrics(resamples=0, seed=0)
    assert (metrics["bleu_1"].value, metrics["bleu_1"].error) == (None, "no reference has a word")
    assert metrics["clinical_f1_micro_14"].value is not None
    with pytest.raises(MedleyError, match="no report has a reference or a label"):
        report_statistics([replace(one, reference={}) for one in predictions])


def test_two_systems_are_paired_case_by_case(reports):
    good, bad = report_statistics(reports(40, skill=0.95)), report_statistics(reports(40, skill=0.5))
    differences = paired_differences(good.weighted, bad.weighted, good.patient_ids, resamples=100, seed=0)
    tests = permutation_test(pooled(good, bad), good.patient_ids, permutations=99, seed=0)
    for name in ("clinical_f1_micro_14", "findings/rouge_l", "bleu_1"):
        assert differences[name].ci95[0] > 0, name
        assert tests[name].p == pytest.approx(0.01), name
    same = permutation_test(pooled(good, good), good.patient_ids, permutations=20, seed=0)
    assert {test.p for test in same.values() if test.p is not None} == {1.0}
    with pytest.raises(MedleyError, match="same cases in one order"):
        pooled(good, report_statistics(reports(40)[::-1]))


def test_a_section_that_one_side_lacks_is_named(reports):
    whole = [replace(one, hypothesis={"report": one.hypothesis["findings"]}) for one in reports(20)]
    found = report_statistics(whole)
    assert "no numbers of the section 'findings' by itself: no hypothesis has it" in found.remarks
    assert set(found.texts) == {""}
