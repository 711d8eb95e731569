"""Each reader on what there is of its dataset; counts are those of its page, or of a plain count of its table."""

from __future__ import annotations

import csv
import json
from collections import Counter

import polars as pl
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.data.cases import CaseTable
from medley.data.official import published_parts
from medley.data.readers import covid_chestxray, folder, openi
from medley.data.splits import folds, make_split

NIH_COLUMNS = (
    "Atelectasis,Cardiomegaly,Effusion,Infiltration,Mass,Nodule,Pneumonia,Pneumothorax,Consolidation,Edema,Emphysema,"
    "Fibrosis,Pleural_Thickening,Hernia"
)


@pytest.fixture(scope="module")
def nih(real_data):
    root = real_data / "cxr_labels/nih_1000"
    columns = {"boxes": "nih_boxes_1024,rsna_boxes_1024:Lung Opacity", "boxes_px": "1024", "labels": NIH_COLUMNS}
    return folder.read({"root": root}, columns=columns)


def test_nih_1000_through_folder(nih, real_data):
    assert (len(nih.cases), len({case.patient_id for case in nih.cases}), nih.left_out) == (744, 506, 0)
    with (real_data / "cxr_labels/nih_1000/labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    for label, column in zip(nih.labels, NIH_COLUMNS.split(","), strict=True):
        assert sum(case.labels[label] == 1 for case in nih.cases) == sum(row[column] == "1" for row in rows), label
    boxes = [box for case in nih.cases for box in case.truth.get("boxes", [])]
    assert sum(1 for row in rows if row["nih_boxes_1024"]) == 30
    assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, y0, x1, y1 in (box["box"] for box in boxes))


def test_nih_1000_folds_for_the_real_film_numbers(nih):
    table = CaseTable(nih.cases, nih.labels)
    common = [label for label in nih.labels if sum(case.labels[label] == 1 for case in nih.cases) >= 50]
    assert set(common) == {"Atelectasis", "Pleural Effusion", "Infiltration", "Pneumonia", "Edema"}
    for manifest in folds(table, 5, seed=42):
        test = table.pick(manifest.parts["test"])
        assert len(test) == pytest.approx(744 / 5, abs=2)
        for label in common:
            total = sum(case.labels[label] == 1 for case in nih.cases)
            assert sum(case.labels[label] == 1 for case in test) == pytest.approx(total / 5, abs=2), label


def test_nih64_1000_through_folder_splits_what_its_own_split_leaked(real_data):
    reading = folder.read({"root": real_data / "cxr_labels/nih64_1000"})
    assert (len(reading.cases), len({case.patient_id for case in reading.cases})) == (971, 262)
    shared = folder.read({"root": real_data / "cxr_labels/nih64_1000"}, columns={"split": "kcr_split"})
    with pytest.raises(MedleyError, match="puts patient"):  # its page: 15 train/valid, 8 train/test patients shared
        make_split(CaseTable(shared.cases, shared.labels), official="folder")


def test_covid_ieee8023(real_data):
    root = real_data / "cxr_labels/covid_ieee8023"
    reading = covid_chestxray.read({"root": root})
    files = {path.name for path in (root / "images").iterdir()}
    found = [image.path.rsplit("/", 1)[1] for case in reading.cases for image in case.images]
    assert sorted(found) == sorted(files)  # every film once
    assert reading.left_out == 3  # rows that share an image with another row
    assert Counter(image.view for case in reading.cases for image in case.images) == {
        "PA": 219,
        "AP": 159,
        "LATERAL": 31,
    }
    assert sum("note" in case.text for case in reading.cases) > 250
    assert any("damaged text" in remark for remark in reading.remarks)


def test_covid_figure1(real_data):
    reading = covid_chestxray.read({"root": real_data / "cxr_labels/covid_figure1"})
    assert sum(len(case.images) for case in reading.cases) == 55
    assert len({case.patient_id for case in reading.cases}) == 48


def test_openi_labels_follow_the_mesh_coding(real_data):
    root = real_data / "cxr_reports"
    reading = openi.read({"reports": root})
    assert sum(len(case.images) for case in reading.cases) == 4
    assert not any("findings" in case.text and not case.text["findings"] for case in reading.cases)
    frame = pl.read_parquet(
        root / "openi_reports.parquet", columns=["uid", *(f"mesh14_{name}" for name in CHEXPERT_14)]
    )
    derived = {row["uid"]: row for row in frame.iter_rows(named=True)}
    for label in CHEXPERT_14:  # the page's own derivation, made apart from ours
        pairs = [(case.labels[label], derived[case.case_id][f"mesh14_{label}"]) for case in reading.cases]
        assert all(ours == theirs for ours, theirs in pairs if theirs is not None), label
        assert all(ours != ours for ours, theirs in pairs if theirs is None), label


def test_openi_r2gen_split(real_data):
    reading = openi.read({"reports": real_data / "cxr_reports"})
    parts = Counter(case.truth.get("official_split", {}).get("r2gen_iu") for case in reading.cases)
    assert (parts["train"], parts["dev"]) == (2069, 296)
    lines = (real_data / "cxr_reports/r2gen_iu_xray_split.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]  # the split as another copy has it
    ours = published_parts("r2gen_iu")
    names = {"train": "train", "val": "dev", "test": "test"}
    assert all(ours[entry["id"].split("_")[0]] == names[entry["split"]] for entry in entries)
