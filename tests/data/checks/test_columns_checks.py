"""Label columns under the wrong name, held against reports and against another table."""

from __future__ import annotations

import numpy as np
import pytest
from checks_data import a_case, a_table

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.data.checks.columns import check_columns

LABELS = ("Cardiomegaly", "Fracture", "Pleural Effusion", "Pneumothorax")
WORDS = ("The heart is enlarged.", "There is a rib fracture.", "Large pleural effusion.", "Small pneumothorax.")


def truth(cases=60):
    return generator("columns").random((cases, len(LABELS))) < 0.3


def table_with(columns, reports=True):
    """The labels of `truth` with their columns taken in this order, and reports that tell the truth."""
    rows = []
    for i, values in enumerate(truth()):
        said = " ".join(word for word, value in zip(WORDS, values, strict=True) if value) or "No abnormality."
        labels = {label: float(values[columns[k]]) for k, label in enumerate(LABELS)}
        rows.append(a_case(i, labels=labels, text={"findings": said} if reports else {}))
    return a_table(rows, LABELS)


def reference(folder):
    path = folder / "reference.csv"
    lines = ["case_id,Cardiomegaly,Fracture,Effusion,Pneumothorax"]
    lines += [f"case{i}," + ",".join(str(int(v)) for v in values) for i, values in enumerate(truth())]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("by", ["reports", "reference"])
def test_rotated_columns_are_found_and_the_distance_is_named(by, tmp_path):
    where = None if by == "reports" else reference(tmp_path)
    for shift in (1, 3):
        check = check_columns(table_with(np.roll(range(4), -shift), reports=where is None), where)
        assert (check.status, check.count) == ("failed", 4)
        assert f"rotated by {shift}" in check.says
    assert check_columns(table_with(range(4), reports=where is None), where).status == "ok"


def test_two_exchanged_columns_are_found_and_called_by_name():
    check = check_columns(table_with([1, 0, 2, 3]))
    assert (check.status, check.count) == ("failed", 2)
    assert "column Cardiomegaly fits Fracture" in check.examples[0]
    assert "rotated" not in check.says


def test_nothing_to_compare_with():
    assert check_columns(table_with(range(4), reports=False)).status == "not applicable"
    few = a_table([a_case(0, labels={"Fracture": 1.0}, text={"findings": WORDS[1]})], LABELS)
    assert check_columns(few).status == "not applicable"


def test_a_reference_that_is_none(tmp_path):
    table = table_with(range(4))
    for path in (tmp_path / "no.csv", tmp_path):
        with pytest.raises(MedleyError, match="is no file; --reference names a CSV"):
            check_columns(table, path)
    for text, said in (
        ("case_id\tFracture\ncase1\t1\n", "its columns are parted by"),
        (
            "case_id,Fracture\ncase1,1,0\n",
            "more fields than the header's 2: 1 row left out, first t.csv line 2; mend them",
        ),
    ):
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
        with pytest.raises(MedleyError, match=said):
            check_columns(table, tmp_path / "t.csv")
    (tmp_path / "a.csv").write_text("case,Edema\n1,1\n", encoding="utf-8")
    with pytest.raises(MedleyError, match="lacks a column case_id"):
        check_columns(table, tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("case_id,Fracture\ncase1,often\n", encoding="utf-8")
    with pytest.raises(MedleyError, match=r"line 2.*'often'"):
        check_columns(table, tmp_path / "b.csv")
    for value in ("7", "0.5", "inf"):
        (tmp_path / "n.csv").write_text(f"case_id,Fracture\ncase1,{value}\n", encoding="utf-8")
        with pytest.raises(MedleyError, match=rf"line 2, column Fracture holds '{value}'; a label must be 1, 0, -1"):
            check_columns(table, tmp_path / "n.csv")
    (tmp_path / "c.csv").write_text("case_id,Fracture\nother,1\n", encoding="utf-8")
    with pytest.raises(MedleyError, match="none of its 1"):
        check_columns(table, tmp_path / "c.csv")
