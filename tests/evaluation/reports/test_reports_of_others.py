"""Reports in anybody's file: references of a case table, floors of its training part, other scorers, bad input."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.core.records import Case
from medley.data.cases import write_cases
from medley.data.splits import make_split, read_splits, write_splits
from medley.evaluation.clinical.labels import NamedLabeler, remembering
from medley.evaluation.predictions.known_cases import known_cases
from medley.evaluation.predictions.lines import read_predictions, write_predictions
from medley.evaluation.reports.of_others import TextOptions
from medley.evaluation.reports.scorecard import chest_report_scorecard
from medley.evaluation.score import score_file
from medley.evaluation.scorecard.body import scorecard_page
from medley.evaluation.scorecard.card import Protocol
from medley.evaluation.scorecard.headline import headline

SCORER = """
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
with open(sys.argv[2], "w") as out:
    print(json.dumps({"scorer": "words", "version": "1"}), file=out)
    for row in rows:
        shared = set(row["hypothesis"].split()) & set(row["reference"].split())
        print(json.dumps({"case_id": row["case_id"], "scores": {"shared": len(shared)}}), file=out)
"""


@pytest.fixture
def table(reports, tmp_path):
    """A table of 120 reports with indications and its split; no labels, so that the references are the truth."""
    cases = [
        Case(one.case_id, one.patient_id, "1", (), {**one.reference, "indication": f"pain {i % 7}"}, {}, source="them")
        for i, one in enumerate(reports(120))
    ]
    written = write_cases(tmp_path / "cases.parquet", cases, [])
    write_splits(tmp_path / "splits.json", make_split(written, seed=3, fractions=(0.5, 0.1, 0.4)))
    return known_cases(tmp_path / "cases.parquet", tmp_path / "splits.json", "mask")


@pytest.fixture
def theirs(reports, table, tmp_path):
    """What they wrote of the test part: findings alone, no truth."""
    test = set(table.manifest.parts["test"])
    said = [
        replace(one, reference={}, hypothesis={"findings": one.hypothesis["findings"]})
        for one in reports(120)
        if one.case_id in test
    ]
    write_predictions(tmp_path / "p.jsonl", said)
    return tmp_path / "p.jsonl"


def write(tmp_path, *lines):
    (tmp_path / "bad.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path / "bad.jsonl"


def line(i: int = 0, **change) -> dict:
    """One line; None takes a key out of it."""
    content = {"case_id": f"c{i}", "patient_id": f"p{i}", "task": "chest_report"}
    content |= {"hypothesis": "The lungs are clear.", "reference": "Left effusion."} | change
    return {key: value for key, value in content.items() if value is not None}


def test_the_table_brings_references_and_the_floors_that_copy(theirs, table, tmp_path):
    scored = score_file(theirs, known=table, bootstrap=40)
    card = scored.card
    assert set(card.floors) == {"constant_normal", "most_frequent", "nearest_text"}
    assert set(card.ceilings) == {"nearest_reference"}
    assert {tuple(one.reference) for one in scored.predictions} == {("findings",)}, "what they never write is not asked"
    assert any(line.startswith("the section 'impression' of") for line in card.warnings)
    assert card.protocol["truth"] == "reference text"
    assert (card.protocol["part"], card.protocol["reader"]) == ("test", "them")
    assert any("--floor black_images=FILE" in line for line in card.warnings)
    assert card.metrics["minus_constant_normal/clinical_f1_micro_14"].ci95[0] > 0
    scored.write(tmp_path / "out")
    kept = read_predictions(tmp_path / "out" / "floors" / "nearest_text.jsonl")
    assert [one.case_id for one in kept] == [one.case_id for one in scored.predictions]
    again = score_file(tmp_path / "out" / "predictions.jsonl", bootstrap=0)
    assert again.card.metrics["bleu_4"].value == card.metrics["bleu_4"].value
    assert set(again.card.floors) == {"constant_normal"}
    again.write(tmp_path / "out")
    assert not (tmp_path / "out" / "floors" / "nearest_text.jsonl").exists(), "of a scorecard before this one"


def test_a_report_that_the_table_lacks_is_the_predictions_own_and_counted(theirs, table):
    own = [replace(one, reference={"findings": "Other words."}) for one in read_predictions(theirs)]
    cases = [replace(case, text={}) if case.case_id == own[0].case_id else case for case in table.table.cases]
    found, remarks = replace(table, table=replace(table.table, cases=tuple(cases))).with_references(own)
    assert found[0].reference == {"findings": "Other words."}
    assert "the table has no report of 1 study: scored by the predictions' own" in remarks
    assert f"{len(own) - 1} references of the predictions unlike the table's: scored by the table's" in remarks


def test_references_unlike_the_tables_are_counted_and_the_tables_count(theirs, table, tmp_path):
    own = [replace(one, reference={"findings": "Other words."}) for one in read_predictions(theirs)]
    write_predictions(tmp_path / "q.jsonl", own)
    card = score_file(tmp_path / "q.jsonl", known=table, bootstrap=0).card
    assert f"{len(own)} references of the predictions unlike the table's: scored by the table's" in card.warnings
    assert card.metrics["bleu_1"].value == score_file(theirs, known=table, bootstrap=0).card.metrics["bleu_1"].value


def test_cases_of_the_training_part_are_refused(theirs, table, tmp_path):
    leak = table.manifest.parts["train"][0]
    one = read_predictions(theirs)[0]
    write_predictions(tmp_path / "q.jsonl", [replace(one, case_id=leak, patient_id=table.patients[leak])])
    with pytest.raises(MedleyError, match="in train, not in test"):
        score_file(tmp_path / "q.jsonl", known=table)


def test_a_file_of_answers_is_a_floor_without_a_truth_of_its_own(theirs, table, tmp_path):
    black = [replace(one, hypothesis={"findings": "The lungs are clear."}) for one in read_predictions(theirs)]
    write_predictions(tmp_path / "black.jsonl", black)
    files = {"black_images": tmp_path / "black.jsonl"}
    card = score_file(theirs, known=table, floors=files, bootstrap=40).card
    assert "itself on black films" in headline(card)
    assert not any("--floor black_images" in line for line in card.warnings)
    for of, name in ((read_predictions(theirs), "q.jsonl"), (black, "black.jsonl")):  # of the file, unlike the table
        write_predictions(tmp_path / name, [replace(one, reference={"report": "Other words."}) for one in of])
    again = score_file(tmp_path / "q.jsonl", known=table, floors=files, bootstrap=0).card
    assert again.floors["black_images"]["bleu_1"] == card.floors["black_images"]["bleu_1"], "the table's truth for both"
    with pytest.raises(MedleyError, match=r"floor black_images: case .* is not as in the system's predictions"):
        score_file(theirs, known=table, floors=files, bootstrap=0)
    with pytest.raises(MedleyError, match="constant_normal is made here"):
        score_file(theirs, known=table, floors={"constant_normal": tmp_path / "black.jsonl"})


def test_scorers_of_others_stand_beside_ours_and_fail_alone(theirs, table, tmp_path):
    (tmp_path / "scorer.py").write_text(SCORER)
    commands = {"words": [sys.executable, str(tmp_path / "scorer.py")], "broken": ["/no/such/scorer"]}
    scored = score_file(theirs, known=table, texts=TextOptions(tokens="13a", scorers=commands), bootstrap=40)
    metric = scored.card.metrics["external/words/shared"]
    assert metric.ci95[0] < metric.value < metric.ci95[1]
    by_report = [of["external/words/shared"] for of in scored.card.by_case.values()]
    assert np.mean(by_report) == pytest.approx(metric.value)
    assert scored.card.metrics["external/broken"].value is None
    assert "no such command" in scored.card.metrics["external/broken"].error
    assert any(line.startswith("external scorer broken: ") for line in scored.card.warnings)
    assert scored.card.protocol["external"] == {"words": "words 1"}
    assert "13a tokens" in scored.card.protocol["metric_definitions"]
    assert scored.card.protocol["tokens"] == "13a"


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ([line(), line()], "line 2: case_id 'c0': the case stands already in line 1"),
        ([line(hypothesis=None), line(1, hypothesis=None)], "no prediction has a 'hypothesis'"),
        ([line(reference=None), line(1, reference=None)], "no report has a reference or a label"),
        ([line(reference=" "), line(1, reference="")], "no report has a reference or a label"),
        ([line(hypothesis=["a"])], "'hypothesis' is .* it must be a text, or an object"),
        ([line(hypothesis={"findings": 3})], "section 'findings' is 3; it must be a text"),
        ([line(scores={"Edema": 0.5}, labels={"Edema": 1}), line(1)], "case 'c1', head 'fused': there are no scores"),
        ([line(task="syndrome")], "the task syndrome has no scorecard yet"),
        ([line(truth={"sides": {"Edema": "up"}})], "the side of 'Edema' is 'up'"),
    ],
)
def test_bad_input_is_one_line(lines, rule, tmp_path):
    with pytest.raises(MedleyError, match=rule) as told:
        score_file(write(tmp_path, *lines), bootstrap=0)
    assert "\n" not in str(told.value)


def test_options_of_reports_are_of_reports(tmp_path):
    path = write(tmp_path, line(task="chest_findings", scores={"Edema": 0.5}, labels={"Edema": 1}))
    with pytest.raises(MedleyError, match=r"--chexbert and --scorer are of reports; .* holds chest_findings"):
        score_file(path, texts=TextOptions())
    (tmp_path / "r.csv").write_text("case_id,patient_id,hypothesis,reference\na,p,x,y\n")
    with pytest.raises(MedleyError, match=r"the column 'hypothesis' is of reports; say of which with --task"):
        score_file(tmp_path / "r.csv")
    for texts, rule in (
        (TextOptions(tokens="coca"), "did you mean 'coco'"),
        (TextOptions(wordnet=tmp_path), "no WordNet"),
    ):
        with pytest.raises(MedleyError, match=rule):
            score_file(write(tmp_path, line(), line(1)), texts=texts)


def test_strange_and_endless_reports_are_scored_and_written(tmp_path):
    rng = np.random.default_rng(0)
    endless = " ".join(rng.choice(["no", "effusion", "left", "edema.", *(f"w{i}" for i in range(3000))], 10_000))
    strange = "🙂 \x07 left \ud83d effusion \u202e $x^"
    lines = [line(0, hypothesis=endless), line(1, hypothesis=strange), line(2, hypothesis=""), line(3, reference="")]
    lines.append(line(4, reference="🙂", hypothesis="🙂"))
    began = time.process_time()
    scored = score_file(write(tmp_path, *lines), bootstrap=20)
    assert time.process_time() - began < 10
    page = scored.write(tmp_path / "out")
    assert " characters)" in page.read_text(encoding="utf-8"), "cut, and said so"
    assert scored.card.metrics["clinical_f1_micro_14"].n == 3, "neither the empty reference nor the smile is known"
    assert any("can read nothing in 1 of 4 references" in said for said in scored.card.warnings)
    assert any("1 of 5 hypotheses empty" in said for said in scored.card.warnings)
    assert any("1 of 5 references empty: 4 studies in every metric" in said for said in scored.card.warnings)


def test_an_empty_answer_to_everybody_is_a_score_and_not_an_error(tmp_path):
    card = score_file(write(tmp_path, *(line(i, hypothesis="") for i in range(4))), bootstrap=20).card
    assert card.metrics["clinical_f1_micro_14"].value == 0
    assert card.metrics["bleu_4"].value is None
    assert card.metrics["bleu_4"].error == "every hypothesis is empty"
    assert any("4 of 4 hypotheses empty" in said for said in card.warnings)


def test_sides_of_the_table_are_the_truth_of_sides(theirs, table, tmp_path):
    cases = [replace(case, truth={"sides": {"Pleural Effusion": "right"}}) for case in table.table.cases]
    written = write_cases(tmp_path / "sided.parquet", cases, [])
    write_splits(tmp_path / "sided.json", make_split(written, seed=3, fractions=(0.5, 0.1, 0.4)))
    assert read_splits(tmp_path / "sided.json").parts == table.manifest.parts
    card = score_file(theirs, known=known_cases(written.path, tmp_path / "sided.json", "mask"), bootstrap=0).card
    assert card.protocol["truth_of_sides"] == "table"
    assert card.metrics["laterality_accuracy"].value == 0, "they put every effusion on the left"


def test_another_labeler_reads_all_texts_and_the_protocol_says_so(reports):
    asked: list[str] = []

    def says_edema(texts):
        asked.extend(texts)
        return [dict.fromkeys(CHEXPERT_14, 0.0) | {"Edema": 1.0} for _ in texts]

    predictions = reports(12)
    floors = {"constant_normal": [replace(one, hypothesis={"findings": "Normal."}) for one in predictions]}
    card = chest_report_scorecard(
        predictions,
        floors=floors,
        ceilings={},
        absent={},
        protocol=Protocol(),
        provenance={},
        bootstrap=0,
        labeler=NamedLabeler("edema, always", remembering(says_edema)),
    )
    assert card.metrics["clinical_f1_micro_14"].value == card.floors["constant_normal"]["clinical_f1_micro_14"] == 1
    assert card.protocol["labeler"] == "edema, always"
    assert "The labeler is edema, always." in scorecard_page(card, {})
    assert len(asked) == len(set(asked)), "no text is read twice, of the floors neither"
