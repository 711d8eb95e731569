"""A CSV of somebody's scores: read whole, or refused by file, row, column and rule."""

from __future__ import annotations

import pytest

from medley.core.errors import MedleyError
from medley.evaluation.predictions.table import read_predictions_csv

GOOD = """case_id,patient_id,sex,age_years,score/Edema,label/Edema,score/Effusion,label/Effusion,head/image_only/Edema,\
head/image_only/Effusion
a,p1,F,61,0.9,1,0.2,0,0.8,0.3
"b,2",p1,,,0.1,,1,1.0,0.5,1e-3

c,p2,M,7.5,0.25,0,0,0,0,0
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "theirs.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_columns_become_the_parts_of_a_prediction(write):
    first, second, third = read_predictions_csv(write(GOOD))
    assert (first.case_id, first.patient_id, first.task) == ("a", "p1", "chest_findings")
    assert first.scores == {"Edema": 0.9, "Pleural Effusion": 0.2}, "labels have one spelling"
    assert first.heads == {"image_only": {"Edema": 0.8, "Pleural Effusion": 0.3}}
    assert first.group == {"sex": "F", "age_years": 61.0}
    assert second.case_id == "b,2"
    assert second.labels == {"Edema": None, "Pleural Effusion": 1}
    assert second.group == {}
    assert third.scores["Pleural Effusion"] == 0.0


def test_a_mark_of_utf8_and_the_line_ends_of_windows_are_no_matter(write):
    plain = read_predictions_csv(write(GOOD))
    assert read_predictions_csv(write(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())) == plain


def test_patients_may_come_from_a_table(write):
    path = write("case_id,score/Edema\na,0.5\nb,0.1\n")
    assert [p.patient_id for p in read_predictions_csv(path, {"a": "p1", "b": "p1"})] == ["p1", "p1"]
    with pytest.raises(MedleyError, match=r"row 3, column 'patient_id': there is none, and the case table lacks"):
        read_predictions_csv(path, {"a": "p1"})


HEAD = "case_id,patient_id,score/Edema,label/Edema\n"
BAD = {
    "not there": (None, "does not exist"),
    "empty": ("", "is empty; its first row must name the columns"),
    "header alone": (HEAD, "no row below its header"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\xff", "is not a text file in UTF-8"),
    "tabs": (
        "case_id\tpatient_id\tscore/Edema\na\tp\t0.5\n",
        "its columns are separated by tabs; write it with commas",
    ),
    "bars": ("case_id|patient_id|score/Edema\na|p|0.5\n", "separated by '|'"),
    "semicolons": ("case_id;patient_id;score/Edema\na;p;0,5\n", "separated by semicolons"),
    "no case": ("patient_id,score/Edema\np,0.5\n", "the column 'case_id' is missing"),
    "no patient": ("case_id,score/Edema\na,0.5\n", "the column 'patient_id' is missing; studies of one patient"),
    "no score": ("case_id,patient_id,label/Edema\na,p,1\n", "there is no column score/<label>"),
    "bare label": ("case_id,patient_id,Edema\na,p,1\n", "if it is a label, name it 'score/Edema' or 'label/Edema'"),
    "misspelt": (
        "case_id,pateint_id,score/Edema\na,p,1\n",
        "unknown column 'pateint_id'; did you mean 'patient_id'?",
    ),
    "misspelt kind": ("case_id,patient_id,scores/Edema\na,p,1\n", "unknown column 'scores/Edema'; columns are"),
    "nameless": ("case_id,patient_id,score/Edema,\na,p,1,\n", "unknown column ''"),
    "twice": ("case_id,patient_id,score/Effusion,score/Pleural Effusion\na,p,1,1\n", "are of one name"),
    "short row": (HEAD + "a,p,0.5\n", "row 2 has 3 cells, the header 4"),
    "no score in a row": (HEAD + "a,p,0.5,1\nb,p,,1\n", r"row 3 (case 'b'), column 'score/Edema': it is empty"),
    "words": (HEAD + "a,p,high,1\n", "column 'score/Edema': 'high' is not a number"),
    "comma": (HEAD + 'a,p,"0,5",1\n', "is not a number; decimals have a point"),
    "nan": (HEAD + "a,p,nan,1\n", "column 'score/Edema': it is nan; it must be a finite number"),
    "infinite": (HEAD + "a,p,-inf,1\n", "it is -inf"),
    "logit": (HEAD + "a,p,2.5,1\n", "it is 2.5; it must be a probability in 0 … 1"),
    "uncertain": (HEAD + "a,p,0.5,-1\n", "column 'label/Edema': it is '-1'; it must be 1, 0, or empty"),
    "case twice": (HEAD + "a,p,0.5,1\nb,p,0.5,1\na,p,0.5,1\n", "row 4, column 'case_id': 'a': the case stands already"),
    "no name": (HEAD + ",p,0.5,1\n", "row 2, column 'case_id': it is empty"),
    "no patient in a row": (HEAD + "a,,0.5,1\n", "row 2, column 'patient_id': it is empty"),
    "quotes": (HEAD + 'a,p,"0.5,1\n', "is not a CSV"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_in_one_line(write, tmp_path, name):
    text, words = BAD[name]
    path = tmp_path / "none.csv" if text is None else write(text)
    with pytest.raises(MedleyError) as error:
        read_predictions_csv(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
