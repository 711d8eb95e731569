"""The data doctor on real films: known duplicates, planted copies, and COVID films that give their source away."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from PIL import Image

from medley.core.records import Case, ImageRef
from medley.data.cases import CaseTable
from medley.data.checks.duplicates import find_pairs
from medley.data.checks.looks import look_at_all
from medley.data.checks.shortcuts import check_source


def table_of(rows, labels=()):
    """rows: (patient, path, source, labels)."""
    cases = [
        Case(str(i), patient, str(i), (ImageRef("PA", str(path)),), {}, dict(values), source=source)
        for i, (patient, path, source, values) in enumerate(rows)
    ]
    return CaseTable(tuple(cases), tuple(labels))


def test_the_known_duplicates_are_found_and_nothing_else(real_data):
    folder = real_data / "cxr_labels"
    with (folder / "near_duplicates.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            [folder / row[f"set_{ab}"] / "images" / row[f"file_{ab}"] for ab in "ab"] for row in csv.DictReader(file)
        ]
    known = {frozenset(map(str, pair)) for pair in rows if all(path.is_file() for path in pair)}
    assert len(known) == 10
    others = (
        sorted((folder / "covid_figure1/images").iterdir())[::2] + sorted((folder / "nih_1000/images").iterdir())[::25]
    )
    paths = sorted({path for pair in known for path in pair} | set(map(str, others)))
    pairs = find_pairs(look_at_all(table_of([(path, path, "", {}) for path in paths])))
    found = {frozenset((pair.one.path, pair.other.path)) for pair in pairs}
    assert known <= found
    assert len(found - known) <= 1, found - known


def copies(film: np.ndarray) -> dict[str, np.ndarray]:
    height, width = film.shape
    file = io.BytesIO()
    Image.fromarray(film).save(file, "JPEG", quality=40)
    y, x = round(0.05 * height), round(0.05 * width)
    return {
        "re-encoded": np.asarray(Image.open(file)),
        "resized": np.asarray(Image.fromarray(film).resize((width // 2, height // 2))),
        "cropped": film[y:, :-x],
        "gamma": np.rint(255 * (film / 255.0) ** 1.6).astype(np.uint8),
        "inverted": 255 - film,
    }


@pytest.fixture(scope="module")
def sample(real_data):
    """(patient, path) of 30 films, each of a patient of its own."""
    first = {}
    for path in sorted((real_data / "cxr_labels/nih_1000/images").iterdir()):
        first.setdefault(path.name.partition("_")[0], path)
    return list(first.items())[::17][:30]


def test_planted_copies_are_found_and_no_strangers(sample, tmp_path):
    rows = [(patient, path, "", {}) for patient, path in sample]
    for patient, path in sample:
        for kind, pixels in copies(np.asarray(Image.open(path).convert("L"))).items():
            copy = tmp_path / f"{patient}-{kind}.png"
            Image.fromarray(np.ascontiguousarray(pixels)).save(copy, compress_level=1)
            rows.append((patient, copy, "", {}))
    table = table_of(rows)
    pairs = find_pairs(look_at_all(table))
    original = {str(path) for _, path in sample}
    found = {path for pair in pairs for path in (pair.one.path, pair.other.path)} - original
    strangers = [p for p in pairs if table.by_id[p.one.case_id].patient_id != table.by_id[p.other.case_id].patient_id]
    assert strangers == []
    assert len(found) >= 0.98 * 5 * len(sample)


def test_covid_films_are_told_from_nih_films_and_the_class_with_them(real_data):
    folder = real_data / "cxr_labels"
    rows = []
    for source, label, paths in (
        ("covid_chestxray", 1.0, sorted((folder / "covid_ieee8023/images").iterdir())[::9]),
        ("nih_chestxray14", 0.0, sorted((folder / "nih_1000/images").iterdir())[::17]),
    ):
        rows += [(path.name[:8], path, source, {"COVID-19": label}) for path in paths]
    table = table_of(rows, ["COVID-19"])
    check = check_source(table, look_at_all(table))
    assert check.status == "failed"
    assert check.numbers["label_auroc_of_source"]["COVID-19"] == 1.0
    assert all(low > 0.8 for _, low, _ in check.numbers["source_auroc"].values())
