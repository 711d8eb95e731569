"""Any folder with a CSV: found columns, mapped columns, studies, boxes, and what goes wrong."""

from __future__ import annotations

import math

import pytest

from medley.core.errors import MedleyError
from medley.data.readers import folder

HEADER = ("file", "patient_id", "view", "age", "sex", "Effusion", "Mass", "Odd")


@pytest.fixture
def data(tmp_path, film, table):
    for name in ("a", "b", "c"):
        film(tmp_path / f"images/{name}.png")
    rows = [
        ("images/a.png", "p1", "PA", 50, "F", 1, 0, 7),
        ("images/b.png", "p1", "LL", 51, "F", "", -1, 7),
        ("images/c.png", "p2", "AP", 52, "M", 0, 1, 7),
    ]
    table(tmp_path / "labels.csv", HEADER, *rows)
    return tmp_path


def test_columns_are_found_by_their_usual_names(data):
    reading = folder.read({"root": data})
    assert reading.labels == ("Pleural Effusion", "Mass")  # canonical; Odd is no finding
    assert [case.case_id for case in reading.cases] == ["a", "b", "c"]
    first, second, _ = reading.cases
    assert (first.patient_id, first.sex, first.age_years, first.images[0].view) == ("p1", "F", 50, "PA")
    assert second.labels["Mass"] == -1
    assert math.isnan(second.labels["Pleural Effusion"])


def test_labels_asked_for_by_either_name(data):
    assert folder.read({"root": data}, labels="Effusion").labels == ("Pleural Effusion",)
    assert folder.read({"root": data}, columns={"labels": "Pleural Effusion,Mass"}).labels == (
        "Pleural Effusion",
        "Mass",
    )
    with pytest.raises(MedleyError, match="lacks the label column 'Masss'; did you mean 'Mass'"):
        folder.read({"root": data}, labels=["Masss"])
    with pytest.raises(MedleyError, match="line 2: column 'Odd' holds '7'"):
        folder.read({"root": data}, labels=["Odd"])


def test_two_columns_of_one_label_are_not_chosen_between(data, table):
    path = table(data / "t.csv", ("file", "Effusion", "Pleural Effusion"), ("images/a.png", 0, 1))
    with pytest.raises(MedleyError, match="'Effusion' and 'Pleural Effusion' are one label"):
        folder.read({"root": data}, csv=path)
    (case,) = folder.read({"root": data}, csv=path, labels=["Pleural Effusion"]).cases
    assert case.labels == {"Pleural Effusion": 1}
    path = table(data / "t.csv", ("file", "Mass", "Mass"), ("images/a.png", 0, 1))
    with pytest.raises(MedleyError, match="names the column 'Mass' twice"):
        folder.read({"root": data}, csv=path)


def test_rows_of_one_study_are_one_case(data, table):
    rows = [("images/a.png", "p1", "s1", "LATERAL", 0), ("images/b.png", "p1", "s1", "PA", 1)]
    path = table(data / "studies.csv", ("file", "patient_id", "study_id", "view", "Mass"), *rows)
    reading = folder.read({"root": data}, csv=path)
    (case,) = reading.cases
    assert [image.view for image in case.images] == ["PA", "LATERAL"]
    assert case.labels["Mass"] == 1
    assert any("disagree" in remark and "Mass of p1_s1" in remark for remark in reading.remarks)


def test_a_study_named_like_one_of_its_films_is_one_case(data, table):
    rows = [("images/a.png", "p1", "a", "PA"), ("images/b.png", "p1", "a", "LATERAL")]
    path = table(data / "studies.csv", ("file", "patient_id", "study_id", "view"), *rows)
    (case,) = folder.read({"root": data}, csv=path).cases
    assert [image.view for image in case.images] == ["PA", "LATERAL"]


def test_one_study_of_two_patients_is_refused_where_case_ids_meet(data, table):
    rows = [("images/a.png", "p1", "k", 0), ("images/b.png", "p2", "k", 1)]
    path = table(data / "studies.csv", ("file", "patient_id", "case_id", "Mass"), *rows)
    said = "studies.csv line 3: study 'k' belongs to patient 'p2' here and to 'p1' in a row before it; mend the row"
    with pytest.raises(MedleyError, match=said):
        folder.read({"root": data}, csv=path)


@pytest.mark.parametrize(
    "names",
    [
        ("bad/film.png", "bad__film.png"),  # whose paths are one id
        ("a.png", "a.jpg"),  # and whose stems are
        ("a/b__c.png", "a__b/c.png", "x.png"),
        ("a.png", ".", ""),
    ],
)
def test_films_of_like_names_stay_a_case_each(tmp_path, film, table, names):
    films = [name for name in names if len(name) > 1]
    for name in films:
        film(tmp_path / name)
    path = table(
        tmp_path / "t.csv", ("file", "patient_id", "Mass"), *((name, f"p{n}", 0) for n, name in enumerate(names))
    )
    cases = folder.read({"root": tmp_path}, csv=path).cases
    assert [case.patient_id for case in cases] == [f"p{names.index(name)}" for name in films]
    assert len({case.case_id for case in cases}) == len(films)


def test_a_picture_is_no_table(data):
    with pytest.raises(MedleyError, match=r"a\.png is no text: it begins with 89 50 4e 47"):
        folder.read({"root": data}, csv=data / "images" / "a.png")


def test_same_file_names_in_two_folders_stay_two_cases(tmp_path, film, table):
    for side in ("x", "y"):
        film(tmp_path / side / "1.png")
    path = table(tmp_path / "t.csv", ("file", "Mass"), ("x/1.png", 0), ("y/1.png", 1))
    reading = folder.read({"root": tmp_path}, csv=path)
    assert [case.case_id for case in reading.cases] == ["x__1", "y__1"]
    assert any("no patient column" in remark for remark in reading.remarks)  # a possible leak is said, not hidden


def test_a_map_that_names_no_column(data):
    with pytest.raises(MedleyError, match=r"labels\.csv lacks the column 'PatientID' .*; did you mean 'patient_id'"):
        folder.read({"root": data}, columns={"patient_id": "PatientID"})
    with pytest.raises(MedleyError, match="unknown --map name 'patent_id'; did you mean 'patient_id'"):
        folder.read({"root": data}, columns={"patent_id": "patient_id"})


def test_text_and_official_split_by_map(data, table):
    header = ("file", "patient_id", "Notes", "fold", "Mass")
    path = table(
        data / "t.csv", header, ("images/a.png", "p1", "Cough.", "valid", 0), ("images/c.png", "p2", "", "test", 1)
    )
    first, second = folder.read({"root": data}, csv=path, columns={"split": "fold"}).cases
    assert first.text == {"note": "Cough."}
    assert second.text == {}
    assert [case.truth["official_split"]["folder"] for case in (first, second)] == ["dev", "test"]


def test_a_study_in_two_official_parts_is_refused(data, table):
    rows = [("images/a.png", "p1", "s", "train", 0), ("images/b.png", "p1", "s", "test", 0)]
    path = table(data / "t.csv", ("file", "patient_id", "study_id", "fold", "Mass"), *rows)
    with pytest.raises(MedleyError, match="study 'p1_s' has two values of official_split"):
        folder.read({"root": data}, csv=path, columns={"split": "fold"})


def test_boxes_with_and_without_names(data, table):
    named, bare = '[["Effusion", 512, 0, 512, 256]]', "[[0, 0, 256.0, 512], [1, 1, 2, 2]]"
    path = table(data / "t.csv", ("file", "patient_id", "Mass", "n", "b"), ("images/a.png", "p1", 0, named, bare))
    columns = {"boxes": "n,b:Lung Opacity", "boxes_px": "1024x512"}
    (case,) = folder.read({"root": data}, csv=path, columns=columns).cases
    assert case.truth["boxes"][0] == {"label": "Pleural Effusion", "image": "a.png", "box": [0.5, 0, 1, 0.5]}
    assert [box["label"] for box in case.truth["boxes"]] == ["Pleural Effusion", "Lung Opacity", "Lung Opacity"]
    with pytest.raises(MedleyError, match="needs --map boxes_px=SIZE"):
        folder.read({"root": data}, csv=path, columns={"boxes": "n"})
    with pytest.raises(MedleyError, match="line 2: column 'b'"):
        folder.read({"root": data}, csv=path, columns={"boxes": "b", "boxes_px": "1024"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"file;patient_id\na.png;1\n", "parted by ';'"),
        ("file,patient_id\n".encode("utf-16"), "UTF-16"),
        (b"name,patient_id\na.png,1\n", "name it with --map image=COLUMN"),
    ],
)
def test_tables_that_are_none(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(MedleyError, match=message):
        folder.read({"root": tmp_path})


def test_rows_that_cannot_be_used_do_not_cost_the_good_ones(data):
    path = data / "labels.csv"
    path.write_text(
        path.read_text() + "images/a.png,p1,PA,50,F,1,0,7\n,p3,PA,50,F,1,0,7\nimages/none.png,p4,,,,,,\nx,,,,,,,,,,\n"
    )
    reading = folder.read({"root": data})
    assert len(reading.cases) == 3
    assert reading.left_out == 4
    assert sum("left out" in remark for remark in reading.remarks) == 4  # each reason is said


def test_a_quote_that_is_not_closed_is_an_error_and_not_one_long_text(data):
    path = data / "labels.csv"
    path.write_text(path.read_text().replace("images/b.png,p1", 'images/b.png,"p1'))
    with pytest.raises(MedleyError, match=r"labels\.csv line \d+ is not CSV: .*is a quote not closed"):
        folder.read({"root": data})


def test_a_note_of_100_000_characters_is_a_note(data, table):
    path = table(data / "t.csv", ("file", "note", "Mass"), ("images/a.png", "cough " * 16_667, 0))
    assert len(folder.read({"root": data}, csv=path).cases[0].text["note"]) > 100_000


def test_a_byte_order_mark_does_not_hide_the_first_column(data):
    path = data / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(folder.read({"root": data}).cases) == 3
