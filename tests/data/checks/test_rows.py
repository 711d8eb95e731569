"""Labels, ages and dates that cannot be; what is uncertain or unknown contradicts nothing."""

from __future__ import annotations

import math
from datetime import date

from checks_data import a_case, a_table

from medley.data.checks.headers import Header
from medley.data.checks.looks import Look
from medley.data.checks.rows import check_dates, check_hierarchy, check_people, parse_date

LABELS = ("No Finding", "Lung Opacity", "Edema", "Support Devices")


def table_of(*rows):
    return a_table([a_case(i, labels=labels) for i, labels in enumerate(rows)], LABELS)


def test_a_child_without_its_parent_is_named():
    check = check_hierarchy(table_of({"Edema": 1.0, "Lung Opacity": 0.0}, {"Edema": 1.0, "Lung Opacity": 1.0}))
    assert (check.status, check.count) == ("failed", 1)
    assert check.examples == ("case case0: Edema is 1, its parent Lung Opacity is 0",)


def test_uncertain_and_unknown_contradict_nothing():
    rows = [{"Edema": a, "Lung Opacity": b} for a in (-1.0, math.nan, 0.0) for b in (0.0, -1.0, math.nan)]
    rows += [{"Edema": 1.0, "Lung Opacity": -1.0}, {"Edema": 1.0}]
    assert check_hierarchy(table_of(*rows)).status == "ok"


def test_a_healthy_film_with_a_finding_is_named_and_devices_are_none():
    check = check_hierarchy(table_of({"No Finding": 1.0, "Edema": 1.0}, {"No Finding": 1.0, "Support Devices": 1.0}))
    assert check.examples == ("case case0: No Finding is 1, and so is Edema",)


def test_nih_labels_know_no_hierarchy():
    labels = ("Pneumonia", "Consolidation", "Infiltration")
    table = a_table([a_case(0, labels={"Pneumonia": 1.0, "Consolidation": 0.0, "Infiltration": 0.0})], labels)
    assert check_hierarchy(table).status == "not applicable"


def test_impossible_ages_fail_and_zero_is_a_warning():
    assert check_people(a_table([a_case(0, age_years=-1.0), a_case(1, age_years=50.0)])).status == "failed"
    check = check_people(a_table([a_case(0, age_years=155.0), a_case(1, age_years=0.0)]))
    assert (check.status, check.count) == ("failed", 2)
    assert "155" in check.examples[0]
    assert check_people(a_table([a_case(0, age_years=0.0)])).status == "warning"
    assert check_people(a_table([a_case(0, age_years=120.0, sex="F")])).status == "ok"
    assert check_people(a_table([a_case(0)])).status == "not applicable"


def test_two_people_under_one_id_are_a_warning():
    rows = [a_case(0, patient_id="p", sex="F", age_years=20.0), a_case(1, patient_id="p", sex="M", age_years=85.0)]
    check = check_people(a_table(rows))
    assert (check.status, check.count) == ("warning", 2)


def test_dates_that_cannot_be():
    today = date(2026, 1, 1)
    rows = [
        a_case(0, truth={"study_date": "2020-02-31"}),
        a_case(1, truth={"study_date": "1890-01-01"}),
        a_case(2, truth={"study_date": "2150-03-04"}),
        a_case(3, truth={"study_date": "January 22, 2020", "offset_days": 3}),
    ]
    check = check_dates(a_table(rows), [], {"case3": {"exam_date": date(2019, 5, 1)}}, today)
    assert (check.status, check.count) == ("failed", 3)
    assert "no date" in check.examples[0]
    assert "before the first" in check.examples[1]
    assert check_dates(a_table(rows[2:]), [], {}, today).status == "warning"
    assert check_dates(a_table(rows[3:]), [], {}, today).status == "ok"
    assert check_dates(a_table([a_case(0)]), [], {}, today).status == "not applicable"


def test_a_film_taken_before_the_birth():
    header = Header(dates=(("StudyDate", "19990101"), ("PatientBirthDate", "20010101")))
    check = check_dates(a_table([a_case(0)]), [Look("case0", "a.dcm", "PA", header=header)], {})
    assert "before the birth" in check.examples[0]


def test_a_date_column_is_known_however_it_is_spelt():
    for key in ("StudyDate", "studyDate", "Study Date", "STUDY_DATE", "study-date", "AcquisitionDateTime"):
        check = check_dates(a_table([a_case(0, truth={key: "1870-01-01"})]), [], {})
        assert (check.status, check.count) == ("failed", 1), key
    born = check_dates(a_table([a_case(0, truth={"StudyDate": "1999-01-01", "BirthDate": "2001-01-01"})]), [], {})
    assert "before the birth" in born.examples[0]
    for key in ("Candidate", "update", "UpdateCount"):
        assert check_dates(a_table([a_case(0, truth={key: "no"})]), [], {}).status == "not applicable", key


def test_dates_as_they_are_written():
    forms = (
        "2020-01-22",
        "2020/01/22",
        "22.01.2020",
        "20200122",
        "January 22, 2020",
        "2020-01-22 10:11:12",
        "01/22/20",
        "22 January 2020",
    )
    assert {parse_date(text) for text in forms} == {date(2020, 1, 22)}
    assert parse_date("yesterday") is None
