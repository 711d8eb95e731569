"""The covid-chestxray layout: findings as a tree, offsets, damaged bytes, CT rows, shared images."""

from __future__ import annotations

import math

import pytest

from medley.core.errors import MedleyError
from medley.data.readers import covid_chestxray

HEADER = (
    "patientid,offset,sex,age,finding,RT_PCR_positive,survival,view,modality,date,folder,filename,license,"
    "clinical_notes"
)
ROWS = [
    "2,0,M,65,Pneumonia/Viral/COVID-19,Y,Y,PA,X-ray,2020,images,a.jpg,,Low-grade fever.",
    "2,0,M,65,Pneumonia/Viral/COVID-19,Y,Y,L,X-ray,2020,images,b.jpg,,Low-grade fever.",
    "2,3,M,65,Pneumonia/Viral/COVID-19,Y,Y,AP Supine,X-ray,2020,images,c.jpg,,Worse.",
    "7,,F,,Pneumonia,,,AP,X-ray,2020,images,d.jpg,,",
    "8,,F,50+,No Finding,,,PA,X-ray,2020,images,e.jpg,,",
    "9,1,,30,todo,,,PA,X-ray,2020,images,f.jpg,,Note.",
    "10,1,,30,Tuberculosis,,,PA,X-ray,2020,images,g.jpg,,Note.",
    "11,1,,30,Pneumonia/Viral/SARS,,,Axial,CT,2020,volumes,h.nii.gz,,Note.",
]


@pytest.fixture
def covid(tmp_path, film):
    for name in "abcdefg":
        film(tmp_path / f"images/{name}.jpg")
    (tmp_path / "metadata.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    return tmp_path


def test_one_patient_and_offset_is_one_study(covid):
    cases = {case.case_id: case for case in covid_chestxray.read({"root": covid}).cases}
    assert [image.view for image in cases["2_day0"].images] == ["PA", "LATERAL"]
    assert cases["2_day0"].text == {"note": "Low-grade fever."}  # one note, though it stands at both films
    assert cases["2_day3"].images[0].view == "AP"
    assert cases["2_day3"].truth == {"offset_days": 3, "date": "2020"}
    assert {"d", "e"} <= set(cases)  # no offset: each film is a study of its own


def test_a_path_sets_its_levels_and_leaves_what_lies_below_open(covid):
    cases = {case.case_id: case for case in covid_chestxray.read({"root": covid}).cases}
    viral = cases["2_day0"].labels
    assert (viral["Pneumonia"], viral["Viral"], viral["COVID-19"], viral["Tuberculosis"]) == (1, 1, 1, 0)
    unspecific = cases["d"].labels
    assert unspecific["Pneumonia"] == 1
    assert math.isnan(unspecific["COVID-19"])  # it may well be one
    assert unspecific["Tuberculosis"] == 0
    assert cases["e"].labels["No Finding"] == 1
    assert cases["e"].labels["COVID-19"] == 0
    assert all(math.isnan(value) for value in cases["9_day1"].labels.values())  # todo


def test_plain_findings_and_two_at_once(covid):
    path = covid / "metadata.csv"
    path.write_text(path.read_text().replace("Pneumonia/Viral/COVID-19", '"COVID-19, ARDS"'))
    reading = covid_chestxray.read({"root": covid})
    assert reading.cases[0].labels["ARDS"] == reading.cases[0].labels["COVID-19"] == 1


def test_ct_rows_are_passed_over_without_a_fault(covid):
    reading = covid_chestxray.read({"root": covid})
    assert "SARS" not in reading.labels
    assert reading.left_out == 0
    assert any("not an X-ray: 1 row passed over" in remark for remark in reading.remarks)


def test_damaged_bytes_are_counted_and_the_row_stays(covid):
    path = covid / "metadata.csv"
    path.write_bytes(path.read_bytes().replace(b"Low-grade", b"Low\x96grade\xff"))
    reading = covid_chestxray.read({"root": covid})
    assert reading.cases[0].text["note"] == "Low\ufffdgrade\ufffd fever."
    assert any("damaged text" in remark and "4 characters" in remark for remark in reading.remarks)


def test_an_age_that_is_no_number_is_not_known(covid):
    cases = {case.case_id: case for case in covid_chestxray.read({"root": covid}).cases}
    assert math.isnan(cases["e"].age_years)
    assert cases["2_day0"].age_years == 65


def test_an_image_in_two_rows_is_taken_once(covid):
    path = covid / "metadata.csv"
    path.write_text(path.read_text() + "12,1,F,30,Tuberculosis,,,PA,X-ray,2020,images,a.jpg,,\n")
    reading = covid_chestxray.read({"root": covid})
    assert "12" not in {case.patient_id for case in reading.cases}
    assert reading.left_out == 1


def test_figure1_layout_suffixes_are_one_patient(tmp_path, film):
    header = "patientid,offset,sex,age,finding,survival,view,modality,notes,file"
    rows = ["COVID-00003a,8.0,M,28,,,AP erect,X-ray,Fever.,images/x.jpg"]
    rows += ["COVID-00003b,9.0,M,28,,,AP erect,X-ray,Intubated.,images/y.jpg"]
    (tmp_path / "metadata.csv").write_text("\n".join([header, *rows]))
    for name in "xy":
        film(tmp_path / f"images/{name}.jpg")
    reading = covid_chestxray.read({"root": tmp_path})
    assert {case.patient_id for case in reading.cases} == {"COVID-00003"}
    assert reading.labels == ()


def test_publication_and_date_are_carried_and_the_first_of_a_study_counts(tmp_path, film):
    rows = [
        "patientid,offset,sex,age,finding,view,modality,date,doi,url,clinical_notes,filename",
        '1,0,M,65,COVID-19,PA,X-ray,"January 22, 2020",10.1/a,https://a.org,,a.jpg',
        '1,0,M,65,COVID-19,L,X-ray,"January 23, 2020",10.1/a,https://a.org,,b.jpg',
        "2,0,M,65,COVID-19,PA,X-ray,January 12,,https://b.org,,c.jpg",
        "3,,M,65,COVID-19,PA,X-ray,,,,,d.jpg",
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    for name in "abcd":
        film(tmp_path / f"images/{name}.jpg")
    reading = covid_chestxray.read({"root": tmp_path})
    assert [case.truth for case in reading.cases] == [
        {"offset_days": 0, "doi": "10.1/a", "url": "https://a.org", "date": "January 22, 2020"},
        {"offset_days": 0, "url": "https://b.org"},
        {},
    ]
    assert any("differ in date" in remark for remark in reading.remarks)
    assert any("'January 12'" in remark for remark in reading.remarks)


def test_nothing_usable_says_why(covid):
    for path in (covid / "images").iterdir():
        path.unlink()
    with pytest.raises(MedleyError, match=r"no usable study was found: .*image not on disk: 7 rows"):
        covid_chestxray.read({"root": covid})
