"""The findings scorecard: right numbers, paired differences, and null with a reason instead of a guess."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from medley.core.errors import MedleyError
from medley.core.files import write_json
from medley.core.records import Prediction
from medley.evaluation.findings.scorecard import chest_findings_scorecard
from medley.evaluation.fitted.calibration import fit_calibration
from medley.evaluation.fitted.thresholds import fit_thresholds
from medley.evaluation.scorecard.card import Protocol, Scorecard, read_scorecard
from medley.evaluation.scorecard.headline import headline

MACRO = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
STATED = Protocol("folder", "t", "s", "test", "zeros", "none", "none", "none", "mean over views")


def score(predictions: list[Prediction], **options) -> Scorecard:
    options = {"thresholds": None, "protocol": STATED, "provenance": {}, "floors": {}, "bootstrap": 200} | options
    return chest_findings_scorecard(predictions, **options)


def known(predictions: list[Prediction], label: str, head: str = "") -> tuple[np.ndarray, np.ndarray]:
    rows = [p for p in predictions if p.labels[label] is not None]
    scores = [(p.heads[head] if head else p.scores)[label] for p in rows]
    return np.array([p.labels[label] for p in rows]), np.array(scores)


@pytest.fixture
def test_part(make) -> list[Prediction]:
    return make(200, images=True)


def test_every_number_equals_scikit_learn(make, test_part) -> None:
    thresholds = fit_thresholds(make(100, "dev"))
    card = score(test_part, thresholds=thresholds)
    for head, prefix in (("", ""), ("image_only", "image_only/"), ("text_only", "text_only/")):
        by_label = {}
        for label in MACRO:
            truth, scores = known(test_part, label, head)
            cut = thresholds.values[head or "fused"][label]
            metrics = card.per_label[head or "fused"][label].metrics
            by_label[label] = {
                "auroc": sk.roc_auc_score(truth, scores),
                "ap": sk.average_precision_score(truth, scores),
                "f1": sk.f1_score(truth, scores >= cut),
                "precision": sk.precision_score(truth, scores >= cut),
                "recall": sk.recall_score(truth, scores >= cut),
                "specificity": sk.recall_score(1 - truth, scores < cut),
                "accuracy": sk.accuracy_score(truth, scores >= cut),
                "mcc": sk.matthews_corrcoef(truth, scores >= cut),
                "brier": sk.brier_score_loss(truth, scores),
            }
            for name, value in by_label[label].items():
                assert metrics[name].value == pytest.approx(value, abs=1e-12)
                assert metrics[name].ci95[0] <= value <= metrics[name].ci95[1]
        for name in ("auroc", "ap", "f1", "precision", "recall", "specificity", "accuracy", "mcc", "brier"):
            mean = np.mean([by_label[label][name] for label in MACRO])
            for averaged in ("brier",) if name == "brier" else (f"{name}_macro", f"{name}_chexpert5"):
                metric = card.metrics[prefix + averaged]
                assert metric.value == pytest.approx(mean, abs=1e-12)
                assert metric.ci95[0] < mean < metric.ci95[1]
        pooled = [np.concatenate(parts) for parts in zip(*(known(test_part, n, head) for n in MACRO), strict=True)]
        assert card.metrics[f"{prefix}auroc_micro"].value == pytest.approx(sk.roc_auc_score(*pooled), abs=1e-12)
        called = np.concatenate([known(test_part, n, head)[1] >= thresholds.values[head or "fused"][n] for n in MACRO])
        for name, value in (
            ("f1", sk.f1_score(pooled[0], called)),
            ("precision", sk.precision_score(pooled[0], called)),
            ("recall", sk.recall_score(pooled[0], called)),
            ("specificity", sk.recall_score(1 - pooled[0], ~called)),
            ("mcc", sk.matthews_corrcoef(pooled[0], called)),
            ("ap", sk.average_precision_score(*pooled)),
        ):
            assert card.metrics[f"{prefix}{name}_micro"].value == pytest.approx(value, abs=1e-12)
    support = card.per_label["fused"]["Edema"]
    assert (support.positives, support.positives + support.negatives + support.unknown) == (
        sum(p.labels["Edema"] == 1 for p in test_part),
        200,
    )


def test_the_same_seed_gives_the_same_card_in_any_row_order(test_part) -> None:
    assert score(test_part, seed=1) == score(test_part, seed=1)
    turned = score(test_part[::-1], seed=1).metrics
    for name, metric in score(test_part, seed=1).metrics.items():
        assert turned[name].value == pytest.approx(metric.value, abs=1e-3 if "calibrated" in name else 1e-12)
        if metric.ci95:
            assert turned[name].ci95 == pytest.approx(metric.ci95, abs=1e-12)
    assert score(test_part, seed=2).metrics["auroc_macro"].ci95 != score(test_part, seed=1).metrics["auroc_macro"].ci95


def test_paired_differences_are_narrower_than_two_intervals(test_part) -> None:
    better = [replace(p, heads={"image_only": {n: 0.98 * s for n, s in p.scores.items()}}) for p in test_part]
    same = score(better).metrics["fused_minus_image_only/auroc_macro"]
    assert same.value == pytest.approx(0, abs=1e-12)
    assert same.ci95 == pytest.approx((0, 0), abs=1e-12)  # the same order of cases in every resample
    card = score(test_part)
    delta = card.metrics["fused_minus_text_only/auroc_macro"]
    apart = card.metrics["auroc_macro"].value - card.metrics["text_only/auroc_macro"].value
    assert delta.value == pytest.approx(apart)
    assert card.metrics["fused_minus_text_only/ap_macro"].ci95[0] > 0
    assert delta.ci95[0] > 0
    assert card.per_label["fused_minus_text_only"]["Edema"].metrics["auroc"].value > 0


def test_image_level_counts_images_and_resamples_patients(test_part) -> None:
    metric = score(test_part).metrics["image_level/auroc_macro"]
    values = []
    for label in MACRO:
        rows = [
            (p.labels[label], i["scores"][label]) for p in test_part for i in p.images if p.labels[label] is not None
        ]
        values.append(sk.roc_auc_score(*zip(*rows, strict=True)))
    assert metric.value == pytest.approx(np.mean(values))
    assert metric.n == 400
    image = score(test_part).per_label["image_level"]["Edema"]
    assert image.metrics["auroc"].n == image.positives + image.negatives == 2 * len(known(test_part, "Edema")[0])
    some = [replace(p, images=()) if i < 50 else p for i, p in enumerate(test_part)]
    assert any("leaves out 50 studies" in line for line in score(some).warnings)


def test_labels_left_out_and_unscored_are_named(test_part) -> None:
    card = score([replace(p, labels={**p.labels, "Mass": 1}) for p in test_part])
    assert any("Fracture (" in line and "positives" in line for line in card.warnings)
    assert any("labelled but not scored" in line and "Mass" in line for line in card.warnings)
    assert "No Finding" not in " ".join(card.warnings)
    assert card.protocol["labels"] == [*test_part[0].scores]


def test_thresholds_fitted_on_a_scored_patient_make_f1_null_and_leave_auroc(make, test_part) -> None:
    dev = [*make(100, "dev"), *make(2, "t")]  # t-patient0 is scored, too, by another study
    leaky = score([replace(p, case_id=f"other {p.case_id}") for p in test_part], thresholds=fit_thresholds(dev))
    for name in ("f1_macro", "f1_micro", "image_only/f1_macro"):
        assert leaky.metrics[name].value is None
        assert "fitted on 1 of the 100 scored patients, first 't-patient0'" in leaky.metrics[name].error
    for name in ("f1", "precision", "recall", "specificity", "accuracy"):
        assert leaky.per_label["fused"]["Edema"].metrics[name].value is None
    assert leaky.per_label["fused"]["Edema"].threshold is None
    assert leaky.metrics["auroc_macro"].value is not None
    assert any("scored patients" in line for line in leaky.warnings)
    assert "none fitted" in score(test_part).metrics["f1_macro"].error


def test_one_label_without_a_threshold_is_out_of_f1_by_name(make, test_part) -> None:
    dev = [replace(p, labels={**p.labels, "Edema": 0}) for p in make(100, "dev")]
    thresholds = fit_thresholds(dev)
    card = score(test_part, thresholds=thresholds)
    f1s = [card.per_label["fused"][name].metrics["f1"].value for name in MACRO if name != "Edema"]
    assert card.metrics["f1_macro"].value == pytest.approx(np.mean(f1s))
    assert card.per_label["fused"]["Edema"].metrics["f1"].error == "0 positives to fit a threshold on; it needs 5"
    assert any("in no F1" in line and "Edema" in line for line in card.warnings)


def test_one_patient(make) -> None:
    card = score([replace(p, patient_id="only") for p in make(100)])
    metric = card.metrics["auroc_macro"]
    assert metric.value is not None
    assert (metric.ci95, metric.error) == (None, "no interval: one patient only")
    assert "cannot be held against any floor" in headline(card)


def test_one_study(make) -> None:
    card = score(make(1))
    assert card.metrics["auroc_macro"].value is None
    assert card.metrics["auroc_macro"].error == "no label has 10 positives and 10 negatives"


@pytest.mark.parametrize(
    ("value", "why"), [(0, "no positive case"), (1, "no negative case"), (None, "no case with a known label")]
)
def test_one_class(test_part, value, why: str) -> None:
    thresholds = fit_thresholds([replace(p, case_id=f"d{p.case_id}", patient_id=f"d{p.patient_id}") for p in test_part])
    card = score([replace(p, labels={**p.labels, "Edema": value}) for p in test_part], thresholds=thresholds)
    metrics = card.per_label["fused"]["Edema"].metrics
    assert (metrics["auroc"].value, metrics["auroc"].ci95, metrics["auroc"].error) == (None, None, why)
    if value != 1:  # neither F1 nor recall means anything without a positive
        assert {metrics[name].value for name in ("f1", "recall", "ap")} == {None}
    assert card.metrics["auroc_chexpert5"].value is None
    assert card.metrics["auroc_chexpert5"].error == f"{why}: Edema"
    assert card.metrics["auroc_macro"].value is not None


def test_no_label_is_known(test_part) -> None:
    card = score([replace(p, labels={}) for p in test_part])
    assert {metric.value for metric in card.metrics.values()} == {None}
    assert all(metric.error for metric in card.metrics.values())
    assert headline(card).startswith("AUROC could not be computed")


def test_all_scores_equal_is_chance_and_said(test_part) -> None:
    flat = [replace(p, scores=dict.fromkeys(p.scores, 0.5), heads={}) for p in test_part]
    card = score(flat)
    assert card.metrics["auroc_macro"].value == 0.5
    assert any("same score" in line for line in card.warnings)
    assert "does not beat the constant answer (0.500" in headline(card)


def test_chexpert_five_needs_all_five(test_part) -> None:
    def without(values: dict) -> dict:
        return {name: value for name, value in values.items() if name != "Edema"}

    card = score([replace(p, scores=without(p.scores), heads={}, images=()) for p in test_part])
    assert card.metrics["auroc_chexpert5"].error == "not scored: Edema"


def test_predictions_that_are_no_table_are_refused(make) -> None:
    good = make(4)
    other = dict(good[2].scores)
    del other["Edema"]
    for change, says in (
        ({"scores": other}, "'t2', head 'fused' lacks a score of 'Edema', unlike case 't0'"),
        ({"scores": {}}, "'t2', head 'fused': there are no scores"),
        ({"heads": {"text_only": good[2].scores}}, "'image_only'; every prediction needs the same heads"),
        ({"heads": {**good[2].heads, "text_only": other}}, "head 'text_only' lacks a score of 'Edema'"),
        ({"heads": {**good[2].heads, "fused": good[1].scores}}, "the head 'fused' differs from 'scores'"),
        ({"case_id": "t1"}, "case_id 't1' stands 2 times"),
        ({"task": "chest_report"}, "chest_findings (3), chest_report (1)"),
    ):
        with pytest.raises(MedleyError) as error:
            score([*good[:2], replace(good[2], **change), good[3]])
        assert says in str(error.value)
    with pytest.raises(MedleyError, match="no predictions"):
        score([])


def test_the_headline_says_which_floors_are_beaten(test_part) -> None:
    value = score(test_part).metrics["auroc_macro"]
    floors = {
        "thumbnail_probe": {"auroc_macro": value.ci95[0] + 0.001},
        "black image": {"auroc_macro": value.ci95[1] + 0.001},
    }
    said = headline(score(test_part, floors={**floors, "nearest": {"auroc_macro": None}}))
    assert f"AUROC {value.value:.3f} (95 % interval" in said
    assert "mean over 5 labels of 200 studies" in said
    assert "it beats the constant answer (0.500) and the note alone" in said
    assert "does not beat a linear probe on 32×32 thumbnails" in said
    assert "By more than its interval it is worse than black image" in said
    assert "Nothing is known against nearest" in said


def test_a_floor_that_is_nan_is_refused(test_part) -> None:
    with pytest.raises(MedleyError, match="floor black image: auroc_macro is nan"):
        score(test_part, floors={"black image": {"auroc_macro": float("nan")}})


def test_what_the_protocol_does_not_state_is_warned_of(test_part) -> None:
    assert not any("does not state" in line for line in score(test_part).warnings)
    assert any("reader, table" in line for line in score(test_part, protocol=Protocol()).warnings)


def test_calibrated_probabilities_are_scored_beside_the_raw_ones(make) -> None:
    sharp = [replace(p, scores={n: s**3 for n, s in p.scores.items()}) for p in make(400, "dev")]
    test = [replace(p, scores={n: s**3 for n, s in p.scores.items()}) for p in make(400)]
    calibration = fit_calibration(sharp, "platt")
    card = score(test, calibration=calibration)
    edema = card.per_label["fused"]["Edema"]
    truth, scores = known(test, "Edema")
    said = calibration.apply("fused", "Edema", scores)
    assert edema.metrics["brier"].value == pytest.approx(sk.brier_score_loss(truth, scores), abs=1e-12)
    assert edema.metrics["brier_calibrated"].value == pytest.approx(sk.brier_score_loss(truth, said), abs=1e-12)
    eces = [card.per_label["fused"][name].metrics["ece_calibrated"].value for name in MACRO]
    assert card.metrics["ece_calibrated"].value == pytest.approx(np.mean(eces))
    assert card.metrics["ece_calibrated"].value < card.metrics["ece"].value / 2
    assert card.metrics["ece_calibrated"].value < 2 * card.metrics["ece_calibrated_if_calibrated"].value
    assert card.protocol["calibration"] == "platt"
    raw, after = edema.reliability["raw"], edema.reliability["calibrated"]
    assert sum(raw.cases) == sum(after.cases) == len(truth)
    gap = np.average(np.abs(np.subtract(after.said, after.happened)), weights=after.cases)
    assert gap == pytest.approx(edema.metrics["ece_calibrated"].value)
    fracture = card.per_label["fused"]["Fracture"]
    assert fracture.metrics["ece_calibrated"].value is None
    assert "to fit a calibration on" in fracture.metrics["ece_calibrated"].error
    assert "calibrated" not in fracture.reliability
    assert any("without a calibration" in line and "Fracture" in line for line in card.warnings)


def test_a_calibration_fitted_on_a_scored_patient_makes_its_metrics_null_and_leaves_the_raw_ones(make) -> None:
    test = make(200)
    card = score(
        test, calibration=fit_calibration([*make(100, "dev"), test[7]]), thresholds=fit_thresholds(make(80, "d"))
    )
    for name in ("ece_calibrated", "brier_calibrated", "image_only/ece_calibrated", "ece_calibrated_if_calibrated"):
        assert card.metrics[name].value is None
        assert "calibration fitted on 1 of the 100 scored patients, first 't-patient3'" in card.metrics[name].error
    for name in ("auroc_macro", "ap_macro", "ece", "brier", "f1_macro", "ece_if_calibrated"):
        assert card.metrics[name].value is not None
    assert "none fitted" in score(test).metrics["ece_calibrated"].error
    assert score(test).protocol["calibration"] is None


def test_no_resamples_leave_the_values_and_say_so(make) -> None:
    test = [replace(p, group={"sex": "FM"[i % 2]}) for i, p in enumerate(make(200))]
    card, full = score(test, bootstrap=0), score(test)
    assert card.metrics["auroc_macro"].value == full.metrics["auroc_macro"].value
    assert card.metrics["auroc_macro"].ci95 is None
    assert card.metrics["auroc_macro"].error == "no interval: no resamples were asked for"
    assert card.subgroups["sex"].largest_gap["auroc_macro"].difference.ci95 is None


def test_nothing_called_makes_precision_null_by_name(make) -> None:
    thresholds = fit_thresholds(make(100, "dev"))
    values = {head: {**of, "Edema": 1.0} for head, of in thresholds.values.items()}
    card = score(make(200), thresholds=thresholds.model_copy(update={"values": values}))
    assert card.per_label["fused"]["Edema"].metrics["precision"].error == "no case is called"
    assert card.per_label["fused"]["Edema"].metrics["mcc"].error == "no case is called"
    assert card.per_label["fused"]["Edema"].metrics["recall"].value == 0  # it is: none of the ill is found
    for name in ("precision_macro", "mcc_macro", "precision_chexpert5"):
        assert (card.metrics[name].value, card.metrics[name].error) == (None, "no case is called: Edema")
    assert card.metrics["precision_micro"].value is not None
    assert card.metrics["recall_macro"].value is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scores": float("nan")}, "case 't2', head 'fused': the score of 'Edema' is nan; it must be a probability"),
        ({"scores": float("inf")}, "case 't2', head 'fused': the score of 'Edema' is inf"),
        ({"scores": -3.1}, "case 't2', head 'fused': the score of 'Edema' is -3.1"),
        ({"labels": 2}, "case 't2': the label 'Edema' is 2; it must be 1, 0 or null"),
        ({"labels": -1}, "case 't2': the label 'Edema' is -1"),
    ],
)
def test_scores_and_labels_that_are_none_are_refused_by_case_and_label(make, change: dict, says: str) -> None:
    good = make(4)
    [(key, value)] = change.items()
    good[2] = replace(good[2], **{key: {**getattr(good[2], key), "Edema": value}})
    with pytest.raises(MedleyError) as error:
        score(good)
    assert says in str(error.value)


def test_the_card_survives_json(make, tmp_path) -> None:
    test = [replace(p, group={"sex": "FM"[i % 2], "age_years": i % 90}) for i, p in enumerate(make(200, images=True))]
    dev = make(200, "dev")
    card = score(test, thresholds=fit_thresholds(dev, "youden"), calibration=fit_calibration(dev))
    write_json(tmp_path / "scorecard.json", card.as_json())
    again = read_scorecard(tmp_path)
    assert again.per_label == card.per_label
    assert again.subgroups == card.subgroups
    assert again.as_json() == card.as_json()
    assert card.protocol["thresholds"] == "youden"


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_in_a_number_has_an_interval_or_a_reason(make, seed: int) -> None:
    rng = np.random.default_rng(seed)
    test = make(int(rng.choice([1, 2, 12, 60])), seed=seed, unknown=rng.choice([0, 0.5, 1]), images=seed % 2 == 0)
    if seed % 3 == 0:  # certain, and often wrong
        test = [replace(p, scores={n: round(s) for n, s in p.scores.items()}, heads={}) for p in test]
    if seed % 4 == 0:
        test = [replace(p, labels={n: rng.choice([0, None]) for n in p.labels}) for p in test]
    test = [replace(p, group={"sex": rng.choice(["F", "M"]), "age_years": float(rng.integers(-5, 99))}) for p in test]
    dev = make(100, "dev")
    fitted = {"thresholds": fit_thresholds(dev), "calibration": fit_calibration(dev, "isotonic")} if seed % 5 else {}
    card = score(test, bootstrap=20, **fitted)
    named = dict(card.metrics)
    for head, labels in card.per_label.items():
        for label, scores in labels.items():
            named |= {f"{head}/{label}/{name}": metric for name, metric in scores.metrics.items()}
    for axis, of in card.subgroups.items():
        named |= {f"{axis} {name}: gap": gap.difference for name, gap in of.largest_gap.items()}
        for group, scored in of.groups.items():
            named |= {f"{axis} {group}: {name}": metric for name, metric in scored.metrics.items()}
    for name, metric in named.items():
        if metric.value is None:
            assert metric.error, name
            assert "not defined" not in metric.error, name
        elif metric.ci95 is None:
            assert metric.error or name.endswith("if_calibrated"), name
        else:
            assert metric.ci95[0] <= metric.ci95[1], name


def test_intervals_of_a_handful_of_resamples_are_warned_of(test_part) -> None:
    for resamples, warned in ((20, True), (100, False), (0, False)):
        warnings = score(test_part, bootstrap=resamples).warnings
        assert any("intervals of 20 resamples: too few" in line for line in warnings) is warned
