"""The case table: what is not known stays not known, what breaks its rules is named, and its digest is its content."""

from __future__ import annotations

import dataclasses
import math

import polars as pl
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case, ImageRef
from medley.data.cases import CaseTable, portable, read_cases, write_cases

NAN = math.nan
LABELS = ("Edema", "Fracture")


def case(name: str = "a", **changes) -> Case:
    whole = Case(
        name,
        f"patient of {name}",
        "1",
        (ImageRef("PA", f"films/{name}.png", "ab" * 32), ImageRef("LATERAL", f"films/{name}-l.png")),
        {"indication": "cough\nand fever", "findings": "Ödem"},
        {"Edema": 1.0, "Fracture": NAN},
        {"boxes": [[1, 2.5, 3, 4]], "side": "left"},
        "F",
        63.5,
        "source",
        True,
    )
    return dataclasses.replace(whole, **changes)


def test_a_table_comes_back_as_it_was(tmp_path):
    bare = Case("b", "p", "2")
    write_cases(tmp_path / "cases.parquet", [case(), bare], LABELS)
    table = read_cases(tmp_path / "cases.parquet")
    first, second = table.cases
    assert table.labels == LABELS
    assert (first.text, first.truth, first.sex, first.age_years, first.synthetic) == (
        case().text,
        case().truth,
        "F",
        63.5,
        True,
    )
    assert first.images[0] == ImageRef("PA", str(tmp_path / "films/a.png"), "ab" * 32)
    assert first.labels["Edema"] == 1.0
    assert math.isnan(first.labels["Fracture"])
    assert (second.images, second.text, second.truth, second.sex) == ((), {}, {}, None)
    assert math.isnan(second.age_years)
    assert all(math.isnan(value) for value in second.labels.values())


def test_uncertain_absent_and_not_known_are_three_things(tmp_path):
    rows = [case(str(value), labels={"Edema": value, "Fracture": 0.0}) for value in (1.0, 0.0, -1.0, NAN)]
    write_cases(tmp_path / "c.parquet", rows, LABELS)
    values = [c.labels["Edema"] for c in read_cases(tmp_path / "c.parquet").cases]
    assert values[:3] == [1.0, 0.0, -1.0]
    assert math.isnan(values[3])


def test_an_absolute_path_stays_and_a_relative_one_follows_the_table(tmp_path):
    (tmp_path / "one").mkdir()
    rows = [case(images=(ImageRef("PA", "/far/away.png"), ImageRef("AP", "near.png")))]
    write_cases(tmp_path / "one" / "c.parquet", rows, LABELS)
    (tmp_path / "one").rename(tmp_path / "two")
    images = read_cases(tmp_path / "two" / "c.parquet").cases[0].images
    assert [image.path for image in images] == ["/far/away.png", str(tmp_path / "two" / "near.png")]
    inside = case(images=(ImageRef("PA", str(tmp_path / "two/x/f.png")), ImageRef("PA", "/far/away.png")))
    assert [image.path for image in portable(inside, tmp_path / "two").images] == ["x/f.png", "/far/away.png"]


@pytest.mark.parametrize(
    ("rows", "labels", "said"),
    [
        ([case("a"), case("a")], LABELS, "row 1 (case 'a'): the case_id stands twice"),
        ([case("", patient_id="p")], LABELS, "case_id and patient_id must not be empty"),
        ([case(patient_id="")], LABELS, "case_id and patient_id must not be empty"),
        ([case(labels={"Edema": 0.5})], LABELS, "label 'Edema' is 0.5; it must be 1, 0, -1"),
        ([case(labels={"Edema": math.inf})], LABELS, "label 'Edema' is inf"),
        ([case(sex="female")], LABELS, "sex is 'female'; it must be F, M or empty"),
        ([case()], ("Edema", "Edema"), "names a label twice"),
    ],
)
def test_a_row_that_breaks_the_rules_is_named_and_nothing_is_written(tmp_path, rows, labels, said):
    with pytest.raises(MedleyError) as caught:
        write_cases(tmp_path / "c.parquet", rows, labels)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_case_table_is_named(tmp_path):
    path = tmp_path / "c.parquet"
    with pytest.raises(MedleyError, match="does not exist; `medley index` or `medley cohort` writes"):
        read_cases(path)
    for content, said in (
        (b"a,b\n1,2\n", "is text, not a case table: `medley index folder .* makes one of a CSV"),
        (b"a\tb\n1\t2\n", "is text, not a case table: `medley index folder"),
        (b'{"by": "hash"}', "is JSON, not a case table: a split manifest goes behind --splits"),
        (b"", "is empty"),
        (b"\x89PNG\0\0", "is no parquet file, not a case table: `medley index READER --help`"),
    ):
        path.write_bytes(content)
        with pytest.raises(MedleyError, match=said):
            read_cases(path)
    pl.DataFrame({"case_id": ["a"]}).write_parquet(path)
    with pytest.raises(MedleyError, match="no case table: it lacks the column patient_id, study_id, images"):
        read_cases(path)
    write_cases(path, [case()], LABELS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MedleyError, match="is a damaged parquet table"):
        read_cases(path)


def test_a_folder_is_no_case_table_and_the_table_in_it_is_named(tmp_path):
    with pytest.raises(MedleyError, match="is a folder, not a case table: `medley index READER --root "):
        read_cases(tmp_path)
    write_cases(tmp_path / "cases.parquet", [case()], LABELS)
    with pytest.raises(MedleyError, match=r"is a folder, not a case table: name .*cases\.parquet"):
        read_cases(tmp_path)


def test_the_digest_is_of_the_content_and_nothing_else():
    rows = (case("a"), case("b"))
    digest = CaseTable(rows, LABELS).digest
    elsewhere = tuple(
        dataclasses.replace(c, images=tuple(dataclasses.replace(i, path=f"/new/{i.path}") for i in c.images))
        for c in rows
    )
    assert CaseTable(rows[::-1], LABELS).digest == digest, "row order"
    assert CaseTable(elsewhere, LABELS).digest == digest, "the folder"
    for change in (
        {"patient_id": "other"},
        {"labels": {"Edema": 0.0, "Fracture": NAN}},
        {"labels": {"Edema": 1.0, "Fracture": 0.0}},
        {"text": {}},
        {"images": ()},
        {"age_years": 64.0},
    ):
        assert CaseTable((case("a", **change), rows[1]), LABELS).digest != digest, change
    assert CaseTable(rows, LABELS[::-1]).digest != digest
    assert CaseTable(rows[:1], LABELS).digest != digest


def test_the_digest_survives_the_file(tmp_path):
    written = write_cases(tmp_path / "c.parquet", [case("a"), case("b", age_years=33.3)], LABELS)
    assert read_cases(tmp_path / "c.parquet").digest == written.digest


def test_picking_keeps_the_order_and_names_what_is_not_there():
    table = CaseTable((case("a"), case("b"), case("c")), LABELS)
    assert [c.case_id for c in table.pick(["c", "a"])] == ["c", "a"]
    with pytest.raises(MedleyError, match="2 of 3 ids are not in the table, first 'x'"):
        table.pick(["x", "a", "y"])


def test_an_empty_table_keeps_its_labels(tmp_path):
    write_cases(tmp_path / "c.parquet", [], LABELS)
    table = read_cases(tmp_path / "c.parquet")
    assert (len(table), table.labels) == (0, LABELS)
