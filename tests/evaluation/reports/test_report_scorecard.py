"""The scorecard of reports: floors are paired, a system that is not above them is told so first, nulls have reasons."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.core.records import Prediction
from medley.evaluation.reports.beside import compared
from medley.evaluation.reports.floors import CONSTANT_NORMAL, text_floors
from medley.evaluation.reports.scorecard import chest_report_scorecard
from medley.evaluation.reports.statistics import report_statistics
from medley.evaluation.scorecard.body import scorecard_body, scorecard_page
from medley.evaluation.scorecard.card import Protocol, Scorecard, read_scorecard
from medley.evaluation.scorecard.files import write_scorecard
from medley.evaluation.scorecard.headline import headline
from medley.evaluation.scorecard.missing import missing
from medley.evaluation.scorecard.report_pictures import report_pictures
from medley.evaluation.scorecard.written import written_examples
from medley.evaluation.statistics import Metric, paired_differences

NORMAL = {"findings": "The lungs are clear.", "impression": "No acute disease."}


def answers(predictions, hypothesis) -> list[Prediction]:
    """The same cases, each answered by these words."""
    return [replace(one, hypothesis=hypothesis(one), reference={}) for one in predictions]


def card_of(predictions, *, bootstrap: int = 40, **given) -> Scorecard:
    given = {"floors": {"constant_normal": answers(predictions, lambda one: NORMAL)}, "ceilings": {}} | given
    return chest_report_scorecard(
        predictions, absent={}, protocol=Protocol(part="test"), provenance={}, bootstrap=bootstrap, **given
    )


@pytest.fixture
def with_findings(reports):
    """Reports with labels and with probabilities beside the text."""
    rng, made = np.random.default_rng(0), []
    for one in reports(60):
        labels = {name: int(rng.random() < 0.4) for name in CHEXPERT_14}
        scores = {name: float(np.clip(0.5 * value + 0.5 * rng.random(), 0, 1)) for name, value in labels.items()}
        made.append(replace(one, labels=labels, scores=scores))
    return made


def test_a_floor_is_held_against_the_system_on_the_same_patients(reports):
    predictions = reports(60)
    floor = answers(predictions, lambda one: NORMAL)
    card = card_of(predictions, floors={"constant_normal": floor[::-1]})
    ours, theirs = (
        report_statistics(predictions),
        report_statistics([replace(f, reference=p.reference) for f, p in zip(floor, predictions, strict=True)]),
    )
    differences = paired_differences(ours.weighted, theirs.weighted, ours.patient_ids, resamples=40, seed=0)
    for name in ("clinical_f1_micro_14", "findings/bleu_4", "rouge_l", "laterality_accuracy"):
        metric = card.metrics[f"minus_constant_normal/{name}"]
        assert metric.value == pytest.approx(differences[name].value), name
        assert metric.ci95 == pytest.approx(differences[name].ci95), name
        assert card.floors["constant_normal"][name] == card.metrics[f"constant_normal/{name}"].value
        assert metric.value == pytest.approx(card.metrics[name].value - card.floors["constant_normal"][name])
    assert set(card.floors["constant_normal"]) == set(compared(ours.metrics(resamples=0, seed=0)))
    assert CONSTANT_NORMAL["findings"] in card.provenance["text_floors"], "the words of the constant are told"
    assert "text_floors" not in card_of(predictions, floors={}).provenance


def test_what_is_not_beaten_is_said_first(reports):
    poor = reports(60, skill=0.5)
    same = answers(poor, lambda one: one.hypothesis)
    line = headline(card_of(poor, floors={"black_images": same, "constant_normal": answers(poor, lambda o: NORMAL)}))
    first, beaten = line.index("It does not beat itself on black films"), line.index("it beats one normal report")
    assert first < beaten
    assert "So its score does not come from the film." in line
    better = answers(poor, lambda one: next(p.reference for p in poor if p.case_id == one.case_id))
    worse = headline(card_of(poor, floors={"shuffled_images": better}))
    assert "By more than its interval it is worse than itself on another patient's films" in worse
    assert worse.startswith("Clinical F1 0.")


def test_many_floors_that_are_not_beaten_share_two_sentences(reports):
    poor = reports(60, skill=0.5)
    same = answers(poor, lambda one: one.hypothesis)
    better = answers(poor, lambda one: next(p.reference for p in poor if p.case_id == one.case_id))
    line = headline(card_of(poor, floors={"nearest_image": better, "nearest_text": same, "shuffled_images": same}))
    value = f"{float(np.round(card_of(poor).metrics['clinical_f1_micro_14'].value, 3)):.3f}"
    assert "By more than its interval it is worse than the training report of the nearest film (1.000)." in line
    both = f"the training report with the nearest indication ({value}) and itself on another patient's films ({value})."
    assert f"It does not beat {both} So its score does not come from the patient's own film." in line


def test_a_floor_that_only_words_do_not_beat_is_named(reports):
    predictions = [
        replace(one, hypothesis={"findings": one.hypothesis["findings"] + " " + "Stable. " * 40}) for one in reports(60)
    ]
    line = headline(card_of(predictions))
    assert "it beats one normal report for everybody" in line
    assert re.search(
        r"But in likeness of words it does not beat one normal report for everybody \(in .*CIDEr-D\)", line
    )


def test_a_ceiling_stands_apart(reports):
    predictions = reports(40)
    truth = answers(predictions, lambda one: next(p.reference for p in predictions if p.case_id == one.case_id))
    card = card_of(predictions, ceilings={"nearest_reference": truth})
    assert card.ceilings["nearest_reference"]["clinical_f1_micro_14"] == 1
    assert "nearest_reference" not in card.floors
    assert "nearest to the true one" not in headline(card)
    assert card.metrics["minus_nearest_reference/clinical_f1_micro_14"].ci95[1] < 0
    assert "<h3>Ceilings</h3>" in scorecard_page(card, {})


def test_the_findings_beside_the_text_are_scored_as_findings(with_findings):
    black = [replace(one, scores=dict.fromkeys(one.scores, 0.5)) for one in with_findings]
    card = card_of(with_findings, floors={"black_images": black})
    assert card.metrics["auxiliary/auroc_macro"].value > 0.9
    assert card.metrics["auxiliary/fused_minus_black_images/auroc_macro"].ci95[0] > 0
    assert card.per_label["auxiliary"]["Edema"].metrics["auroc"].value is not None
    counts = {"reports": 60, "flagged": 7, "said_not_found": 4, "found_and_denied": 3, "found_not_mentioned": 0}
    text = scorecard_page(replace(card, provenance={"report_against_findings": counts}), {})
    assert "In 7 of 60 reports the text and these findings differ: said and not found 4, found and denied 3" in text
    beside = text[text.index("The findings beside the text") :]
    assert "Itself on black images</th><td>0.500" in beside
    without = card_of([replace(one, scores={}) for one in with_findings])
    assert (
        without.metrics["auxiliary/auroc_macro"].error == "the predictions hold no scores of findings beside the text"
    )
    unlabelled = card_of([replace(one, labels={}) for one in with_findings])
    assert unlabelled.metrics["auxiliary/auroc_macro"].error == "no label of the findings beside the text is known"


def test_all_files_are_written_and_read_again(with_findings, tmp_path):
    card = card_of(with_findings)
    page = write_scorecard(card, tmp_path / "out", with_findings)
    tables = {"metrics.csv", "per_label.csv", "by_report.csv"}
    assert {p.name for p in page.parent.iterdir()} == tables | {"floors.png", "labels.png", page.name, "scorecard.json"}
    assert read_scorecard(tmp_path / "out") == card
    assert "by_case" not in json.loads((tmp_path / "out" / "scorecard.json").read_text())
    rows = list(csv.DictReader((tmp_path / "out" / "by_report.csv").open()))
    assert [row["case_id"] for row in rows] == [one.case_id for one in with_findings]
    mean = np.mean([float(row["rouge_l"]) for row in rows])
    assert mean == pytest.approx(card.metrics["rouge_l"].value)
    labels = list(csv.DictReader((tmp_path / "out" / "per_label.csv").open()))
    edema = next(row for row in labels if (row["head"], row["label"], row["metric"]) == ("uncertain_1", "Edema", "f1"))
    assert int(edema["said"]) == card.per_label["uncertain_1"]["Edema"].said > 0
    write_scorecard(card, tmp_path / "again", with_findings)
    for path in page.parent.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_the_page_answers_in_order_and_escapes(with_findings):
    evil = "<script>alert('$x^')</script>"
    first = with_findings[0]
    predictions = [replace(first, hypothesis={"findings": evil, evil: "x"}), *with_findings[1:]]
    card = card_of(predictions)
    text = scorecard_page(card, report_pictures(predictions, card), (), written_examples(predictions, card))
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", text) == [
        "What it was tested on",
        "Against its floors",
        "What the reports say",
        "Finding by finding",
        "Likeness of words",
        "The findings beside the text",
        "What it writes",
        "Before you quote a number",
        "What could not be computed, and why",
        "How it was measured",
    ]
    assert "<script" not in text
    assert text.index(headline(card)[:30]) < text.index("What it was tested on")
    two = "".join(scorecard_body(card, {}, anchor=name) for name in ("a", "b"))
    assert re.findall(r'id="(\w+)"', two) == ["a", "b"]


def test_every_null_has_its_reason_on_the_page(reports):
    card = card_of(reports(12))
    lines = missing(card)
    listed = " ".join(lines)
    nulls = [name for name, metric in card.metrics.items() if metric.value is None]
    assert nulls
    assert all(card.metrics[name].error for name in nulls)
    assert [name for name in nulls if name.rpartition("/")[2] not in listed] == []
    assert "WordNet" in listed
    assert "not defined" not in listed
    assert "threshold" not in listed, "what is said has none"


def test_examples_are_the_best_the_middle_and_the_worst_with_confidence(reports):
    predictions = [
        replace(one, extra={"sentence_confidence": {"impression": [0.75] * one.hypothesis["impression"].count(".")}})
        for one in reports(40)
    ]
    card = card_of(predictions)
    shown = written_examples(predictions, card)
    assert [one.where for one in shown] == [
        w for w in ("Among the best", "In the middle", "Among the worst") for _ in "ab"
    ]
    f1 = [one.f1 for one in shown]
    assert f1 == sorted(f1, reverse=True)
    assert f1[0] == 1
    assert all(re.fullmatch(r"([^.]+\. \(0\.75\) ?)+", one.hypothesis["impression"]) for one in shown)
    assert "(" not in shown[0].hypothesis["findings"], "none was given"
    assert written_examples(predictions, replace(card, by_case={})) == []


def test_one_report_has_numbers_and_no_intervals(reports):
    card = card_of(reports(1))
    f1 = card.metrics["clinical_f1_micro_14"]
    assert (f1.value is not None, f1.ci95, f1.error) == (True, None, "no interval: one patient only")
    assert "It has no interval (one patient only), so it cannot be held against any floor." in headline(card)
    assert card.metrics["minus_constant_normal/rouge_l"].error == "no interval: one patient only"
    assert all(metric.error for metric in card.metrics.values() if metric.ci95 is None)
    assert "no resamples" in card_of(reports(10), bootstrap=0).metrics["minus_constant_normal/rouge_l"].error


def test_a_system_that_says_one_thing_is_told_so(reports):
    card = card_of(answers_with_reference(reports(20)))
    assert any("20 of 20 reports are word for word the same; 1 text in all" in line for line in card.warnings)


def answers_with_reference(predictions):
    return [replace(one, hypothesis=NORMAL) for one in predictions]


def test_floors_of_other_cases_or_another_truth_are_refused(reports):
    predictions = reports(10)
    other = answers(predictions, lambda one: NORMAL)
    with pytest.raises(MedleyError, match="floor mine lacks case 'c0'"):
        card_of(predictions, floors={"mine": other[1:]})
    turned = [replace(other[0], reference={"findings": "Something else."}), *other[1:]]
    with pytest.raises(MedleyError, match="floor mine: case 'c0', reference 'findings' is not as in the system's"):
        card_of(predictions, floors={"mine": turned})


def test_floors_made_of_texts_fit_in(reports):
    predictions = reports(30)
    made = text_floors(predictions, [], {})
    card = chest_report_scorecard(
        predictions,
        floors=made.floors,
        ceilings=made.ceilings,
        absent=made.absent,
        protocol=Protocol(),
        provenance={},
        bootstrap=20,
    )
    assert "constant_normal" in card.floors
    assert "the floor most_frequent is missing: there are no training reports at hand" in card.warnings
    assert "the ceiling nearest_reference is missing: there are no training reports at hand" in card.warnings


def test_maps_of_the_parts_of_the_chest_stand_on_the_page(reports):
    card = card_of(reports(12))
    assert "Where it looks for the parts of the chest" not in scorecard_page(card, {})
    iou = Metric(0.71, (0.69, 0.73), 30)
    card = replace(
        card,
        metrics={
            **card.metrics,
            "anatomy_iou": iou,
            "spine/anatomy_iou": Metric(0.55),
            "trained_minus_mean_mask/anatomy_iou": Metric(0.08, (0.05, 0.11), 30),
        },
        floors={**card.floors, "mean_mask": {"anatomy_iou": 0.63}},
        provenance={"explanations": {"anatomy": {"studies": 30, "chosen_on": "dev"}}},
    )
    text = scorecard_page(card, {})
    for said in ("0.710", "0.630", "+0.080", "0.550", "On 30 studies that are known to show them; cut to an area"):
        assert said in text
    assert "mean mask" not in headline(card), "a floor of maps is none of reports"


def test_subgroups_are_the_scores_of_their_studies_alone(reports):
    predictions = [replace(one, group={"sex": "FM"[i % 2]}) for i, one in enumerate(reports(120))]
    card = card_of(predictions)
    women = [one for one in predictions if one.group["sex"] == "F"]
    alone = report_statistics(women).metrics(resamples=0, seed=0)
    group = card.subgroups["sex"].groups["F"]
    assert (group.studies, group.patients) == (60, 60)
    for name in ("clinical_f1_micro_14", "laterality_accuracy", "bleu_4", "rouge_l"):
        assert group.metrics[name].value == pytest.approx(alone[name].value), name
        assert group.metrics[name].ci95[0] <= group.metrics[name].value <= group.metrics[name].ci95[1]
    text = scorecard_page(card, {})
    assert "<h3>By sex</h3>" in text
    assert "By sex: F 60, M 60" in text
    assert "no subgroups by age, view, source: no prediction states them" in card.warnings
