"""Splits: no patient in two parts, stable where promised, stratified where promised, official as published."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case
from medley.core.seeds import generator
from medley.data.cases import CaseTable
from medley.data.official import published_parts
from medley.data.splits import PARTS, check_split, folds, make_split, read_splits, write_splits

LABELS = ("Edema", "Fracture")


def cohort(patients: int, rare: float = 0.05, key: object = 0) -> CaseTable:
    """1-4 studies a patient; Edema in a third of them, Fracture rare."""
    cases = []
    for patient in range(patients):
        draw = generator("cohort", key, patient)
        for study in range(draw.integers(1, 5)):
            labels = {"Edema": float(draw.random() < 0.33), "Fracture": float(draw.random() < rare)}
            cases.append(Case(f"{patient}-{study}", f"p{patient}", str(study), labels=labels))
    return CaseTable(tuple(cases), LABELS)


def patients_of(table: CaseTable, ids) -> set[str]:
    return {case.patient_id for case in table.pick(ids)}


@pytest.mark.parametrize("by", ["hash", "stratified"])
@pytest.mark.parametrize("seed", [0, 1, 42])
def test_every_case_once_and_no_patient_twice(by, seed):
    table = cohort(120)
    split = make_split(table, by, seed)
    assert sorted(i for part in PARTS for i in split.parts[part]) == sorted(case.case_id for case in table.cases)
    train, dev, test = (patients_of(table, split.parts[part]) for part in PARTS)
    assert len(train) + len(dev) + len(test) == len(train | dev | test)


def test_by_hash_a_patient_keeps_its_part_while_the_data_grow():
    small, large = cohort(200), cohort(400)
    before, after = make_split(small), make_split(large)
    for part in PARTS:
        assert set(before.parts[part]) <= set(after.parts[part])
    assert make_split(small, seed=1).digest != before.digest


def test_by_hash_the_shares_are_met():
    split = make_split(cohort(3000), fractions=(0.5, 0.2, 0.3))
    total = sum(len(ids) for ids in split.parts.values())
    assert [len(split.parts[part]) / total for part in PARTS] == pytest.approx([0.5, 0.2, 0.3], abs=0.03)


@pytest.mark.parametrize("by", ["hash", "stratified"])
def test_the_order_of_the_rows_does_not_matter(by):
    table = cohort(100)
    turned = CaseTable(table.cases[::-1], LABELS)
    assert make_split(table, by).digest == make_split(turned, by).digest


def positives(table: CaseTable, split, label: str) -> list[int]:
    return [sum(case.labels[label] == 1 for case in table.pick(split.parts[part])) for part in PARTS]


def test_stratified_brings_rare_labels_to_every_part_where_hash_does_not():
    worst_hash, worst_stratified = [], []
    for key in range(20):
        table = cohort(150, rare=0.05, key=key)
        wanted = np.array([0.7, 0.1, 0.2]) * sum(case.labels["Fracture"] == 1 for case in table.cases)
        for by, worst in (("hash", worst_hash), ("stratified", worst_stratified)):
            worst.append(np.abs(positives(table, make_split(table, by), "Fracture") - wanted).max())
    assert max(worst_stratified) <= 1.5  # no nearer is possible: positives come in whole patients
    assert np.mean(worst_hash) > 2


def test_stratified_also_meets_the_sizes_and_differs_by_seed():
    table = cohort(300)
    split = make_split(table, "stratified")
    sizes = np.array([len(split.parts[part]) for part in PARTS]) / len(table)
    assert sizes == pytest.approx([0.7, 0.1, 0.2], abs=0.02)
    assert make_split(table, "stratified", seed=1).digest != split.digest


def test_uncertain_is_not_counted_as_positive():
    table = cohort(60)
    unsure = tuple(replace(case, labels={**case.labels, "Fracture": -1.0}) for case in table.cases)
    split = make_split(CaseTable(unsure, LABELS), "stratified")
    without = tuple(replace(case, labels={"Edema": case.labels["Edema"]}) for case in table.cases)
    assert split.digest == make_split(CaseTable(without, LABELS), "stratified").digest


def test_folds_part_the_table_by_patient_and_label():
    table = cohort(100, rare=0.08)
    manifests = folds(table, 5, seed=3)
    tested = [i for manifest in manifests for i in manifest.parts["test"]]
    assert sorted(tested) == sorted(case.case_id for case in table.cases)
    counts = [positives(table, manifest, "Fracture")[2] for manifest in manifests]
    assert max(counts) - min(counts) <= 2
    for manifest in manifests:
        assert manifest.parts["dev"]
        check_split(manifest, table)
    with pytest.raises(MedleyError, match="101 folds of 100 patients"):
        folds(table, 101)


def test_a_zero_share_is_allowed_and_an_empty_part_is_not():
    split = make_split(cohort(50), "stratified", fractions=(0.8, 0, 0.2))
    assert split.parts["dev"] == ()
    with pytest.raises(MedleyError, match=r"part would be empty \(1 patients, by hash\)"):
        make_split(cohort(1))


@pytest.mark.parametrize("by", ["hash", "stratified"])
def test_a_table_may_be_test_and_nothing_else(by):
    table = cohort(20)
    split = make_split(table, by, fractions=(0, 0, 1))
    assert {part: len(ids) for part, ids in split.parts.items()} == {"train": 0, "dev": 0, "test": len(table.cases)}


@pytest.mark.parametrize("fractions", [(0.7, 0.2), (0.7, 0.2, 0.2), (1.2, -0.4, 0.2), (0, 0, 0)])
def test_fractions_that_are_none(fractions):
    with pytest.raises(MedleyError, match="three shares of train, dev, test"):
        make_split(cohort(20), fractions=fractions)


def test_an_unknown_way_names_the_nearest():
    with pytest.raises(MedleyError, match="did you mean 'stratified'"):
        make_split(cohort(20), "stratify")


def marked(table: CaseTable, part_of) -> CaseTable:
    """The table with `truth["official_split"]["paper"]` as `part_of(patient number)` says; None leaves it unmarked."""
    cases = []
    for case in table.cases:
        part = part_of(int(case.patient_id[1:]))
        cases.append(replace(case, truth={"official_split": {"paper": part}} if part else {}))
    return CaseTable(tuple(cases), table.labels)


def test_official_as_published():
    table = marked(cohort(30), lambda n: "test" if n < 5 else "dev" if n < 10 else "train" if n < 28 else None)
    split = make_split(table, official="paper")
    assert patients_of(table, split.parts["test"]) == {f"p{n}" for n in range(5)}
    assert patients_of(table, split.parts["dev"]) == {f"p{n}" for n in range(5, 10)}
    assert split.official == "paper"
    assert "2 patients are in no part" in split.remarks[0]


def test_a_dev_part_that_is_not_published_is_drawn_from_train_only():
    table = marked(cohort(400), lambda n: "test" if n < 100 else "train")
    split = make_split(table, official="paper")
    assert patients_of(table, split.parts["test"]) == {f"p{n}" for n in range(100)}
    dev = patients_of(table, split.parts["dev"])
    assert len(dev) / 300 == pytest.approx(0.125, abs=0.05)
    assert not dev & patients_of(table, split.parts["train"])
    assert "publishes no dev part" in split.remarks[0]
    with pytest.raises(MedleyError, match="the dev part would be empty"):
        make_split(table, official="paper", fractions=(0.8, 0.0, 0.2))


def test_the_official_test_part_alone_is_a_table_that_is_only_scored():
    split = make_split(marked(cohort(30), lambda n: "test"), official="paper")
    assert (split.parts["train"], split.parts["dev"]) == ((), ())
    assert len(split.parts["test"]) == len(cohort(30).cases)
    assert "no train part" in split.remarks[0]


def test_train_and_dev_without_the_test_part_are_trained_on():
    split = make_split(marked(cohort(30), lambda n: "dev" if n < 5 else "train"), official="paper")
    assert split.parts["test"] == ()
    assert len(split.parts["dev"]) == sum(case.patient_id in {f"p{n}" for n in range(5)} for case in cohort(30).cases)
    assert "no test part of 'paper': it can be trained on, not scored" in split.remarks[0]


def test_the_split_of_r2gen_is_the_published_one_and_says_what_a_table_lacks():
    parts = published_parts("r2gen_iu")
    assert Counter(parts.values()) == {"train": 2069, "dev": 296, "test": 590}  # Chen et al. 2020, table 1
    assert (parts["CXR2384"], parts["CXR2279"], parts["CXR3030"]) == ("train", "dev", "test")
    cases = [
        replace(case, case_id=uid, patient_id=uid, study_id=uid, truth={"official_split": {"r2gen_iu": parts[uid]}})
        for case, uid in zip(cohort(3).cases, ("CXR2384", "CXR2279", "CXR3030"), strict=False)
    ]
    split = make_split(CaseTable(tuple(cases), LABELS), official="r2gen_iu")
    assert split.parts == {"train": ("CXR2384",), "dev": ("CXR2279",), "test": ("CXR3030",)}
    lacking = "lacks 2952 of the 2955 studies of 'r2gen_iu': 2068 of 2069 train, 295 of 296 dev, 589 of 590 test"
    assert lacking in split.remarks[0]
    with pytest.raises(MedleyError, match="did you mean 'r2gen_iu'"):
        published_parts("r2gen")


def test_official_mistakes_are_named():
    table = marked(cohort(30), lambda n: "test" if n < 5 else "train")
    with pytest.raises(MedleyError, match="no official split 'papr'; did you mean 'paper'"):
        make_split(table, official="papr")
    with pytest.raises(MedleyError, match="its reader found none"):
        make_split(cohort(30), official="paper")
    with pytest.raises(MedleyError, match="no test part of the official split"):
        make_split(marked(cohort(30), lambda n: "train"), official="paper")
    cases = list(table.cases)
    several = next(i for i, case in enumerate(cases) if case.study_id == "1" and case.patient_id != "p0")
    flipped = "train" if cases[several].truth["official_split"]["paper"] == "test" else "test"
    cases[several] = replace(cases[several], truth={"official_split": {"paper": flipped}})
    with pytest.raises(MedleyError, match=f"puts patient '{cases[several].patient_id}' into"):
        make_split(CaseTable(tuple(cases), LABELS), official="paper")


def test_written_and_read_back(tmp_path):
    table = cohort(40)
    split = make_split(table, "stratified", 7)
    write_splits(tmp_path / "s.json", split)
    assert read_splits(tmp_path / "s.json", table) == split
    assert json.loads((tmp_path / "s.json").read_text())["table_digest"] == table.digest


def test_a_manifest_of_another_table_is_refused_by_both_names(tmp_path):
    table = cohort(40)
    write_splits(tmp_path / "s.json", make_split(table))
    changed = replace(table.cases[0], labels={"Edema": -1.0, "Fracture": 0.0})
    other = CaseTable((changed, *table.cases[1:]), LABELS, tmp_path / "cases.parquet")
    with pytest.raises(
        MedleyError, match=rf"s\.json was made for the table {table.digest}, and .*cases\.parquet is {other.digest}"
    ):
        read_splits(tmp_path / "s.json", other)
    with pytest.raises(MedleyError, match=r"s\.json does not fit .*cases\.parquet: 1 of its"):
        read_splits(tmp_path / "s.json", CaseTable(table.cases[1:], LABELS, tmp_path / "cases.parquet"))


def edited(tmp_path, table, edit):
    path = tmp_path / "s.json"
    write_splits(path, make_split(table, "stratified"))
    raw = json.loads(path.read_text())
    edit(raw)
    path.write_text(json.dumps(raw))
    return path


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda raw: raw["parts"]["test"].append(raw["parts"]["train"][0]), "stands in train and in test"),
        (lambda raw: raw["parts"]["test"].pop(), "was changed by hand"),
        (lambda raw: raw.pop("parts"), "it lacks 'parts'"),
        (lambda raw: raw["parts"].pop("dev"), "its parts must be train, dev, test"),
        (lambda raw: raw["parts"].update(dev=None), "each a list of case ids"),
        (lambda raw: raw.update(fractions=["a", 0, 1]), "three shares"),
    ],
)
def test_an_edited_manifest_is_refused(tmp_path, edit, message):
    table = cohort(40)
    path = edited(tmp_path, table, edit)
    with pytest.raises(MedleyError, match=message):
        read_splits(path, table)


def test_a_patient_moved_by_hand_into_two_parts_is_found():
    table = cohort(40)
    split = make_split(table, "stratified")
    patient = next(c.patient_id for c in table.cases if sum(d.patient_id == c.patient_id for d in table.cases) > 1)
    first = next(case.case_id for case in table.cases if case.patient_id == patient)
    home = next(part for part in PARTS if first in split.parts[part])
    away = PARTS[(PARTS.index(home) + 1) % 3]
    parts = {**split.parts, home: tuple(i for i in split.parts[home] if i != first), away: (*split.parts[away], first)}
    with pytest.raises(MedleyError, match=f"patient '{patient}' is in"):
        check_split(replace(split, parts=parts), table)


def test_files_that_are_no_manifest(tmp_path):
    for content in ("[]", "{}", "not json"):
        (tmp_path / "s.json").write_text(content)
        with pytest.raises(MedleyError, match=r"s\.json is not"):
            read_splits(tmp_path / "s.json")
    with pytest.raises(MedleyError, match="does not exist"):
        read_splits(tmp_path / "none.json")
