"""A CSV of somebody's reports: read as the same lines of JSON would be, or refused by file, row, column and rule."""

from __future__ import annotations

import pytest

from medley.core.errors import MedleyError
from medley.evaluation.predictions.report_table import read_reports_csv

BRAINS = """case_id,patient_id,sex,age_years,report,reference
a,p1,F,61,"Left frontal lesion, with edema.

No midline shift.",Left frontal mass.
"b,2",p1,,,"He wrote ""normal"".",

c,p2,M,7.5,,Normal brain.
"""


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "theirs.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_a_row_is_a_report_with_its_lines_and_commas(write):
    first, second, third = read_reports_csv(write(BRAINS), "brain_report")
    assert (first.case_id, first.patient_id, first.task) == ("a", "p1", "brain_report")
    assert first.hypothesis == {"report": "Left frontal lesion, with edema.\n\nNo midline shift."}
    assert first.reference == {"report": "Left frontal mass."}
    assert first.group == {"sex": "F", "age_years": 61.0}
    assert second.case_id == "b,2"
    assert second.hypothesis == {"report": 'He wrote "normal".'}
    assert second.reference == {}, "an empty reference is none: nothing is true of it"
    assert third.hypothesis == {"report": ""}, "an empty report is one that says nothing"


def test_reports_of_chest_films_have_sections(write):
    path = write(
        "case_id,hypothesis/findings,hypothesis/impression,reference/findings\na,Clear.,Normal.,Clear lungs.\n"
    )
    [one] = read_reports_csv(path, "chest_report", {"a": "p"})
    assert one.hypothesis == {"findings": "Clear.", "impression": "Normal."}
    assert one.reference == {"findings": "Clear lungs."}
    assert one.patient_id == "p"


HEAD = "case_id,patient_id,report\n"
BAD = {
    "not there": (None, "does not exist"),
    "empty": ("", "is empty; its first row must name the columns"),
    "header alone": (HEAD, "no row below its header"),
    "semicolons": ("case_id;patient_id;report\na;p;x\n", "separated by semicolons"),
    "no case": ("patient_id,report\np,x\n", "the column 'case_id' is missing"),
    "no patient": ("case_id,report\na,x\n", "the column 'patient_id' is missing"),
    "no report": ("case_id,patient_id,reference\na,p,x\n", "there is no column report"),
    "misspelt": ("case_id,patient_id,reprot\na,p,x\n", "unknown column 'reprot'; did you mean 'report'?"),
    "other": ("case_id,patient_id,report,seconds\na,p,x,1\n", "unknown column 'seconds'; columns are case_id"),
    "findings": ("case_id,patient_id,score/Edema\na,p,1\n", "such a column a CSV holds predictions of chest_findings"),
    "bare section": ("case_id,patient_id,findings\na,p,x\n", "name it 'hypothesis/findings'"),
    "unknown section": ("case_id,patient_id,hypothesis/finding\na,p,x\n", "did you mean 'findings'"),
    "one name": ("case_id,patient_id,report,hypothesis/report\na,p,x,y\n", "'report' and 'hypothesis/report' are of"),
    "twice": ("case_id,patient_id,report,report\na,p,x,y\n", "'report' and 'report' are of one name"),
    "short row": (HEAD + "a,p\n", "row 2 has 2 cells, the header 3; quote cells with commas"),
    "case twice": (HEAD + "a,p,x\nb,p,x\na,p,y\n", "row 4, column 'case_id': 'a': the case stands already in row 2"),
    "no name": (HEAD + ",p,x\n", "row 2, column 'case_id': it is empty"),
    "quotes": (HEAD + 'a,p,"x\n', "is not a CSV"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_in_one_line(write, tmp_path, name):
    text, words = BAD[name]
    path = tmp_path / "none.csv" if text is None else write(text)
    with pytest.raises(MedleyError) as error:
        read_reports_csv(path, "brain_report")
    assert words in str(error.value)
    assert str(path) in str(error.value)
