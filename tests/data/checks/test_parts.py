"""Who is in two parts, by every name that a patient, study or publication can have."""

from __future__ import annotations

from dataclasses import replace

import pytest
from checks_data import a_case, a_table

from medley.data.checks.parts import check_overlaps, check_split_fits, check_support, parts_of
from medley.data.splits import make_split


def by_name(checks):
    return {check.name: check for check in checks}


def overlaps(cases, parts, extras=None):
    part_of = {case.case_id: part for case, part in zip(cases, parts, strict=True)}
    return by_name(check_overlaps(a_table(cases), part_of, extras or {}))


def test_a_patient_in_two_parts_is_found_though_the_case_ids_differ():
    cases = [a_case(0, patient_id="p"), a_case(1, patient_id="p"), a_case(2)]
    check = overlaps(cases, ["train", "test", "test"])["patients-across-parts"]
    assert (check.status, check.count) == ("failed", 1)
    assert check.examples == ("p: train (case case0), test (case case1)",)
    assert overlaps(cases, ["test", "test", "train"])["patients-across-parts"].status == "ok"


def test_a_patient_spelt_in_two_ways_is_a_warning():
    check = overlaps([a_case(0, patient_id="P_007"), a_case(1, patient_id="p7")], ["train", "dev"])
    assert check["patients-across-parts"].status == "warning"
    for one, other in (("100", "10"), ("1-11", "11-1")):
        check = overlaps([a_case(0, patient_id=one), a_case(1, patient_id=other)], ["train", "dev"])
        assert check["patients-across-parts"].status == "ok"


def test_a_study_under_two_patients_in_two_parts():
    cases = [a_case(i) for i in range(40)] + [a_case(40, study_id="study3", patient_id="copy of patient3")]
    parts = ["train"] * 40 + ["test"]
    check = overlaps(cases, parts)["studies-across-parts"]
    assert (check.status, check.count) == ("failed", 1)


def test_study_ids_that_count_within_a_patient_are_no_leak():
    cases = [a_case(i, study_id=f"study{i % 2}") for i in range(40)]
    assert overlaps(cases, ["train", "test"] * 20)["studies-across-parts"].status == "ok"


@pytest.mark.parametrize("where", ["truth", "column"])
def test_a_publication_in_two_parts(where):
    doi = {"doi": "10.1056/x"}
    cases = [a_case(0, truth=doi if where == "truth" else {}), a_case(1, truth=doi if where == "truth" else {})]
    extras = {} if where == "truth" else {"case0": doi, "case1": doi}
    assert overlaps(cases, ["train", "test"], extras)["publications-across-parts"].status == "failed"
    assert overlaps(cases, ["dev", "dev"], extras)["publications-across-parts"].status == "ok"


def test_a_publication_that_is_named_twice_is_one():
    named = {"doi": "10.1/x", "url": "https://example.org/x"}
    cases = [a_case(0, truth=named), a_case(1, truth=named), a_case(2, truth={"doi": "10.1/y"})]
    check = overlaps(cases, ["train", "test", "test"])["publications-across-parts"]
    assert (check.count, check.examples) == (1, ("doi 10.1/x: train (case case0), test (case case1)",))


def test_without_publications_or_split_there_is_nothing_to_say():
    assert overlaps([a_case(0)], ["train"])["publications-across-parts"].status == "not applicable"
    assert {check.status for check in check_overlaps(a_table([a_case(0)]), None, {})} == {"not applicable"}


def test_a_split_of_another_table():
    table = a_table([a_case(i) for i in range(30)])
    manifest = make_split(table)
    assert check_split_fits(table, manifest).status == "ok"
    fewer = a_table(list(table.cases[1:]))
    check = check_split_fits(fewer, manifest)
    assert (check.status, check.count) == ("failed", 1)
    assert "case0" in check.examples[0]
    changed = a_table([replace(table.cases[0], sex="F"), *table.cases[1:]])
    assert "made for the table" in check_split_fits(changed, manifest).says
    assert set(parts_of(manifest).values()) == {"train", "dev", "test"}


def test_labels_that_train_never_saw_and_those_with_few_positives():
    cases = [a_case(i, labels={"Edema": float(i % 2), "Fracture": float(i == 39)}) for i in range(40)]
    part_of = {f"case{i}": "train" if i < 30 else "test" for i in range(40)}
    check = check_support(a_table(cases, ("Edema", "Fracture")), part_of)
    assert (check.status, check.count) == ("failed", 1)
    assert check.examples[0].startswith("Fracture: 1 positive in test")
    scored = check_support(a_table(cases, ("Edema", "Fracture")), dict.fromkeys(part_of, "test"))
    assert (scored.status, scored.examples) == ("warning", ("Fracture: 1 positive in test",))
    few = check_support(a_table(cases, ("Edema", "Fracture")), None)
    assert (few.status, few.examples) == ("warning", ("Fracture: 1 positive",))
