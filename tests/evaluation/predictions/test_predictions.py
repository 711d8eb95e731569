"""predictions.jsonl: what is written is read back, and a bad line is named by file, line, key and rule."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Prediction
from medley.evaluation.predictions.lines import one_task, read_predictions, write_predictions

GOOD = {
    "case_id": "c1",
    "patient_id": "p1",
    "task": "chest_findings",
    "scores": {"Edema": 0.25, "Pleural Effusion": 0.5},
    "labels": {"Edema": 1, "Pleural Effusion": None},
}


def write_lines(path: Path, *lines: object) -> Path:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_round_trip(make, tmp_path: Path) -> None:
    predictions = make(20, images=True)
    predictions[0] = replace(
        predictions[0],
        hypothesis={"findings": "Größe normal."},
        reference={"report": "x"},
        truth={"sides": ["left"]},
        group={"sex": "F", "age_years": 61.0},
        extra={"anything": [1, 2]},
    )
    write_predictions(tmp_path / "predictions.jsonl", predictions)
    assert read_predictions(tmp_path / "predictions.jsonl") == predictions
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.jsonl"]


def test_what_does_not_apply_is_left_out_and_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    write_predictions(
        path, [Prediction("c", "p", "chest_findings", {"Edema": np.float32(0.5)}, {"Edema": np.int64(1)})]
    )
    content = json.loads(path.read_text())
    assert content == {
        "case_id": "c",
        "patient_id": "p",
        "task": "chest_findings",
        "scores": {"Edema": 0.5},
        "labels": {"Edema": 1},
    }


def test_films_that_were_read_together_are_one_image(tmp_path: Path) -> None:
    line = GOOD | {"images": [{"view": "PA+LATERAL", "scores": {"Edema": 0.1}}]}
    [prediction] = read_predictions(write_lines(tmp_path / "p.jsonl", line))
    assert prediction.images == ({"view": "PA+LATERAL", "scores": {"Edema": 0.1}},)


def test_label_names_are_brought_to_one_spelling_in_chest_tasks_only(tmp_path: Path) -> None:
    chest = GOOD | {"scores": {"effusion": 0.5}, "labels": {"Pleural_Effusion": 1}}
    face = {"case_id": "f", "patient_id": "f", "task": "syndrome", "scores": {"effusion": 0.5}}
    [first, second] = read_predictions(write_lines(tmp_path / "p.jsonl", chest, face))
    assert (first.scores, first.labels) == ({"Pleural Effusion": 0.5}, {"Pleural Effusion": 1})
    assert second.scores == {"effusion": 0.5}


def test_a_plain_text_is_the_report_and_blank_lines_and_a_bom_are_nothing(tmp_path: Path) -> None:
    report = {
        "case_id": "c2",
        "patient_id": "p",
        "task": "chest_report",
        "hypothesis": "No edema.",
        "reference": "None.",
    }
    path = write_lines(tmp_path / "p.jsonl", "\ufeff" + json.dumps(GOOD), "", report)
    assert read_predictions(path)[1].hypothesis == {"report": "No edema."}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"task": "chest_finding"}, "unknown task 'chest_finding'; did you mean 'chest_findings'?"),
        ({"case_id": ""}, "'case_id' is ''"),
        ({"patient_id": None}, "'patient_id' is None"),
        ({"patient_id": 17}, "'patient_id' is 17"),
        ({"score": {}}, "unknown key 'score'; did you mean 'scores'?"),
        ({"scores": {"Edema": float("nan")}}, "the score of 'Edema' is nan; it must be a probability in [0, 1]"),
        ({"scores": {"Edema": float("inf")}}, "the score of 'Edema' is inf"),
        ({"scores": {"Edema": 1.5}}, "the score of 'Edema' is 1.5"),
        ({"scores": {"Edema": 10**400}}, "the score of 'Edema' is 1000"),
        ({"scores": {"Edema": "0.5"}}, "the score of 'Edema' is '0.5'"),
        ({"scores": {"Edema": True}}, "the score of 'Edema' is True"),
        ({"scores": [0.5]}, "'scores' is [0.5]; it must be an object"),
        ({"scores": {"Effusion": 0.1, "Pleural Effusion": 0.2}}, "names the label 'Pleural Effusion' twice"),
        ({"labels": {"Edema": 2}}, "'Edema' is 2; it must be 1, 0 or null"),
        ({"labels": {"Edema": -1}}, "'Edema' is -1; it must be 1, 0 or null"),
        ({"labels": {"Edema": True}}, "'Edema' is True"),
        ({"heads": {"text_only": {"Edema": -0.1}}}, "'heads/text_only': the score of 'Edema' is -0.1"),
        ({"heads": {"text_only": 0.5}}, "'heads/text_only' is 0.5; it must be an object"),
        ({"images": {"view": "PA"}}, "'images' is {'view': 'PA'}; it must be a list"),
        ({"images": [{"view": "PAA", "scores": {}}]}, "unknown view 'PAA'; did you mean 'PA'?"),
        ({"images": [{"view": "PA+lat", "scores": {}}]}, "unknown view 'lat'; did you mean 'LATERAL'?"),
        ({"images": [{"score": {}}]}, "'images/0': unknown key 'score'; did you mean 'scores'?"),
        ({"hypothesis": {"findings": 3}}, "section 'findings' is 3; it must be a text"),
        ({"hypothesis": ["clear"]}, "'hypothesis' is ['clear']; it must be a text, or an object with a text for each"),
        ({"group": {"age_year": 3}}, "unknown key 'age_year' in 'group'; did you mean 'age_years'?"),
    ],
)
def test_a_bad_line_is_named_by_file_line_key_and_rule(tmp_path: Path, change: dict, says: str) -> None:
    path = write_lines(tmp_path / "bad.jsonl", GOOD, GOOD | {"case_id": "c2"} | change)
    with pytest.raises(MedleyError) as error:
        read_predictions(path)
    assert f"{path}, line 2" in str(error.value)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "is not JSON"),
        ("[1]", "is a list; it must be an object"),
        ('{"case_id": "a", "case_id": "b"}', "the key 'case_id' stands 2 times"),
        ('{"patient_id": "p", "task": "syndrome"}', "'case_id' is missing"),
        ("[" * 100_000, "nested too deeply"),
        (f'{{"case_id": {"9" * 5000}}}', "is not JSON"),
    ],
)
def test_a_line_that_is_no_prediction(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(MedleyError, match="line 1") as error:
        read_predictions(write_lines(tmp_path / "bad.jsonl", line))
    assert says in str(error.value)


def test_a_case_that_stands_twice(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "p.jsonl", GOOD, GOOD | {"case_id": "c2"}, GOOD)
    with pytest.raises(MedleyError, match=r"line 3.*'c1'.*already in line 1"):
        read_predictions(path)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00"])
def test_a_file_without_predictions(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(MedleyError, match=r"p\.jsonl"):
        read_predictions(path)
    with pytest.raises(MedleyError, match="does not exist"):
        read_predictions(tmp_path / "none.jsonl")


def test_several_tasks_in_one_file_are_told_apart(tmp_path: Path) -> None:
    report = {"case_id": "c1", "patient_id": "p", "task": "chest_report", "hypothesis": "x"}
    path = write_lines(tmp_path / "p.jsonl", GOOD, report)
    assert len(read_predictions(path)) == 2
    assert [p.task for p in read_predictions(path, task="chest_report")] == ["chest_report"]
    with pytest.raises(MedleyError, match=r"chest_findings \(1\), chest_report \(1\).*--task"):
        one_task(read_predictions(path), "chest_findings")
    with pytest.raises(MedleyError, match="no predictions of task syndrome; it holds chest_findings, chest_report"):
        read_predictions(path, task="syndrome")
    with pytest.raises(MedleyError, match="did you mean 'syndrome'"):
        read_predictions(path, task="syndromes")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scores": {"Edema": float("nan")}}, "probability"),
        ({"extra": {"loss": float("nan")}}, "does not fit JSON"),
        ({"extra": {"array": np.zeros(2)}}, "does not fit JSON"),
        ({"case_id": "t0"}, "stands twice"),
    ],
)
def test_what_cannot_be_read_is_not_written(make, tmp_path: Path, change: dict, says: str) -> None:
    predictions = make(3)
    predictions[2] = replace(predictions[2], **change)
    with pytest.raises(MedleyError, match=says):
        write_predictions(tmp_path / "p.jsonl", predictions)
    assert not list(tmp_path.iterdir())


def test_half_a_character_is_replaced_in_texts(tmp_path):
    line = {"case_id": "a", "patient_id": "p", "task": "chest_report", "hypothesis": "left \ud83d \U0001f642 effusion"}
    (tmp_path / "p.jsonl").write_text(json.dumps(line))
    [read] = read_predictions(tmp_path / "p.jsonl")
    assert read.hypothesis == {"report": "left \N{REPLACEMENT CHARACTER} \U0001f642 effusion"}
    write_predictions(tmp_path / "again.jsonl", [read])
