"""Anybody's outputs against a case table and its split: truth, parts and patients; nothing is dropped in silence."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case, ImageRef
from medley.data.cases import read_cases, write_cases
from medley.data.splits import make_split, read_splits, write_splits
from medley.evaluation.predictions.known_cases import known_cases
from medley.evaluation.predictions.lines import write_predictions
from medley.evaluation.score import FittedOn, score_file, stated_protocol
from medley.evaluation.scorecard.headline import headline


@pytest.fixture
def theirs(make):
    """Predictions of 400 studies of a table, their truth among them."""
    return make(400)


@pytest.fixture
def table(theirs, tmp_path):
    """The table that these studies come from, and its split; one label is uncertain, as a reader would leave it."""
    cases = []
    for i, one in enumerate(theirs):
        labels = {name: math.nan if value is None else float(value) for name, value in one.labels.items()}
        films = (ImageRef("LATERAL", f"{i}l.png"), ImageRef("AP", f"{i}.png"))
        cases.append(Case(one.case_id, one.patient_id, "1", films, {}, labels, {}, "FM"[i % 2], 50.0, "elsewhere"))
    cases[0] = replace(cases[0], labels={**cases[0].labels, "Edema": -1.0})
    written = write_cases(tmp_path / "cases.parquet", cases, list(theirs[0].scores))
    write_splits(tmp_path / "splits.json", make_split(written, seed=3, fractions=(0.3, 0.2, 0.5)))
    return tmp_path


@pytest.fixture
def parts(theirs, table):
    """part -> the predictions of its cases, without truth and group: all that the system itself knows."""
    manifest = read_splits(table / "splits.json")
    bare = {one.case_id: replace(one, labels={}) for one in theirs}
    return {part: [bare[case_id] for case_id in ids] for part, ids in manifest.parts.items()}


@pytest.fixture
def known(table):
    return known_cases(table / "cases.parquet", table / "splits.json", "mask")


def write(tmp_path, name, predictions):
    write_predictions(tmp_path / name, predictions)
    return tmp_path / name


def test_the_table_gives_truth_groups_protocol_and_the_constant(parts, known, table, tmp_path):
    scored = score_file(write(tmp_path, "p.jsonl", parts["test"]), known=known, bootstrap=0)
    card = scored.card
    assert scored.lacking == []
    assert card.metrics["auroc_macro"].value > 0.8
    assert card.protocol["table"] == read_cases(table / "cases.parquet").digest
    assert card.protocol["split"] == read_splits(table / "splits.json").digest
    assert (card.protocol["part"], card.protocol["reader"]) == ("test", "elsewhere")
    assert card.protocol["label_policy"] == "uncertain ignore; blank mask"
    assert set(card.subgroups["sex"].groups) == {"F", "M"}
    assert set(card.subgroups["view"].groups) == {"AP"}, "the frontal film, which is read first"
    share = np.nanmean(known.truths("train", ("Edema",)))
    test = known.truths("test", ("Edema",))
    assert card.floors["prevalence"]["brier/Edema"] == pytest.approx(np.nanmean((share - test) ** 2)), "train's share"


def test_uncertain_is_not_known_and_blank_as_one_says(known, table):
    case = known.table.cases[0]
    assert known.truth(case)["Edema"] is None
    negative = known_cases(table / "cases.parquet", None, "negative")
    assert all(value is not None for name, value in negative.truth(known.table.cases[1]).items())
    assert negative.truth(case)["Edema"] is None, "a blank is not what is uncertain"


def test_thresholds_and_calibration_come_from_dev_and_say_so(parts, known, tmp_path):
    test, dev = (write(tmp_path, f"{part}.jsonl", parts[part]) for part in ("test", "dev"))
    scored = score_file(test, known=known, dev=FittedOn(dev, "youden", "platt"), bootstrap=0)
    assert scored.card.metrics["f1_macro"].value is not None
    assert scored.card.metrics["ece_calibrated"].value is not None
    assert (scored.card.protocol["thresholds"], scored.card.protocol["calibration"]) == ("youden", "platt")
    assert set(scored.thresholds.case_ids) == {one.case_id for one in parts["dev"]}
    without = score_file(test, known=known, bootstrap=0).card.metrics["f1_macro"]
    assert (without.value, without.error) == (None, "no thresholds: none fitted on a dev part")
    with pytest.raises(MedleyError, match=r"test\.jsonl: in test, not in dev: "):
        score_file(test, known=known, dev=FittedOn(test))


def test_dev_that_shares_patients_gives_null_where_no_split_can_tell(theirs, tmp_path):
    path = write(tmp_path, "p.jsonl", theirs)
    metric = score_file(path, dev=FittedOn(path), bootstrap=0).card.metrics["f1_macro"]
    assert metric.value is None
    assert "thresholds fitted on 200 of the 200 scored patients" in metric.error


def test_cases_of_other_parts_are_refused_by_name(parts, known, tmp_path):
    leak = parts["train"][0]
    path = write(tmp_path, "p.jsonl", [*parts["test"], leak])
    with pytest.raises(MedleyError, match=f"in train, not in test: 1 of the .* cases, '{leak.case_id}'"):
        score_file(path, known=known)
    assert score_file(write(tmp_path, "d.jsonl", parts["dev"]), known=known, part="dev", bootstrap=0).lacking == []


def test_strangers_are_refused_and_the_missing_are_counted(parts, known, tmp_path):
    stranger = replace(parts["test"][0], case_id="nobody")
    with pytest.raises(MedleyError, match=r"lacks 1 of the \d+ cases: 'nobody'"):
        score_file(write(tmp_path, "p.jsonl", [*parts["test"], stranger]), known=known)
    scored = score_file(write(tmp_path, "q.jsonl", parts["test"][5:]), known=known, bootstrap=0)
    assert scored.lacking == [one.case_id for one in parts["test"][:5]]
    assert scored.card.protocol["studies_lacking"] == 5
    first = ", ".join(f"'{case_id}'" for case_id in scored.lacking[:3])
    assert f"of test: {first} and 2 more; scores flatter" in scored.card.warnings[0]


def test_what_contradicts_the_table_is_refused_by_case(parts, known, theirs, tmp_path):
    other = [replace(parts["test"][0], patient_id="somebody"), *parts["test"][1:]]
    with pytest.raises(MedleyError, match="is of patient 'somebody' there and of"):
        score_file(write(tmp_path, "p.jsonl", other), known=known)
    label, value = next(
        (k, v) for k, v in known.truth(known.table.by_id[parts["test"][0].case_id]).items() if v is not None
    )
    turned = [replace(parts["test"][0], labels={label: 1 - value}), *parts["test"][1:]]
    with pytest.raises(MedleyError, match=f"'{label}' is {1 - value} there and {value} in .*uncertain ignore"):
        score_file(write(tmp_path, "q.jsonl", turned), known=known)


def test_labels_that_only_one_side_has_are_named(parts, known, tmp_path):
    more = [replace(one, scores={**one.scores, "Hernia": 0.1}, heads={}) for one in parts["test"]]
    warnings = score_file(write(tmp_path, "p.jsonl", more), known=known, bootstrap=0).card.warnings
    assert "scored, but the case table has no such label: Hernia" in warnings
    fewer = [replace(one, scores={"Edema": one.scores["Edema"]}, heads={}) for one in parts["test"]]
    warnings = score_file(write(tmp_path, "q.jsonl", fewer), known=known, bootstrap=0).card.warnings
    assert any(line.startswith("labelled but not scored") and "Atelectasis" in line for line in warnings)
    none = [replace(one, scores={"Hernia": 0.5}, heads={}) for one in parts["test"]]
    with pytest.raises(MedleyError, match="shares no label with the predictions, which score Hernia"):
        score_file(write(tmp_path, "r.jsonl", none), known=known)


def test_without_any_truth_there_is_nothing_to_score(parts, tmp_path):
    with pytest.raises(MedleyError, match=r"no label of any case is known; give the truth in it, or with --train"):
        score_file(write(tmp_path, "p.jsonl", parts["test"]))


def test_a_csv_scores_as_the_same_json_lines(theirs, tmp_path):
    names = list(theirs[0].scores)
    rows = [["case_id", "patient_id", *(f"score/{n}" for n in names), *(f"label/{n}" for n in names)]]
    for one in theirs:
        labels = ["" if one.labels[name] is None else one.labels[name] for name in names]
        rows.append([one.case_id, one.patient_id, *(one.scores[name] for name in names), *labels])
    (tmp_path / "p.csv").write_text("\n".join(",".join(map(str, row)) for row in rows))
    lines = write(tmp_path, "p.jsonl", [replace(one, heads={}) for one in theirs])
    a, b = (score_file(path, bootstrap=20).card for path in (tmp_path / "p.csv", lines))
    assert a.metrics == b.metrics


def test_tasks_without_a_scorecard_say_so(theirs, tmp_path):
    report = [replace(one, task="syndrome", scores={}, heads={}, labels={}) for one in theirs[:3]]
    path = write(tmp_path, "p.jsonl", report)
    with pytest.raises(
        MedleyError, match="syndrome has no scorecard yet; there is one for chest_findings, chest_report, brain_report"
    ):
        score_file(path)
    both = write(tmp_path, "q.jsonl", [*theirs, *report])
    with pytest.raises(MedleyError, match=r"chest_findings \(400\), syndrome \(3\).*--task"):
        score_file(both)
    assert score_file(both, task="chest_findings", bootstrap=0).card.protocol["studies"] == 400
    with pytest.raises(MedleyError, match="did you mean 'chest_findings'"):
        score_file(both, task="chest_finding")


def test_what_is_stated_stands_in_the_protocol_unless_the_table_knows_better(parts, known, tmp_path):
    path = write(tmp_path, "p.jsonl", parts["test"])
    stated = stated_protocol(["notes=none", "aggregation = max over views"])
    protocol = score_file(path, known=known, stated=stated, bootstrap=0).card.protocol
    assert (protocol["notes"], protocol["aggregation"]) == ("none", "max over views")
    with pytest.raises(MedleyError, match="the case table says split"):
        score_file(path, known=known, stated={"split": "mine"})
    for bad, words in (
        ("notes", "must be KEY=VALUE"),
        ("note=none", "did you mean 'notes'"),
        ("synthetic=maybe", "unknown truth value"),
    ):
        with pytest.raises(MedleyError, match=words):
            stated_protocol([bad])


def test_what_is_written_names_what_it_was_made_of(theirs, tmp_path):
    dev = write(tmp_path, "dev.jsonl", [replace(one, patient_id=f"d{one.patient_id}") for one in theirs])
    scored = score_file(write(tmp_path, "p.jsonl", theirs), dev=FittedOn(dev), bootstrap=0)
    page = scored.write(tmp_path / "out")
    content = json.loads((tmp_path / "out" / "scorecard.json").read_text())
    assert page.is_file()
    assert content["provenance"]["file"].endswith("p.jsonl")
    assert len(content["provenance"]["predictions"]) == 16
    assert (tmp_path / "out" / "calibration.json").is_file()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    with pytest.raises(MedleyError, match="is a run; choose another folder"):
        scored.write(tmp_path / "run")


def test_a_floor_that_its_owner_made_is_paired_with_the_system(parts, known, tmp_path):
    """An image-blind system has no text-only head to give it away; its owner can ask it with black films."""
    test = parts["test"]
    blind = [replace(one, scores=test[(i + 7) % len(test)].scores) for i, one in enumerate(test)]
    files = {"black_images": write(tmp_path, "black.jsonl", blind), "itself": write(tmp_path, "same.jsonl", test)}
    card = score_file(write(tmp_path, "p.jsonl", test), known=known, floors=files, bootstrap=50).card
    assert card.floors["black_images"]["auroc_macro"] == pytest.approx(0.5, abs=0.1)
    assert card.metrics["fused_minus_black_images/auroc_macro"].ci95[0] > 0
    assert card.metrics["fused_minus_itself/auroc_macro"].value == 0
    assert "beats" in (said := headline(card))
    assert "black images" in said

    above = "fused_minus_black_images/auroc_macro"
    seeded = [score_file(tmp_path / "p.jsonl", known=known, floors=files, bootstrap=50, seed=s).card for s in (0, 0, 5)]
    assert seeded[0].metrics[above] == seeded[1].metrics[above] == card.metrics[above]
    assert seeded[2].metrics[above].ci95 != card.metrics[above].ci95
    assert seeded[2].provenance["bootstrap_seed"] == 5

    with pytest.raises(MedleyError, match="floor black_images lacks case"):
        score_file(tmp_path / "p.jsonl", known=known, floors={"black_images": write(tmp_path, "b.jsonl", blind[1:])})
    with pytest.raises(MedleyError, match=r"--floor prevalence=.*give the floor another name"):
        score_file(tmp_path / "p.jsonl", known=known, floors={"prevalence": files["itself"]})
