"""`--fix`: what goes, what stays, and that no label and no part changes on the way."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from checks_data import a_case, a_table, draw_film, save_film

from medley.core.errors import MedleyError
from medley.core.records import ImageRef
from medley.data.cases import read_cases
from medley.data.checks.doctor import Examination, examine
from medley.data.checks.duplicates import NEAR, Pair
from medley.data.checks.looks import Look
from medley.data.checks.mend import mend
from medley.data.splits import SplitManifest, check_split, read_splits, write_splits

LABELS = ("Edema",)


@pytest.fixture
def sick(tmp_path):
    """Ten studies: blank, gone, copied across parts, copied between patients, and a patient in two parts."""
    films = {f"{i}.png": draw_film(i, 64) for i in range(8)}
    films["flat.png"] = np.full((40, 40), 0.5)
    films["copy of 1.png"] = films["1.png"]
    films["copy of 2.png"] = films["2.png"]
    for name, film in films.items():
        save_film(tmp_path / "films" / name, film)
    rows = {
        "kept": ("p0", ["0.png"], "train"),
        "half": ("p9", ["3.png", "flat.png"], "train"),
        "blank": ("p2", ["flat.png"], "train"),
        "gone": ("p3", ["nowhere.png"], "dev"),
        "copied": ("p4", ["copy of 1.png"], "train"),
        "original": ("p5", ["1.png"], "test"),
        "twin": ("p6", ["copy of 2.png"], "train"),
        "other twin": ("p7", ["2.png"], "train"),
        "here": ("p8", ["4.png"], "train"),
        "there": ("p8", ["5.png"], "test"),
        "dev": ("p10", ["6.png"], "dev"),
        "only text": ("p11", [], "test"),
    }
    cases = [
        a_case(
            0,
            case_id=name,
            patient_id=patient,
            study_id=name,
            images=tuple(ImageRef("PA", f"films/{film}") for film in files),
            labels={"Edema": float(len(name) % 2)},
            text={} if files else {"note": "cough"},
        )
        for name, (patient, files, _) in rows.items()
    ]
    a_table(cases, LABELS, tmp_path / "cases.parquet")
    table = read_cases(tmp_path / "cases.parquet")
    parts = {part: tuple(n for n, row in rows.items() if row[2] == part) for part in ("train", "dev", "test")}
    write_splits(tmp_path / "splits.json", SplitManifest("hash", 1, (0.7, 0.1, 0.2), table.digest, parts))
    return tmp_path


def test_what_is_dropped_and_what_stays(sick):
    found = examine(sick / "cases.parquet", sick / "splits.json", workers=1)
    before = (sick / "cases.parquet").read_bytes()
    mended = mend(found, sick / "clean" / "cases.parquet")
    assert (sick / "cases.parquet").read_bytes() == before
    left = read_cases(sick / "clean/cases.parquet")
    assert set(left.by_id) == {"kept", "half", "original", "twin", "there", "dev", "only text"}
    assert [image.path.rpartition("/")[2] for image in left.by_id["half"].images] == ["3.png"]
    for case in left.cases:
        assert case.labels == found.table.by_id[case.case_id].labels
    with (sick / "clean/cases.dropped.csv").open(encoding="utf-8", newline="") as file:
        why = {(row["case_id"], row["image"] != ""): row["why"] for row in csv.DictReader(file)}
    assert why["copied", True].startswith("copy across parts: ")
    assert why["other twin", True].startswith("exact copy under another patient")
    assert why["here", False] == "patient in two parts: p8 is in test, too"
    assert why["blank", False] == "no image left: all of them were dropped"
    assert mended.as_json()["studies"] == 7


def test_its_split_fits_and_nothing_changed_its_part(sick):
    found = examine(sick / "cases.parquet", sick / "splits.json", workers=1)
    mend(found, sick / "clean.parquet")
    left = read_cases(sick / "clean.parquet")
    manifest = read_splits(sick / "clean.splits.json", left)
    check_split(manifest, left)
    for part, ids in manifest.parts.items():
        assert set(ids) <= set(found.manifest.parts[part])
    assert found.manifest.digest in manifest.remarks[-1]
    again = examine(sick / "clean.parquet", sick / "clean.splits.json", workers=1)
    assert [check.name for check in again.failed if check.name != "label-support"] == []


def test_nothing_left_is_an_error_and_the_table_is_never_overwritten(tmp_path):
    a_table([a_case(0, image="gone.png")], LABELS, tmp_path / "cases.parquet")
    found = examine(tmp_path / "cases.parquet", workers=1)
    with pytest.raises(MedleyError, match="nothing would be left"):
        mend(found, tmp_path / "clean.parquet")
    with pytest.raises(MedleyError, match="is the table itself"):
        mend(found, tmp_path / "cases.parquet")
    assert not (tmp_path / "clean.parquet").exists()


def test_a_film_that_stands_many_times_in_train_and_once_in_test_leaves_train_altogether(tmp_path):
    film = save_film(tmp_path / "film.png", draw_film(0, 64))
    cases = [a_case(i, image=film, labels={"Edema": 1.0}) for i in range(60)]
    cases.append(a_case(60, image=save_film(tmp_path / "other.png", draw_film(1, 64)), labels={"Edema": 0.0}))
    table = a_table(cases, LABELS, tmp_path / "cases.parquet")
    ids = [case.case_id for case in cases]
    parts = {"train": (*ids[:59], ids[60]), "dev": (), "test": (ids[59],)}
    write_splits(tmp_path / "splits.json", SplitManifest("hash", 1, (0.9, 0.0, 0.1), table.digest, parts))
    found = examine(tmp_path / "cases.parquet", tmp_path / "splits.json", workers=1)
    mended = mend(found, tmp_path / "clean.parquet")
    assert set(mended.table.by_id) == {ids[59], ids[60]}


def linked(folder, pairs, parts, patients=None, pixels=None, accepted=()):
    """An examination of one frontal film a study, of which these are near pairs: {(i, j): correlation}."""
    patients, pixels = patients or [f"p{i}" for i in range(len(parts))], pixels or range(len(parts))
    cases = [a_case(i, patient_id=patient, image=f"{i}.png") for i, patient in enumerate(patients)]
    table = a_table(cases, LABELS, folder / "cases.parquet")
    thumb = np.zeros((64, 64), np.uint8)
    looks = [Look(f"case{i}", f"{i}.png", "PA", pixel_sha256=str(own), thumb=thumb) for i, own in enumerate(pixels)]
    near = tuple(Pair(looks[i], looks[j], NEAR, value) for (i, j), value in pairs.items())
    of = {part: tuple(f"case{i}" for i, mine in enumerate(parts) if mine == part) for part in ("train", "dev", "test")}
    manifest = SplitManifest("hash", 1, (0.7, 0.1, 0.2), table.digest, of)
    return Examination(table, manifest, (), tuple(looks), near, accepted=accepted)


def left(found, folder):
    return [int(case.case_id.removeprefix("case")) for case in mend(found, folder / "clean.parquet").table.cases]


def test_a_film_goes_for_its_own_copy_only_and_not_along_a_chain(tmp_path):
    # 0 to 2: follow-ups of one patient, alike; the last of them, 2, stands in test as 3. 4 is only like 3.
    pairs = {(0, 1): 0.95, (1, 2): 0.95, (2, 3): 0.95, (3, 4): 0.83}
    found = linked(tmp_path, pairs, ["train", "train", "train", "test", "train"], ["p", "p", "p", "q", "r"])
    assert left(found, tmp_path) == [0, 1, 3, 4]


def test_what_has_gone_for_a_film_of_test_drops_nothing_in_its_turn(tmp_path):
    found = linked(tmp_path, {(0, 1): 0.95, (1, 2): 0.95}, ["train", "dev", "test"])
    assert left(found, tmp_path) == [0, 2]


def test_an_exact_copy_of_a_near_copy_goes_with_it(tmp_path):
    found = linked(tmp_path, {(0, 2): 0.95}, ["train", "train", "test"], pixels=["same", "same", "other"])
    assert left(found, tmp_path) == [2]


def test_what_was_accepted_is_left_alone(tmp_path):
    parts, same = ["train", "test", "test"], ["same", "same", "same"]
    assert left(linked(tmp_path, {}, parts, pixels=same), tmp_path) == [1]
    assert left(linked(tmp_path, {}, parts, pixels=same, accepted=("duplicates-across-parts",)), tmp_path) == [0, 1]
    both = ("duplicates-across-parts", "duplicates-between-patients")
    assert left(linked(tmp_path, {}, parts, pixels=same, accepted=both), tmp_path) == [0, 1, 2]
    patients = ["p", "p", "q"]
    assert left(linked(tmp_path, {}, parts, patients), tmp_path) == [1, 2]
    assert left(linked(tmp_path, {}, parts, patients, accepted=("patients-across-parts",)), tmp_path) == [0, 1, 2]
