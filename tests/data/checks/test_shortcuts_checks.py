"""Which source is it? And does size, format or background tell the label?"""

from __future__ import annotations

import numpy as np
import pytest
from checks_data import a_case, a_table

from medley.core.seeds import generator
from medley.data.checks.looks import ACQUISITION_FEATURES, HISTOGRAM_BINS, Look
from medley.data.checks.shortcuts import check_acquisition, check_source

CASES = 80


def films(signature, label_of, source_of):
    """Films whose acquisition features are noise, apart from `signature(i)` in one of them."""
    rng = generator("shortcuts")
    rows, looks = [], []
    for i in range(CASES):
        acquisition = rng.standard_normal(ACQUISITION_FEATURES).astype(np.float32)
        acquisition[0] += 6 * signature(i)
        histogram = np.full(HISTOGRAM_BINS, 1 / HISTOGRAM_BINS, np.float32)
        thumb = np.zeros((64, 64), np.uint8)
        rows.append(a_case(i, source=source_of(i), labels={"COVID-19": float(label_of(i))}))
        looks.append(Look(f"case{i}", f"{i}.png", "PA", thumb=thumb, acquisition=acquisition, histogram=histogram))
    return a_table(rows, ("COVID-19",)), looks


def half(i):
    return i % 2


def other_half(i):
    return i // 2 % 2


def site(i):
    return "ab"[half(i)]


def test_a_source_that_is_told_and_tells_the_class_fails():
    check = check_source(*films(half, half, site))
    assert check.status == "failed"
    assert check.numbers["label_auroc_of_source"]["COVID-19"] == 1.0
    value, low, high = check.numbers["source_auroc"]["a"]
    assert low > 0.9
    assert low <= value <= high


@pytest.mark.parametrize(
    ("signature", "label", "status"),
    [
        (half, other_half, "warning"),  # told, but every class comes from both
        (lambda i: 0, half, "warning"),  # is the class, though this probe cannot tell the source from the film
        (lambda i: 0, lambda i: i % 2 or i % 3 == 0, "ok"),  # goes with the class, and cannot be told from the film
        (lambda i: 0, other_half, "ok"),
    ],
)
def test_one_without_the_other_is_no_failure(signature, label, status):
    assert check_source(*films(signature, label, site)).status == status


def test_one_source_cannot_be_told_from_itself():
    assert check_source(*films(half, half, lambda i: "a")).status == "not applicable"
    assert check_source(*films(half, half, lambda i: "b" if i == 3 else "a")).status == "not applicable"


def test_a_label_that_stands_in_size_or_format_fails_though_there_is_one_source():
    table, looks = films(half, half, lambda i: "a")
    check = check_acquisition(table, looks)
    assert (check.status, check.count) == ("failed", 1)
    assert check_acquisition(*films(half, other_half, lambda i: "a")).status == "ok"
    assert check_acquisition(*films(half, lambda i: i == 0, lambda i: "a")).status == "not applicable"


def test_the_same_seed_gives_the_same_interval():
    table, looks = films(lambda i: 0.2 * half(i), half, site)
    assert check_source(table, looks, 1).numbers == check_source(table, looks, 1).numbers
    assert check_source(table, looks, 1).numbers != check_source(table, looks, 2).numbers


def test_all_films_of_one_patient_are_on_one_side_of_the_probe():
    """Features that name the patient tell a label of the patient only if a fold parts its films."""
    rng = generator("patients")
    rows, looks = [], []
    for patient in range(24):
        own = (10 * rng.standard_normal(ACQUISITION_FEATURES)).astype(np.float32)
        for film in range(4):
            i = 4 * patient + film
            rows.append(a_case(i, patient_id=f"p{patient}", labels={"COVID-19": float(patient % 2)}))
            looks.append(Look(f"case{i}", f"{i}", "PA", thumb=np.zeros((64, 64), np.uint8), acquisition=own))
    value, low, _ = check_acquisition(a_table(rows, ("COVID-19",)), looks).numbers["auroc"]["COVID-19"]
    assert low < 0.5
    assert value < 0.8
