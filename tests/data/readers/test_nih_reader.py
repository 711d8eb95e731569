"""NIH ChestX-ray14 in miniature: image folders, lists, boxes, No Finding, impossible ages."""

from __future__ import annotations

import math

import pytest

from medley.core.errors import MedleyError
from medley.core.labels import NIH_14
from medley.data.readers import nih_chestxray14

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width,"
    "Height],OriginalImagePixelSpacing[x,y],"  # as released: brackets broken by the commas, an empty last column
)


@pytest.fixture
def nih(tmp_path, film):
    rows = [
        "00000001_000.png,Cardiomegaly|Effusion,0,1,58,M,PA,2682,2749,0.143,0.143,",
        "00000001_001.png,No Finding,1,1,058Y,M,PA,2682,2749,0.143,0.143,",
        "00000002_000.png,Pleural_Thickening,0,2,411,F,AP,2682,2749,0.143,0.143,",
        "00000003_000.png,Hernia,0,3,60,F,AP,2682,2749,0.143,0.143,",
    ]
    (tmp_path / "Data_Entry_2017.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    film(tmp_path / "images_001/images/00000001_000.png")
    film(tmp_path / "images_001/images/00000001_001.png")
    film(tmp_path / "images_012/images/00000002_000.png")
    (tmp_path / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png\n")
    (tmp_path / "test_list.txt").write_text("00000002_000.png\n00000003_000.png\n")
    boxes = [
        "Image Index,Finding Label,Bbox [x,y,w,h],,,",
        "00000001_000.png,Infiltrate,512,256,256,128.0,,,",
        "00000001_000.png,Effusion,0,0,1024,1024,,,",
    ]
    (tmp_path / "BBox_List_2017.csv").write_text("\n".join(boxes) + "\n")
    return tmp_path


def test_named_is_1_the_rest_0_and_no_finding_is_all_0(nih):
    first, healthy, thick = nih_chestxray14.read({"root": nih}).cases
    assert [name for name in NIH_14 if first.labels[name] == 1] == ["Cardiomegaly", "Pleural Effusion"]
    assert set(healthy.labels.values()) == {0}
    assert thick.labels["Pleural Thickening"] == 1
    assert "No Finding" not in first.labels


def test_films_of_one_patient_are_studies_of_one_patient(nih):
    reading = nih_chestxray14.read({"root": nih})
    assert [(case.case_id, case.patient_id) for case in reading.cases] == [
        ("00000001_000", "1"),
        ("00000001_001", "1"),
        ("00000002_000", "2"),
    ]
    assert reading.left_out == 1  # 00000003_000.png is not on disk
    assert [case.truth["official_split"]["nih_chestxray14"] for case in reading.cases] == ["train", "train", "test"]


def test_ages_of_both_releases_and_the_impossible(nih):
    reading = nih_chestxray14.read({"root": nih})
    assert [case.age_years for case in reading.cases[:2]] == [58, 58]
    assert math.isnan(reading.cases[2].age_years)
    assert any("'411'" in remark for remark in reading.remarks)


def test_boxes_are_fractions_and_carry_canonical_names(nih):
    first = nih_chestxray14.read({"root": nih}).cases[0]
    infiltrate, whole = first.truth["boxes"]
    assert infiltrate == {"label": "Infiltration", "image": "00000001_000.png", "box": [0.5, 0.25, 0.75, 0.375]}
    assert (whole["label"], whole["box"]) == ("Pleural Effusion", [0, 0, 1, 1])


def test_a_patient_in_both_lists_is_for_the_split_and_an_image_in_both_is_an_error(nih):
    (nih / "test_list.txt").write_text("00000001_000.png\n")
    with pytest.raises(MedleyError, match=r"00000001_000\.png stands in both"):
        nih_chestxray14.read({"root": nih})


def test_an_unknown_finding_and_a_double_row(nih):
    path = nih / "Data_Entry_2017.csv"
    text = path.read_text()
    path.write_text(text + "00000001_000.png,Mass,0,1,58,M,PA,1,1,1,1,\n")
    reading = nih_chestxray14.read({"root": nih})
    assert any("image listed twice: 1 row left out" in remark for remark in reading.remarks)
    path.write_text(text.replace("Hernia", "Herniaa"))
    (nih / "images_001/images/00000003_000.png").write_bytes(b"x")
    with pytest.raises(MedleyError, match="line 5: unknown finding 'Herniaa'; did you mean 'Hernia'"):
        nih_chestxray14.read({"root": nih})


def test_two_tables_are_ambiguous(nih):
    (nih / "Data_Entry_2017_v2021.csv").write_text(HEADER)
    with pytest.raises(MedleyError, match="name one with --csv"):
        nih_chestxray14.read({"root": nih})
