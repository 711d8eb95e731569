"""CheXpert in its four shapes, with the real column names."""

from __future__ import annotations

import csv
import json
import math

import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.data.readers import chexpert

KAGGLE = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT_14)
PLUS = (
    "path_to_image",
    "path_to_dcm",
    "frontal_lateral",
    "ap_pa",
    "deid_patient_id",
    "report",
    "section_clinical_history",
    "section_history",
    "section_findings",
    "section_impression",
    "age",
    "sex",
    "split",
)


def labels(**given: object) -> list[object]:
    return [given.get(name.replace(" ", "_"), "") for name in CHEXPERT_14]


@pytest.fixture
def small(tmp_path, film, table):
    """CheXpert-v1.0-small: two views of one study, one unknown patient age, one valid study."""
    root = tmp_path / "CheXpert-v1.0-small"
    names = ["train/patient00001/study1/view2_lateral.jpg", "train/patient00001/study1/view1_frontal.jpg"]
    names += ["train/patient00002/study3/view1_frontal.jpg"]
    for name in [*names, "valid/patient64541/study1/view1_frontal.jpg"]:
        film(root / name)
    values = labels(Edema="1.0", Cardiomegaly="-1.0", Fracture="0.0")
    prefix = "CheXpert-v1.0-small/"
    rows = [
        (prefix + names[0], "Female", 68, "Lateral", "", *values),
        (prefix + names[1], "Female", 68, "Frontal", "AP", *values),
        (prefix + names[2], "Unknown", 0, "Frontal", "PA", *labels(No_Finding="1.0", Support_Devices="1.0")),
    ]
    table(root / "train.csv", KAGGLE, *rows)
    valid = (prefix + "valid/patient64541/study1/view1_frontal.jpg", "Male", 73, "Frontal", "AP", *["0.0"] * 14)
    table(root / "valid.csv", KAGGLE, valid)
    return root


def test_one_case_a_study_with_its_views(small):
    reading = chexpert.read({"root": small})
    assert [case.case_id for case in reading.cases] == [
        "patient00001_study1",
        "patient00002_study3",
        "patient64541_study1",
    ]
    first = reading.cases[0]
    assert [image.view for image in first.images] == ["AP", "LATERAL"]  # the frontal leads, whatever the row order
    assert (first.patient_id, first.sex, first.age_years) == ("patient00001", "F", 68)
    assert reading.labels == CHEXPERT_14
    assert reading.left_out == 0


@pytest.mark.parametrize(
    ("side", "projection", "view"),
    [("Frontal", "LL", "UNKNOWN"), ("Frontal", "PA", "PA"), ("Frontal", "RL", "UNKNOWN"), ("Lateral", "AP", "LATERAL")],
)
def test_frontal_or_lateral_decides_against_the_projection(tmp_path, film, table, side, projection, view):
    name = f"train/patient00001/study1/view1_{side.lower()}.jpg"
    film(tmp_path / name)
    table(tmp_path / "train.csv", KAGGLE, (name, "Male", 60, side, projection, *labels()))
    assert chexpert.read({"root": tmp_path}).cases[0].images[0].view == view


def test_the_four_values_are_kept_apart(small):
    case = chexpert.read({"root": small}).cases[0]
    assert (case.labels["Edema"], case.labels["Cardiomegaly"], case.labels["Fracture"]) == (1, -1, 0)
    assert math.isnan(case.labels["Pneumonia"])


def test_age_0_and_sex_unknown_are_not_known(small):
    case = chexpert.read({"root": small}).cases[1]
    assert case.sex is None
    assert math.isnan(case.age_years)


def test_valid_is_scored_only_and_is_dev_only_beside_a_test_set(small, film, table):
    parts = {case.case_id: case.truth["official_split"]["chexpert"] for case in chexpert.read({"root": small}).cases}
    assert parts["patient64541_study1"] == "test"
    name = "test/patient64741/study1/view1_frontal.jpg"
    film(small / name)
    table(small / "test_labels.csv", ("Path", *CHEXPERT_14), (name, *["0"] * 14))
    parts = {case.case_id: case.truth["official_split"]["chexpert"] for case in chexpert.read({"root": small}).cases}
    assert (parts["patient64541_study1"], parts["patient64741_study1"]) == ("dev", "test")


def test_the_labels_only_test_table_has_no_demographics(small, film, table):
    names = [f"test/patient64741/study1/view{n}.jpg" for n in ("1_frontal", "2_lateral")]
    for name in names:
        film(small / name)
    path = table(small / "test.csv", ("Path", *CHEXPERT_14), *[(name, *["1"] * 14) for name in names])
    (case,) = chexpert.read({"root": small}, csv=path).cases
    assert [image.view for image in case.images] == ["UNKNOWN", "LATERAL"]  # a frontal, but AP or PA is not said
    assert case.sex is None
    assert all(value == 1 for value in case.labels.values())


def test_groundtruth_names_studies_not_images(small, film, table):
    for name in ("view1_frontal.jpg", "view2_lateral.jpg"):
        film(small / "test/patient64741/study1" / name)
    path = table(
        small / "groundtruth.csv",
        ("Study", *CHEXPERT_14),
        ("CheXpert-v1.0/test/patient64741/study1", *["0"] * 14),
        ("CheXpert-v1.0/test/patient64742/study1", *["0"] * 14),
    )
    reading = chexpert.read({"root": small}, csv=path)
    assert [len(case.images) for case in reading.cases] == [2]
    assert reading.left_out == 1


def test_full_release_as_it_is_unzipped(tmp_path, film, table):
    first, second = "CheXpert-v1.0 batch 1 (validate & csv)", "CheXpert-v1.0 batch 2 (train 1)"
    film(tmp_path / second / "patient00001/study1/view1_frontal.jpg")
    film(tmp_path / first / "valid/patient64541/study1/view1_frontal.jpg")
    for part, patient in (("train", "patient00001"), ("valid", "patient64541")):
        row = (f"CheXpert-v1.0/{part}/{patient}/study1/view1_frontal.jpg", "Male", 41, "Frontal", "PA", *["0"] * 14)
        table(tmp_path / first / f"{part}.csv", KAGGLE, row)
    reading = chexpert.read({"root": tmp_path})
    assert [case.patient_id for case in reading.cases] == ["patient00001", "patient64541"]


@pytest.fixture
def plus(tmp_path, film, table):
    name = "train/patient42142/study5/view1_frontal"
    film(tmp_path / "PNG" / f"{name}.png")
    row = (f"{name}.jpg", f"{name}.dcm", "Frontal", "AP", "patient42142", "whole report", "Cough.", "Smoker.")
    row += ("Small left effusion.", "1. Effusion.", "71.0", "Male", "train")
    table(tmp_path / "df_chexpert_plus_240401.csv", PLUS, row)
    found = {"path_to_image": f"{name}.jpg", "Pleural Effusion": 1.0, "Edema": -1.0, "Fracture": None}
    folder = tmp_path / "chexbert_labels"
    folder.mkdir()
    (folder / "impression_fixed.json").write_text(json.dumps(found) + "\n")
    return tmp_path


def test_plus_history_is_input_and_findings_are_target(plus):
    (case,) = chexpert.read({"root": plus}).cases
    assert case.text == {
        "history": "Cough.\nSmoker.",
        "findings": "Small left effusion.",
        "impression": "1. Effusion.",
    }
    assert "whole report" not in str(case.text)
    assert case.images[0].path.endswith(".png")  # the table says .jpg; the PNG release has the same names
    assert (case.labels["Pleural Effusion"], case.labels["Edema"], case.sex, case.age_years) == (1, -1, "M", 71)
    assert math.isnan(case.labels["Fracture"])


def test_plus_an_input_ends_where_it_describes_the_film(plus, table):
    path = plus / "df_chexpert_plus_240401.csv"
    header, *rows = csv.reader(path.open(newline=""))
    history = header.index("section_history")
    rows = [[*row[:history], "Cough.\nThe lungs are clear. No effusion.", *row[history + 1 :]] for row in rows]
    table(path, header, *rows)
    assert "clear" not in chexpert.read({"root": plus}).cases[0].text["history"]


def test_plus_two_views_of_a_study_tell_its_story_once(plus, film):
    film(plus / "PNG/train/patient42142/study5/view2_lateral.png")
    path = plus / "df_chexpert_plus_240401.csv"
    row = path.read_text().splitlines()[1].replace("view1_frontal", "view2_lateral").replace("Frontal", "Lateral")
    path.write_text(path.read_text() + row + "\n")
    (case,) = chexpert.read({"root": plus}).cases
    assert [image.view for image in case.images] == ["AP", "LATERAL"]
    assert case.text["history"] == "Cough.\nSmoker."


def test_plus_names_the_sections_it_lacks(plus, table):
    table(plus / "df_chexpert_plus_240401.csv", ("path_to_image", "section_impression"))
    with (plus / "df_chexpert_plus_240401.csv").open("a") as file:
        file.write("train/patient42142/study5/view1_frontal.jpg,Normal.\n")
    reading = chexpert.read({"root": plus})
    assert reading.cases[0].text == {"impression": "Normal."}
    assert any("section_findings" in remark for remark in reading.remarks)


def test_plus_without_label_files_says_so_and_a_wrong_source_names_the_nearest(plus):
    (plus / "chexbert_labels/impression_fixed.json").unlink()
    reading = chexpert.read({"root": plus})
    assert all(math.isnan(value) for value in reading.cases[0].labels.values())
    assert any("impression_fixed.json" in remark for remark in reading.remarks)
    with pytest.raises(MedleyError, match="did you mean 'findings'"):
        chexpert.read({"root": plus}, labels="finding")


def test_missing_and_empty_images_are_left_out_by_name(small):
    (small / "train/patient00002/study3/view1_frontal.jpg").unlink()
    (small / "train/patient00001/study1/view2_lateral.jpg").write_bytes(b"")
    reading = chexpert.read({"root": small})
    assert [case.case_id for case in reading.cases] == ["patient00001_study1", "patient64541_study1"]
    assert reading.left_out == 2
    assert any("patient00002/study3" in remark and "1 row left out" in remark for remark in reading.remarks)


def test_a_missing_column_is_named_with_the_nearest(small, table):
    header = ["Path", *("Pleural_Efusion" if name == "Pleural Effusion" else name for name in CHEXPERT_14)]
    path = table(small / "bad.csv", header, ("train/patient00001/study1/view1_frontal.jpg", *["0"] * 14))
    with pytest.raises(
        MedleyError, match=r"bad\.csv lacks the column 'Pleural Effusion'; did you mean 'Pleural_Efusion'"
    ):
        chexpert.read({"root": small}, csv=path)


def test_a_value_that_is_no_label_names_row_and_column(small, table):
    row = ("train/patient00001/study1/view1_frontal.jpg", *["0"] * 13, "2")
    path = table(small / "bad.csv", ("Path", *CHEXPERT_14), row)
    with pytest.raises(MedleyError, match=r"bad\.csv line 2: column 'Support Devices' holds '2'"):
        chexpert.read({"root": small}, csv=path)


def test_an_empty_folder_says_what_it_looked_for(tmp_path):
    with pytest.raises(MedleyError, match=r"holds no train\.csv"):
        chexpert.read({"root": tmp_path})
    with pytest.raises(MedleyError, match="is not a folder"):
        chexpert.read({"root": tmp_path / "none"})
