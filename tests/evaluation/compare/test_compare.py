"""Two systems on the same cases: the differences, how surely, and every reason not to compare."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import f1_score, roc_auc_score

from medley.core.errors import MedleyError
from medley.core.files import sha256, write_json
from medley.evaluation.compare.differences import compare
from medley.evaluation.compare.words import sentences, verdict
from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.fitted.calibration import fit_calibration
from medley.evaluation.fitted.thresholds import fit_thresholds
from medley.evaluation.predictions.arrays import FUSED, head_tables
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.scorecard.card import Protocol
from medley.evaluation.statistics import delong_test, holm

PROTOCOL = Protocol("hospital", "t1", "s1", "test", "uncertain ignore; blank mask", "none", None, None, "max")


@pytest.fixture
def system(tmp_path):
    """system(name, predictions, ...) writes a scorecard with its predictions beside it, and gives the folder."""

    def write(name, predictions, *, dev=None, criterion="max_f1", method="temperature", protocol=PROTOCOL):
        folder = tmp_path / name
        write_predictions(folder / "predictions.jsonl", predictions)
        calibration = fit_calibration(dev, method) if dev else None
        if calibration:
            write_json(folder / "calibration.json", calibration.to_json())
        card = chest_findings_scorecard(
            predictions,
            thresholds=fit_thresholds(dev, criterion) if dev else None,
            calibration=calibration,
            protocol=protocol,
            provenance={"predictions": sha256(folder / "predictions.jsonl")[:16]},
            floors={},
            bootstrap=0,
        )
        write_json(folder / "scorecard.json", card.as_json())
        return folder

    return write


@pytest.fixture
def good(make, system):
    return system("good", make(240), dev=make(200, "d"))


@pytest.fixture
def poor(make, system):
    """The same cases and truth, answered with less skill."""
    return system("poor", make(240, skill=1.0), dev=make(200, "d", skill=1.0))


QUICK = {"bootstrap": 100, "permutations": 400}


def test_the_better_system_is_named_with_interval_and_p(good, poor):
    found = compare(good, poor, **QUICK)
    of = found.averages["auroc_macro"]
    assert of.a - of.b == pytest.approx(of.difference.value)
    assert of.difference.ci95[0] > 0
    assert of.permutation.p == of.permutation.smallest_p == pytest.approx(1 / 401)
    words = sentences(found)
    assert words[0].startswith("A is better than B in macro AUROC by 0.")
    assert "p = 0.0025, the smallest that these exchanges can give" in words[0]
    assert words[0].endswith("240 studies of 120 patients.")
    assert "ask for more than" in words[2], "400 exchanges cannot decide so many tests"
    json.dumps(found.as_json(), allow_nan=False)


def test_swapping_the_systems_turns_every_difference(good, poor):
    one, other = compare(good, poor, **QUICK), compare(poor, good, **QUICK)
    for name, of in one.averages.items():
        turned = other.averages[name]
        if of.difference.value is None:
            assert turned.difference.value is None
            continue
        assert of.difference.value == pytest.approx(-turned.difference.value, abs=1e-12)
        if of.difference.ci95 is None:  # not defined in enough resamples
            assert turned.difference.error == of.difference.error
            continue
        assert of.difference.ci95 == pytest.approx((-turned.difference.ci95[1], -turned.difference.ci95[0]), abs=1e-12)
        assert (of.permutation and of.permutation.p) == (turned.permutation and turned.permutation.p)
    assert sentences(other)[0].startswith("B is better than A in macro AUROC by 0.")


def test_calibration_error_is_better_where_it_is_less(good, poor):
    found = compare(good, poor, **QUICK)
    of = found.averages["brier"]
    assert of.difference.value < 0
    assert verdict(of, "brier").startswith("A is better than B in Brier score by 0.")


def test_values_and_tests_are_those_of_the_oracles(good, poor, make):
    found = compare(good, poor, **QUICK)
    a, b = (head_tables(make(240, skill=skill))[FUSED] for skill in (3.0, 1.0))
    column = a.names.index("Edema")
    known = ~np.isnan(a.labels_NL[:, column])
    truth, ours, theirs = a.labels_NL[known, column], a.scores_NL[known, column], b.scores_NL[known, column]
    edema = found.per_label[FUSED]["Edema"]
    assert edema["auroc"].difference.value == pytest.approx(roc_auc_score(truth, ours) - roc_auc_score(truth, theirs))
    assert edema["auroc"].difference.n == known.sum()
    patients = np.array([one.patient_id for one in make(240)])[known]
    assert edema["auroc"].delong.p == pytest.approx(delong_test(truth, ours, theirs, list(patients)).p)
    cuts = [fit_thresholds(make(200, "d", skill=skill)).of(FUSED, "Edema")[0] for skill in (3.0, 1.0)]
    assert cuts[0] != cuts[1]
    assert edema["f1"].a == pytest.approx(f1_score(truth, ours >= cuts[0])), "each at its own threshold"
    assert edema["f1"].b == pytest.approx(f1_score(truth, theirs >= cuts[1]))
    p_values = {
        (label, metric): of.permutation.p if of.permutation else None
        for label, metrics in found.per_label[FUSED].items()
        for metric, of in metrics.items()
    }
    adjusted = holm(p_values)
    assert all(
        of.p_holm == adjusted[label, metric]
        for label, metrics in found.per_label[FUSED].items()
        for metric, of in metrics.items()
    )
    assert found.averages["auroc_macro"].p_holm == found.averages["auroc_macro"].permutation.p, "it stands alone"


def test_p_is_that_of_exchanging_ranks_by_patient(make, system):
    """Six patients, so that all 2^5 exchanges can be made by hand."""
    ours, theirs = make(12, unknown=0, heads=()), make(12, unknown=0, heads=(), skill=0.5)
    found = compare(system("a", ours), system("b", theirs), bootstrap=1, permutations=64)
    a, b = head_tables(ours)[FUSED], head_tables(theirs)[FUSED]
    label = next(name for name in a.names if found.per_label[FUSED][name]["auroc"].difference.value is not None)
    column = a.names.index(label)
    truth, first, second = a.labels_NL[:, column], rankdata(a.scores_NL[:, column]), rankdata(b.scores_NL[:, column])
    sizes = []
    for pattern in range(2**6):
        swap = np.repeat([(pattern >> patient) & 1 == 1 for patient in range(6)], 2)
        one, other = np.where(swap, second, first), np.where(swap, first, second)
        sizes.append(abs(roc_auc_score(truth, one) - roc_auc_score(truth, other)))
    test = found.per_label[FUSED][label]["auroc"].permutation
    assert test.exact
    assert test.p == pytest.approx(np.mean(np.array(sizes) >= sizes[0] - 1e-9))


def test_a_system_that_is_merely_surer_orders_its_cases_no_better(make, system):
    ours, other = make(240, heads=()), make(240, heads=(), skill=2.5)
    surer = [replace(one, scores={k: v**9 for k, v in one.scores.items()}) for one in ours]
    found = compare(system("a", ours), system("surer", surer), **QUICK)
    for name in ("auroc_macro", "auroc_micro", "ap_macro"):
        assert found.averages[name].difference.value == pytest.approx(0, abs=1e-12)
        assert found.averages[name].permutation.p == 1
    assert found.averages["brier"].permutation.p < 0.01, "but its probabilities are others"
    plain = compare(system("a", ours), system("other", other), **QUICK)
    sure = compare(system("surer", surer), system("other", other), **QUICK)
    for name in ("auroc_macro", "auroc_micro", "ap_macro"):
        assert sure.averages[name].permutation == plain.averages[name].permutation


def test_a_system_is_like_itself(good, poor):
    found = compare(good, good, **QUICK)
    assert sentences(found) == ["A and B give every case the same answer: there is nothing to tell apart."]
    assert all(of.difference.value == 0 for of in found.averages.values())
    assert {of.permutation.p for of in found.averages.values() if of.permutation} == {1}


def test_what_the_data_cannot_tell_is_said(make, system):
    nudged = [
        replace(one, scores={k: min(1.0, v + 0.002 * (i % 3)) for k, v in one.scores.items()})
        for i, one in enumerate(make(240))
    ]
    found = compare(system("a", make(240)), system("b", nudged), **QUICK)
    words = sentences(found)
    assert words[0].startswith("The data cannot tell A and B apart in macro AUROC: A − B is ")
    assert "no difference that these data can show" in words[2]


def test_order_of_cases_and_labels_is_no_matter(make, system, good):
    names = list(make(1)[0].scores)[::-1]
    turned = [replace(one, scores={name: one.scores[name] for name in names}) for one in reversed(make(240))]
    found = compare(good, system("turned", turned, dev=make(200, "d")), **QUICK)
    assert all(of.difference.value == pytest.approx(0, abs=1e-12) for of in found.averages.values())


def test_runs_folders_and_files_are_read(good, tmp_path):
    run = tmp_path / "run"
    (run).mkdir()
    (run / "evaluation").symlink_to(good)
    for path in (run, good, good / "scorecard.json"):
        assert compare(path, good, bootstrap=2, permutations=2).averages["auroc_macro"].difference.value == 0


def test_what_one_of_them_lacks_is_null_with_its_reason(good, make, system):
    bare = system("bare", [replace(one, heads={"image_only": one.heads["image_only"]}) for one in make(240)])
    found = compare(good, bare, **QUICK)
    of = found.averages["f1_macro"]
    assert (of.difference.value, of.permutation, of.p_holm) == (None, None, None)
    assert of.difference.error == "B: no thresholds: none fitted on a dev part"
    assert of.a is not None
    assert "only A has the heads text_only: they are not compared" in found.warnings
    assert found.averages["image_only/auroc_macro"].difference.value == 0


def test_calls_of_unlike_criteria_are_not_compared(good, make, system):
    youden = system("youden", make(240), dev=make(200, "d"), criterion="youden", method="platt")
    found = compare(good, youden, **QUICK)
    assert found.averages["f1_macro"].difference.error == "thresholds of A: max_f1, of B: youden"
    assert found.averages["ece_calibrated"].difference.error == "calibration of A: temperature, of B: platt"
    assert found.averages["auroc_macro"].difference.value == 0


def test_averages_over_unlike_labels_are_not_compared(good, make, system):
    flat = [replace(one, scores={**one.scores, "Edema": 0.5}) for one in make(200, "d")]
    found = compare(good, system("b", make(240), dev=flat), **QUICK)
    words = "A and B average over unlike labels: only one of them has a fit for Edema"
    assert found.averages["f1_macro"].difference.error == words
    assert found.averages["brier_calibrated"].difference.error == words
    assert found.averages["f1_chexpert5"].difference.error.startswith("B: ")


def test_calibrated_metrics_need_the_calibration(good, poor):
    (poor / "calibration.json").unlink()
    of = compare(good, poor, **QUICK).averages["ece_calibrated"]
    assert of.difference.value is None
    assert of.difference.error == "B: calibration.json is neither beside its scorecard nor in its run"


def test_images_are_compared_where_they_are_the_same(make, system):
    a, b = (system(name, make(120, images=True, skill=skill)) for name, skill in (("a", 3.0), ("b", 1.0)))
    assert "image_level/auroc_macro" in compare(a, b, **QUICK).averages
    fewer = system("c", [replace(one, images=one.images[:1]) for one in make(120, images=True)])
    found = compare(a, fewer, **QUICK)
    assert "image_level/auroc_macro" not in found.averages
    assert any("image level is not compared" in line for line in found.warnings)


def test_one_patient_or_one_class_gives_null_with_the_reason(make, system):
    ours, theirs = make(40), make(40, skill=1.0)
    a, b = (
        system(name, [replace(one, patient_id="p", labels={**one.labels, "Edema": 0}) for one in of])
        for name, of in (("a", ours), ("b", theirs))
    )
    found = compare(a, b, **QUICK)
    of = found.averages["auroc_macro"]
    assert of.difference.ci95 is None
    assert of.permutation.error == "one patient only: there is nothing to exchange"
    edema = found.per_label[FUSED]["Edema"]["auroc"]
    assert edema.difference.error == "A and B: no positive case"
    assert "with no interval: one patient only" in sentences(found)[0]


# Refusals: each by name, in one line.


def refuses(a, b, *words):
    with pytest.raises(MedleyError) as error:
        compare(a, b, **QUICK)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value), error.value


def test_unlike_protocols_are_refused_with_both_values(good, make, system):
    other = system("other", make(240), protocol=replace(PROTOCOL, split="s2", notes=None))
    refuses(good, other, "unlike protocols", "split: A 's1', B 's2'", "notes: A 'none', B does not state it", "--state")
    unstated = system("unstated", make(240), protocol=Protocol())
    refuses(good, unstated, "table: A 't1', B does not state it", "score B with --train CASES --splits F")
    fewer = [replace(one, heads={}, scores={k: v for k, v in one.scores.items() if k != "Edema"}) for one in make(240)]
    refuses(good, system("fewer", fewer), "labels: only A has Edema")


def test_the_reader_may_go_by_another_name_where_the_table_is_the_same(good, make, system):
    other = system("other", make(240), protocol=replace(PROTOCOL, reader="the same rows"))
    assert compare(good, other, **QUICK).averages["auroc_macro"].difference.value == 0
    bare = [system(name, make(240), protocol=Protocol(reader=name)) for name in ("one", "two")]
    refuses(*bare, "reader: A 'one', B 'two'")


def test_unlike_cases_patients_and_truths_are_refused(good, make, system):
    cases = make(240)
    refuses(good, system("fewer", [*cases[:-1], replace(cases[-1], case_id="x")]), "1 case in A only: 't239'", "'x'")
    moved = [replace(one, patient_id=f"new-{one.patient_id}") for one in cases]
    refuses(good, system("moved", moved), "case 't0' is of patient 't-patient0' in A and 'new-t-patient0' in B")
    value = cases[7].labels["Edema"]
    assert value is not None
    turned = [*cases[:7], replace(cases[7], labels={**cases[7].labels, "Edema": None}), *cases[8:]]
    refuses(good, system("turned", turned), f"'Edema' of case 't7' is {value} in A and not known in B", "Edema (1)")


def test_a_scorecard_that_its_predictions_do_not_bear_out_is_refused(good, poor):
    content = json.loads((poor / "scorecard.json").read_text())

    def write(change):
        edited = json.loads(json.dumps(content))
        change(edited)
        (poor / "scorecard.json").write_text(json.dumps(edited))

    write(lambda card: card["metrics"]["auroc_macro"].update(value=0.99))
    refuses(good, poor, "says auroc_macro 0.99, and the predictions beside it give 0.")
    write(lambda card: card["metrics"]["auroc_macro"].update(value=float("nan")))
    refuses(good, poor, "says auroc_macro nan")
    write(lambda card: card["per_label"]["fused"]["Edema"].update(threshold=0.9))
    refuses(good, poor, "per_label/fused/Edema/f1")
    write(lambda card: card["per_label"]["fused"]["Edema"].update(threshold="0.9"))
    refuses(good, poor, "per_label/fused/Edema: the threshold is '0.9', no number")
    write(lambda card: card["protocol"].update(studies=241))
    refuses(good, poor, "says studies 241, and predictions.jsonl beside it holds 240")
    write(lambda card: card["protocol"].update(metric_definitions="findings/1: of old"))
    refuses(good, poor, "made with other metric definitions (findings/1): this version measures by findings/")
    write(lambda card: card["per_label"].pop("text_only"))
    refuses(good, poor, "has no per_label/text_only/")
    write(lambda card: card.update(task="syndrome"))
    refuses(good, poor, "comparisons of chest_findings, chest_report, brain_report so far")
    write(lambda card: card["provenance"].update(predictions="0123456789abcdef"))
    refuses(good, poor, "is not what scorecard.json was made of", "0123456789abcdef")


def test_files_that_are_no_scorecard_are_refused(good, poor, tmp_path):
    refuses(good, tmp_path / "none", "does not exist; it must be a run")
    refuses(good, tmp_path, "holds no scorecard.json")
    refuses(good, good / "predictions.jsonl", "is a file of predictions: make its scorecard with `medley score F")
    for content, words in (
        (b"", "is not JSON"),
        (b"\x89PNG\xff\x00", "is not JSON"),
        (b"[]", "is not a scorecard"),
        (b"{}", "it lacks task"),
    ):
        (tmp_path / "card.json").write_bytes(content)
        refuses(good, tmp_path / "card.json", words)
    lines = (poor / "predictions.jsonl").read_text()
    (poor / "predictions.jsonl").unlink()
    refuses(good, poor, "has no predictions.jsonl beside it", "score again")
    content = json.loads((poor / "scorecard.json").read_text())
    content["provenance"] = {}
    (poor / "scorecard.json").write_text(json.dumps(content))
    for text, words in (
        ("", "holds no predictions"),
        (lines + lines.splitlines()[0], "the case stands already in line 1"),
        (lines.replace('"Edema": 0.', '"Edema": NaN, "x": 0.', 1), "it must be a probability in [0, 1]"),
    ):
        (poor / "predictions.jsonl").write_text(text)
        refuses(good, poor, words)


def test_a_calibration_error_has_a_difference_around_its_value_and_no_exchange_test(system, make):
    """Resampling adds noise to each ECE, and not the same to both; an exchange would mix the two systems' bins."""
    theirs = make(300)
    shifted = [replace(one, scores={k: min(1.0, v * 0.9 + 0.05) for k, v in one.scores.items()}) for one in theirs]
    found = compare(system("a", theirs), system("b", shifted), bootstrap=200, permutations=50)
    ece = found.averages["ece"]
    assert ece.permutation is None
    low, high = ece.difference.ci95
    assert low < ece.difference.value < high
    assert (low + high) / 2 == pytest.approx(ece.difference.value, abs=(high - low) / 4)
    test = found.averages["auroc_macro"].permutation
    assert test is not None
    assert test.smallest_p <= test.p <= 1, "of a shift that ranks alike there is a test, and it has a p"
