"""The scorecard of brain reports: what is not beaten is said first, floors know nothing, nulls have reasons."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from brains_data import HEALTHY, answered, brains, cases, lesion, written

from medley.core.errors import MedleyError
from medley.core.records import Case
from medley.data.cases import write_cases
from medley.data.splits import make_split, write_splits
from medley.evaluation.clinical.brain import read_brains
from medley.evaluation.predictions.known_cases import known_cases
from medley.evaluation.predictions.lines import read_predictions, write_predictions
from medley.evaluation.reports.beside import compared
from medley.evaluation.reports.brain_floors import CONSTANTS
from medley.evaluation.reports.floors import text_floors
from medley.evaluation.reports.of_others import TextOptions
from medley.evaluation.reports.scorecard import brain_report_scorecard
from medley.evaluation.reports.statistics import report_statistics
from medley.evaluation.score import score_file
from medley.evaluation.scorecard.body import scorecard_page
from medley.evaluation.scorecard.card import Protocol, Scorecard, read_scorecard
from medley.evaluation.scorecard.files import write_scorecard
from medley.evaluation.scorecard.headline import headline
from medley.evaluation.scorecard.missing import missing
from medley.evaluation.scorecard.report_pictures import report_pictures
from medley.evaluation.scorecard.written import written_examples
from medley.evaluation.selection import dev_metrics
from medley.evaluation.statistics import paired_differences
from medley.language.brain import read_brain


def card_of(predictions, *, bootstrap: int = 40, train=(), **given) -> Scorecard:
    made = text_floors(predictions, list(train), {})
    given = {"floors": made.floors, "ceilings": made.ceilings, "absent": made.absent} | given
    return brain_report_scorecard(
        predictions, protocol=Protocol(part="test"), provenance={}, bootstrap=bootstrap, **given
    )


@pytest.fixture(scope="module")
def card() -> Scorecard:
    return card_of(brains(120), train=cases(brains(120, seed=40)))


def test_a_good_system_beats_every_floor_and_the_line_says_by_what(card):
    line = headline(card)
    assert line.startswith("Side and lobe F1 0.")
    assert "of lesions on their true side" in line
    assert "of healthy brains called healthy" in line
    assert "By more than its interval it beats one healthy report for everybody (0.000), one report of a lesion" in line
    assert "does not" not in line
    assert set(card.floors) == {"constant_healthy", "constant_lesion", "majority_side", "most_frequent"}
    assert set(card.ceilings) == {"nearest_reference"}
    assert any(warning.startswith("the floor nearest_text is missing") for warning in card.warnings)


def test_no_floor_knows_anything(card):
    for name in ("constant_healthy", "constant_lesion", "majority_side", "most_frequent"):
        floor = card.floors[name]
        assert floor["lesion_balanced_accuracy"] == 0.5, name
        assert floor["side_lobe_f1"] < 0.35, name
        assert floor["laterality_accuracy"] < 0.7, name
    assert card.floors["constant_healthy"]["healthy_specificity"] == 1
    assert card.floors["constant_healthy"]["pathology_f1"] == 0
    assert card.floors["constant_lesion"]["lesion_sensitivity"] == 1
    assert card.floors["majority_side"]["side_lobe_f1"] >= card.floors["constant_lesion"]["side_lobe_f1"]
    assert card.ceilings["nearest_reference"]["side_lobe_f1"] > 0.6


def test_the_constants_say_what_they_should():
    healthy, sick = (read_brain(" ".join(CONSTANTS[name].values())) for name in CONSTANTS)
    assert healthy.says_healthy
    assert (sick.side, set(sick.asserted)) == ("right", {"lesion", "edema", "necrosis", "mass effect"})
    predictions = brains(20)
    for section, floor in (("report", "constant_healthy"), ("impression", "constant_lesion")):
        asked = [replace(one, reference={section: one.reference["report"]}) for one in predictions]
        made = text_floors(asked, [], {}).floors[floor]
        assert {tuple(line.hypothesis) for line in made} == {(section,)}
    absent = text_floors(predictions, [], {}).absent
    assert absent["majority_side"] == absent["most_frequent"] == "there are no training reports at hand"
    well = cases([replace(one, truth={"healthy": True}) for one in brains(5)])
    assert text_floors(predictions, well, {}).absent["majority_side"] == (
        "no training study is known to have a lesion on a side"
    )


def test_the_majority_is_that_of_the_training_part():
    predictions = brains(10)
    train = [lesion([("right", "temporal")], ("edema",))] * 5 + [lesion([("left", "frontal")], ("necrosis",))] * 2
    of_truth = [Case(f"t{i}", f"q{i}", "1", text={"report": written(one)}, truth=one) for i, one in enumerate(train)]
    for some in (of_truth, [replace(one, truth={}) for one in of_truth]):  # read from the reports where no truth is
        said = text_floors(predictions, some, {}).floors["majority_side"][0].hypothesis["report"]
        reading = read_brain(said)
        assert reading.side_lobe == (("right", "temporal"),)
        assert "edema" in reading.asserted
        assert reading.findings["necrosis"] == "absent"


def test_a_floor_is_held_against_the_system_on_the_same_patients(card):
    predictions = brains(120)
    floor = text_floors(predictions, [], {}).floors["constant_lesion"]
    ours, theirs = (report_statistics(some, task="brain_report") for some in (predictions, floor))
    differences = paired_differences(ours.weighted, theirs.weighted, ours.patient_ids, resamples=40, seed=0)
    for name in ("side_lobe_f1", "pathology_f1", "lesion_balanced_accuracy", "laterality_accuracy", "rouge_l"):
        metric = card.metrics[f"minus_constant_lesion/{name}"]
        assert metric.value == pytest.approx(differences[name].value), name
        assert metric.ci95 == pytest.approx(differences[name].ci95), name
    assert set(card.floors["constant_lesion"]) == set(compared(ours.metrics(resamples=0, seed=0), "brain_report"))


def test_what_is_not_beaten_is_said_first_and_by_name():
    predictions = brains(80, skill=0.1)
    same = answered(predictions, "x")
    same = [replace(one, hypothesis=of.hypothesis) for one, of in zip(same, predictions, strict=True)]
    line = headline(card_of(predictions, floors={"black_images": same, "slices_2d": same}))
    assert "It does not beat itself on empty volumes (0." in line
    assert "So its score does not come from the volume." in line
    # as good in side and lobe, no better than a constant in telling the sick from the healthy
    good = [
        one if one.truth["healthy"] is False else replace(one, hypothesis={"report": "Left frontal lesion."})
        for one in brains(80, 1)
    ]
    line = headline(card_of(good))
    assert "it beats one healthy report for everybody (0.000) and one report of a lesion for everybody" in line
    assert "But it does not tell sick brains from healthy ones better than" in line
    blind = [
        replace(one, hypothesis={"report": one.hypothesis["report"].replace("left", "right")}) for one in brains(80, 1)
    ]
    assert "But it does not put lesions on their true side more often than" in headline(
        card_of(
            blind,
            floors={"shuffled_images": [replace(one, hypothesis={"report": "Right frontal lesion."}) for one in blind]},
        )
    )


def test_all_files_are_written_and_read_again(card, tmp_path):
    predictions = brains(120)
    page = write_scorecard(card, tmp_path / "out", predictions)
    tables = {"metrics.csv", "per_label.csv", "by_report.csv"}
    assert {p.name for p in page.parent.iterdir()} == tables | {"floors.png", "labels.png", page.name, "scorecard.json"}
    assert read_scorecard(tmp_path / "out") == card
    rows = list(csv.DictReader((tmp_path / "out" / "by_report.csv").open()))
    for name in ("laterality_accuracy", "facts_f1_example", "pathology_f1_seed", "hallucination_rate", "rouge_l"):
        mean = np.mean([float(row[name]) for row in rows if row[name]])
        assert mean == pytest.approx(card.metrics[name].value), name
    labels = list(csv.DictReader((tmp_path / "out" / "per_label.csv").open()))
    assert {row["head"] for row in labels} == {"laterality", "anatomy", "side_lobe", "pathology"}
    assert int(next(row for row in labels if row["label"] == "edema")["positives"]) > 0


def test_the_page_answers_in_order_and_escapes(card):
    evil = "<script>alert('$x^')</script>"
    predictions = [replace(brains(1)[0], hypothesis={"report": evil}), *brains(120)[1:]]
    text = scorecard_page(card, report_pictures(predictions, card), (), written_examples(predictions, card))
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", text) == [
        "What it was tested on",
        "Against its floors",
        "What the reports say",
        "Finding by finding",
        "Likeness of words",
        "What it writes",
        "Before you quote a number",
        "What could not be computed, and why",
        "How it was measured",
    ]
    assert "<title>Scorecard: reports of brain MRI</title>" in text
    assert "<script" not in text
    assert "film" not in text
    assert "effusion" not in text
    shown = written_examples(predictions, card)
    assert [one.f1 for one in shown] == sorted((one.f1 for one in shown), reverse=True)
    assert "What is true of a study: what the case table says." in text


def test_every_null_has_its_reason_on_the_page():
    few = card_of(brains(8))
    nulls = [name for name, metric in few.metrics.items() if metric.value is None]
    listed = " ".join(missing(few))
    assert nulls
    assert all(few.metrics[name].error for name in nulls)
    assert [name for name in nulls if name.rpartition("/")[2] not in listed] == []
    assert not any("not defined" in line for line in missing(few))


def test_one_report_has_numbers_and_no_intervals():
    alone = card_of(brains(1, 1.0, healthy=0))
    metric = alone.metrics["side_lobe_f1"]
    assert (metric.value, metric.ci95, metric.error) == (1, None, "no interval: one patient only")
    assert "It has no interval (one patient only), so it cannot be held against any floor." in headline(alone)
    assert all(of.error for of in alone.metrics.values() if of.ci95 is None)


def test_subgroups_are_the_scores_of_their_studies_alone():
    predictions = [replace(one, group={"sex": "FM"[i % 2]}) for i, one in enumerate(brains(120))]
    made = card_of(predictions, floors={}, ceilings={})
    alone = read_brains([one for one in predictions if one.group["sex"] == "F"]).measured(resamples=0, seed=0).metrics
    group = made.subgroups["sex"].groups["F"]
    for name in ("side_lobe_f1", "pathology_f1", "healthy_specificity"):
        assert group.metrics[name].value == pytest.approx(alone[name].value), name
    assert "<h3>By sex</h3>" in scorecard_page(made, {})


def test_findings_beside_the_text_are_scored_where_there_are_any():
    rng, predictions = np.random.default_rng(0), []
    for one in brains(60):
        sick = int(not one.truth["healthy"])
        score = float(np.clip(0.4 * sick + 0.6 * rng.random(), 0, 1))
        predictions.append(replace(one, labels={"Lesion": sick, "Edema": None}, scores={"Lesion": score, "Edema": 0.5}))
    made = card_of(predictions, floors={}, ceilings={})
    assert made.metrics["auxiliary/auroc_macro"].value > 0.7
    assert not any(name.startswith("auxiliary/") for name in card_of(brains(20), floors={}, ceilings={}).metrics)
    picked = dev_metrics(predictions, "brain_report")
    assert picked["side_lobe_f1"] == pytest.approx(made.metrics["side_lobe_f1"].value)
    assert picked["auroc_macro"] == pytest.approx(made.metrics["auxiliary/auroc_macro"].value)
    assert "bleu_4" not in picked
    assert dev_metrics([replace(one, hypothesis={}) for one in predictions], "brain_report").keys() == {
        "auroc_macro",
        "ap_macro",
    }


# Anybody's file


@pytest.fixture
def table(tmp_path):
    """A table of 120 brains with reports and truth, and its split."""
    rows = [replace(case, source="them") for case in cases(brains(120), "")]
    written_table = write_cases(tmp_path / "cases.parquet", rows, [])
    write_splits(tmp_path / "splits.json", make_split(written_table, seed=3, fractions=(0.5, 0.1, 0.4)))
    return known_cases(tmp_path / "cases.parquet", tmp_path / "splits.json", "mask")


def test_the_table_brings_references_truth_and_the_floors_that_copy(table, tmp_path):
    test = set(table.manifest.parts["test"])
    said = [replace(one, reference={}, truth={}) for one in brains(120) if one.case_id in test]
    write_predictions(tmp_path / "p.jsonl", said)
    scored = score_file(tmp_path / "p.jsonl", known=table, bootstrap=40)
    made = scored.card
    assert (made.task, made.protocol["truth"]) == ("brain_report", "table")
    assert made.protocol["components"] == "edema, necrosis, enhancement, mass effect, midline shift"
    assert set(made.floors) == {"constant_healthy", "constant_lesion", "majority_side", "most_frequent"}
    assert any("volumes were read" in line and "--floor black_images=FILE" in line for line in made.warnings)
    assert any("the floor nearest_image is missing: it takes the volumes" in line for line in made.warnings)
    scored.write(tmp_path / "out")
    kept = read_predictions(tmp_path / "out" / "floors" / "majority_side.jsonl")
    assert [one.case_id for one in kept] == [one.case_id for one in scored.predictions]
    again = score_file(tmp_path / "out" / "predictions.jsonl", bootstrap=0)
    assert again.card.metrics["side_lobe_f1"].value == made.metrics["side_lobe_f1"].value, (
        "the truth is in the file now"
    )
    again.write(tmp_path / "out")
    assert not (tmp_path / "out" / "floors" / "majority_side.jsonl").exists()
    empty = answered(said, HEALTHY)
    write_predictions(tmp_path / "empty.jsonl", empty)
    card = score_file(
        tmp_path / "p.jsonl", known=table, floors={"black_images": tmp_path / "empty.jsonl"}, bootstrap=40
    )
    assert "itself on empty volumes" in headline(card.card)


def line(i: int = 0, **change) -> dict:
    """One line; None takes a key out of it."""
    content = {"case_id": f"c{i}", "patient_id": f"p{i}", "task": "brain_report"}
    content |= {"hypothesis": "Left frontal lesion.", "reference": "Left frontal lesion with edema."} | change
    return {key: value for key, value in content.items() if value is not None}


def write(tmp_path, *lines):
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    return tmp_path / "bad.jsonl"


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ([line(), line()], "line 2: case_id 'c0': the case stands already in line 1"),
        ([line(hypothesis=None), line(1, hypothesis=None)], "no prediction has a 'hypothesis'"),
        ([line(reference=None), line(1, reference=" ")], "no report has a reference or a truth to hold it against"),
        ([line(hypothesis=["a"])], "'hypothesis' is .* it must be a text, or an object"),
        ([line(labels={"Lesions": 1})], "'labels': unknown label 'Lesions'; did you mean 'Lesion'"),
        ([line(truth={"sides": "up"})], "case 'c0': unknown name 'up' in truth 'sides'"),
        ([line(truth={"healthy": 1})], "truth 'healthy' is 1; it must be true, false or null"),
    ],
)
def test_bad_input_is_one_line(lines, rule, tmp_path):
    with pytest.raises(MedleyError, match=rule) as told:
        score_file(write(tmp_path, *lines), bootstrap=0)
    assert "\n" not in str(told.value)


def test_what_labels_chest_films_labels_no_brain(tmp_path):
    with pytest.raises(MedleyError, match=r"--chexbert labels reports of chest films; .* holds brain_report"):
        score_file(write(tmp_path, line()), texts=TextOptions(chexbert=(tmp_path / "w", "t")), bootstrap=0)


def test_strange_and_endless_reports_are_scored_and_written(tmp_path):
    rng = np.random.default_rng(0)
    endless = " ".join(rng.choice(["no", "edema", "left", "lesion.", *(f"w{i}" for i in range(3000))], 10_000))
    strange = "🙂 \x07 left \ud83d lesion \u202e $x^"
    lines = [line(0, hypothesis=endless), line(1, hypothesis=strange), line(2, hypothesis=""), line(3, reference="")]
    lines.append(line(4, reference="🙂", hypothesis="🙂"))
    scored = score_file(write(tmp_path, *lines), bootstrap=20)
    assert " characters)" in scored.write(tmp_path / "out").read_text(encoding="utf-8"), "cut, and said so"
    assert scored.card.metrics["pathology_f1"].n == 3, "neither the empty reference nor the smile is known"
    warnings = " | ".join(scored.card.warnings)
    assert "1 of 5 hypotheses empty" in warnings
    assert "2 of 5 brains are not known to have a lesion or to be healthy" in warnings
    assert "nothing can be read in 1 of 4 hypotheses" in warnings


def test_an_empty_answer_to_everybody_is_a_score_and_not_an_error(tmp_path):
    made = score_file(write(tmp_path, *(line(i, hypothesis="") for i in range(4))), bootstrap=20).card
    assert made.metrics["side_lobe_f1"].value == made.metrics["lesion_sensitivity"].value == 0
    assert made.metrics["bleu_4"].error == "every hypothesis is empty"
