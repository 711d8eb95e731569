"""Readers of brain MRI on miniatures of their layouts: textbrats, healthy_mri, brain_folder; and their splits."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import BRAIN_LABELS
from medley.core.records import Case, ImageRef
from medley.data.cases import CaseTable, read_cases, write_cases
from medley.data.preprocess.volume.nifti import write_nifti
from medley.data.readers import brain_folder, healthy_mri, textbrats
from medley.data.readers.hashing import with_hashes
from medley.data.splits import PARTS, make_split
from medley.data.stratify import stratum_of

AFFINE = np.diag([-4.0, -4.0, 4.0, 1.0])  # LPS, as BraTS stores
AFFINE[:3, 3] = (84, 104, -72)
SHAPE = (44, 52, 40)
REPORT = "The lesion lies in the left frontal lobe,\n with   surrounding edema"


def brain() -> np.ndarray:
    """An egg of a brain in patient's mm, 1 to 1000; 0 outside."""
    x, y, z = world()
    inside = (x / 66) ** 2 + (y / 84) ** 2 + (z / 62) ** 2 < 1
    return np.where(inside, 300 + 3 * (y + 90), 0).astype(np.int16)


def world() -> np.ndarray:
    index = np.indices(SHAPE).reshape(3, -1)
    return (AFFINE[:3, :3] @ index + AFFINE[:3, 3:]).reshape(3, *SHAPE)


def tumour(centre, labels=(2, 4, 1), radii=(22, 13, 8)) -> np.ndarray:
    away = np.sqrt(((world() - np.array(centre).reshape(3, 1, 1, 1)) ** 2).sum(0))
    out = np.zeros(SHAPE, np.uint8)
    for label, radius in zip(labels, radii, strict=True):
        out[away < radius] = label
    return np.where(brain() > 0, out, 0).astype(np.uint8)


def brats_case(root, case_id, segmentation, end=".nii", names=("flair", "t1", "t1ce", "t2"), join="_"):
    for name in names:
        write_nifti(root / case_id / f"{case_id}{join}{name}{end}", brain(), AFFINE)
    if segmentation is not None:
        write_nifti(root / case_id / f"{case_id}{join}seg{end}", segmentation, AFFINE)


@pytest.fixture
def brats(tmp_path):
    """Four studies of BraTS 2020 by their first letters: left, right, both, none; a newer one; TextBraTS beside
    them."""
    root, text = tmp_path / "MICCAI_BraTS2020_TrainingData", tmp_path / "TextBraTS/TextBraTSData"
    front = (0, 35, 15)
    sides = {"001": (-34, *front[1:]), "002": (34, *front[1:]), "003": (0, *front[1:])}
    for number, centre in sides.items():
        brats_case(root, f"BraTS20_Training_{number}", tumour(centre))
    brats_case(root, "BraTS20_Training_004", None, ".nii.gz", ("flair",))
    new = tumour((34, -50, 0), (2, 3), (18, 9))
    brats_case(root, "BraTS-GLI-00007-001", new, ".nii.gz", ("t2f", "t1n", "t1c", "t2w"), "-")
    for number, report in (("001", REPORT), ("002", "Right frontal lesion with edema."), ("003", "Short.")):
        folder = text / f"BraTS20_Training_{number}"
        folder.mkdir(parents=True)
        (folder / f"BraTS20_Training_{number}_flair_text.txt").write_text(report)
    lists = {"Train.json": [("001", 1), ("003", 0), ("099", 1)], "Test.json": [("002", 0)]}
    for name, entries in lists.items():
        ids = [(f"BraTS20_Training_{number}", fold) for number, fold in entries]
        content = [{"fold": fold, "image": [f"{one}/{one}_flair.nii.gz"], "label": ""} for one, fold in ids]
        (text.parent / name).write_text(json.dumps({"training": content}))
    (root / "name_mapping.csv").write_text(
        "Grade,BraTS_2017_subject_ID,BraTS_2020_subject_ID\nHGG,NA,BraTS20_Training_001\nLGG,NA,BraTS20_Training_002\n"
    )
    (root / "survival_info.csv").write_text(
        "Brats20ID,Age,Survival_days,Extent_of_Resection\nBraTS20_Training_001,60.463,289,GTR\n"
    )
    return {"brats": root, "text": text}


def test_textbrats_studies_with_reports_grades_and_ages(brats):
    reading = textbrats.read(brats)
    cases = {case.case_id: case for case in reading.cases}
    assert set(cases) == {*(f"BraTS20_Training_00{n}" for n in (1, 2, 3, 4)), "BraTS-GLI-00007-001"}
    first = cases["BraTS20_Training_001"]
    assert [image.view for image in first.images] == ["flair", "t1", "t1c", "t2"]
    assert first.text == {"report": "The lesion lies in the left frontal lobe, with surrounding edema."}
    assert (first.truth["grade"], first.age_years) == ("HGG", pytest.approx(60.463))
    assert cases["BraTS20_Training_002"].truth["grade"] == "LGG"
    assert cases["BraTS20_Training_003"].text == {}  # too short to be a report
    assert math.isnan(cases["BraTS20_Training_002"].age_years)
    newer = cases["BraTS-GLI-00007-001"]
    assert newer.patient_id == "BraTS-GLI-00007"
    assert [image.view for image in newer.images] == ["flair", "t1", "t1c", "t2"]
    assert reading.labels == BRAIN_LABELS
    assert any("fewer than 20 letters" in remark for remark in reading.remarks)
    assert any("1 of the 4 studies of the official split are not here" in remark for remark in reading.remarks)


def test_textbrats_truth_comes_from_the_segmentation(brats):
    cases = {case.case_id[-3:]: case for case in textbrats.read(brats).cases}
    assert [cases[n].truth.get("sides") for n in ("001", "002", "003", "004")] == ["left", "right", "bilateral", None]
    truth = cases["001"].truth
    assert truth["healthy"] is False
    assert truth["components"] == ["edema", "necrosis", "enhancement"]
    assert truth["volumes_ml"]["whole"] == pytest.approx(4 / 3 * math.pi * 2.2**3, rel=0.1)
    assert sum(truth["volumes_ml"][part] for part in ("edema", "necrosis", "enhancement")) == pytest.approx(
        truth["volumes_ml"]["whole"], abs=0.05
    )
    assert truth["lobes"][0] == "frontal"
    assert truth["side_lobe"][0] == ["left", "frontal"]
    assert truth["segmentation"].endswith("BraTS20_Training_001_seg.nii")
    labels = cases["001"].labels
    assert (labels["Lesion"], labels["Edema"], labels["Necrosis"]) == (1, 1, 1)
    assert math.isnan(labels["Mass Effect"])
    without = cases["004"]
    assert (without.labels["Lesion"], without.truth) == (1, {"healthy": False})
    newer = textbrats.read({"brats": brats["brats"]}).cases[0]
    assert newer.truth["components"] == ["edema", "enhancement"]  # 3 is enhancing since 2023
    assert newer.labels["Necrosis"] == 0


def test_textbrats_official_split_and_the_whole_way_to_a_manifest(brats, tmp_path):
    reading = with_hashes(textbrats.read(brats))
    table = write_cases(tmp_path / "cases.parquet", reading.cases, reading.labels)
    split = make_split(read_cases(tmp_path / "cases.parquet"), official="textbrats")
    ids = {part: [case_id[-3:] for case_id in split.parts[part]] for part in PARTS}
    assert ids == {"train": ["001"], "dev": ["003"], "test": ["002"]}
    assert table.cases[0].images[0].sha256


def test_textbrats_without_reports_and_with_odd_files(brats):
    alone = textbrats.read({"brats": brats["brats"]})
    assert all(not case.text for case in alone.cases)
    folder = brats["brats"] / "BraTS20_Training_001"
    (folder / "BraTS20_Training_001_seg.nii").rename(folder / "W39_1998.09.19_Segm.nii")  # as case 355 is called
    assert textbrats.read(brats).cases[1].truth["sides"] == "left"
    (brats["text"].parent / "Test.json").write_text(json.dumps({"training": [{"fold": 3}]}))
    with pytest.raises(MedleyError, match=r"Test\.json is no list of TextBraTS"):
        textbrats.read(brats)
    with pytest.raises(MedleyError, match="needs --root brats=DIR"):
        textbrats.read({"text": brats["text"]})


def test_textbrats_says_what_is_odd_in_ages_reports_and_sequences(brats):
    brats_case(brats["brats"], "BraTS20_Training_005", None, names=("t1",))
    rows = "Brats20ID,Age\nBraTS20_Training_001,inf\nBraTS20_Training_002,-5\n"
    (brats["brats"] / "survival_info.csv").write_text(rows)
    report = brats["text"] / "BraTS20_Training_001/BraTS20_Training_001_flair_text.txt"
    report.write_bytes("Läsion im linken Stirnlappen".encode("latin-1"))
    reading = textbrats.read(brats)
    assert all(math.isnan(case.age_years) for case in reading.cases)
    for said in (
        "(0, 120], taken as not known: 2 rows",
        "not UTF-8 stand as U+FFFD): 1 character",
        "without a FLAIR: 1",
    ):
        assert any(said in remark for remark in reading.remarks), said


def test_the_published_lists_are_parted_as_their_authors_say(real_data):
    parts = textbrats._official(real_data / "brain_mri/textbrats", None)
    assert Counter(parts.values()) == {"train": 220, "dev": 56, "test": 93}


@pytest.fixture
def volunteers(tmp_path):
    for name in (
        "sub-01/ses-01/anat/sub-01_ses-01_acq-lowres_FLAIR.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_acq-highres_FLAIR.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_acq-mp2rage_T1w.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_acq-mp2rage_T1map.nii.gz",
        "sub-01/ses-01/anat/sub-01_ses-01_ce-gad_T1w.nii.gz",
        "sub-01/ses-02/anat/sub-01_ses-02_FLAIR.nii.gz",
        "sub-02/sub-02_FLAIR.nii.gz",
        "sub-03/anat/sub-03_T2w.nii.gz",
        "sub-03/func/sub-03_task-rest_bold.nii.gz",
    ):
        write_nifti(tmp_path / name, brain(), AFFINE)
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tgender\tage (5-year bins)\tage\nsub-01\tF\tx\t25-30\nsub-02\tM\tx\tn/a\n"
    )
    return tmp_path


def test_volunteers_are_healthy_and_their_text_is_marked_as_nobody_s(volunteers):
    reading = healthy_mri.read({"root": volunteers})
    cases = {case.case_id: case for case in reading.cases}
    assert set(cases) == {"sub-01_ses-01", "sub-01_ses-02", "sub-02", "sub-03"}
    first = cases["sub-01_ses-01"]
    assert [image.view for image in first.images] == ["flair", "t1", "t1c"]
    assert "acq-highres" in first.images[0].path
    assert (first.patient_id, first.sex, first.age_years) == ("sub-01", "F", 27.5)
    assert cases["sub-02"].sex == "M"
    assert math.isnan(cases["sub-02"].age_years)
    assert [image.view for image in cases["sub-03"].images] == ["t2"]
    for case in cases.values():
        assert case.truth == {"healthy": True, "report_from": "template"}
        assert set(case.labels.values()) == {0.0}
        assert case.text["report"] in healthy_mri.NORMAL_REPORTS
    assert any("without a FLAIR: 1 study" in remark for remark in reading.remarks)
    again = healthy_mri.read({"root": volunteers})
    assert [case.text for case in again.cases] == [case.text for case in reading.cases]
    (volunteers / "none").mkdir()
    assert any("not named as BIDS wants, passed over: 2 files" in remark for remark in reading.remarks)
    with pytest.raises(MedleyError, match="holds no folder sub-"):
        healthy_mri.read({"root": volunteers / "none"})
    with pytest.raises(MedleyError, match=r"--csv .*gone\.tsv is not a file"):
        healthy_mri.read({"root": volunteers}, csv=volunteers / "gone.tsv")


@pytest.fixture
def clinic(tmp_path, table):
    write_nifti(tmp_path / "a/flair.nii.gz", brain(), AFFINE)
    write_nifti(tmp_path / "a/t1c.nii.gz", brain(), AFFINE)
    write_nifti(tmp_path / "a/seg.nii.gz", tumour((-34, 35, 15)), AFFINE)
    write_nifti(tmp_path / "b/sub_FLAIR.nii.gz", brain(), AFFINE)
    table(
        tmp_path / "table.csv",
        (
            "case_id",
            "patient",
            "flair",
            "t1c",
            "segmentation",
            "befund",
            "healthy",
            "side",
            "Mass_Effect",
            "part",
            "age",
        ),
        (
            "one",
            "p1",
            "a/flair.nii.gz",
            "a/t1c.nii.gz",
            "a/seg.nii.gz",
            "Left frontal mass",
            "",
            "",
            "1",
            "train",
            "50",
        ),
        ("two", "p2", "b/sub_FLAIR.nii.gz", "", "", "Normal brain.", "1", "", "", "test", ""),
        ("three", "p3", "b/sub_FLAIR.nii.gz", "", "", "", "", "right", "-1", "val", ""),
        ("four", "p4", "gone.nii.gz", "", "", "", "", "", "", "", ""),
        ("five", "p5", "", "", "", "", "", "", "", "", ""),
    )
    return tmp_path


def test_any_table_of_brains(clinic):
    reading = brain_folder.read({"root": clinic}, columns={"report": "befund", "split": "part"})
    cases = {case.case_id: case for case in reading.cases}
    assert set(cases) == {"one", "two", "three"}
    one = cases["one"]
    assert [image.view for image in one.images] == ["flair", "t1c"]
    assert (one.patient_id, one.age_years, one.text["report"]) == ("p1", 50, "Left frontal mass.")
    assert (one.truth["sides"], one.truth["healthy"]) == ("left", False)
    assert (one.labels["Lesion"], one.labels["Mass Effect"]) == (1, 1)
    assert cases["two"].truth["healthy"] is True
    assert cases["two"].labels["Edema"] == 0
    three = cases["three"]
    assert (three.truth["sides"], three.labels["Mass Effect"], three.labels["Lesion"]) == ("right", -1, 1)
    assert three.truth["official_split"] == {"brain_folder": "dev"}
    assert reading.left_out == 2
    assert reading.labels == BRAIN_LABELS


def test_health_that_the_segmentation_contradicts_is_told(clinic):
    table = clinic / "table.csv"
    table.write_text(table.read_text().replace("Left frontal mass,,", "Left frontal mass,1,"))
    reading = brain_folder.read({"root": clinic}, columns={"report": "befund", "split": "part"})
    assert reading.cases[0].truth["healthy"] is False
    assert any("healthy is not what the segmentation shows, which is believed: 1 study" in r for r in reading.remarks)


def test_a_table_of_paths_and_of_dicom_series(tmp_path, table, named_series):
    series = named_series("series", "SAG T1 MPRAGE")
    write_nifti(tmp_path / "x/scan1_T2.nii.gz", brain(), AFFINE)
    write_nifti(tmp_path / "x/scan2.nii.gz", brain(), AFFINE)
    table(
        tmp_path / "t.csv", ("path", "sequence"), ("series", ""), ("x/scan1_T2.nii.gz", ""), ("x/scan2.nii.gz", "T1C")
    )
    reading = with_hashes(brain_folder.read({"root": tmp_path}))
    assert [(case.case_id, case.images[0].view) for case in reading.cases] == [
        ("series", "t1"),
        ("x__scan1_T2", "t2"),
        ("x__scan2", "t1c"),
    ]
    assert all(case.images[0].sha256 for case in reading.cases)  # a folder has a digest, too
    before = reading.cases[0].images[0].sha256
    (series / "2.dcm").write_bytes(b"more")
    assert with_hashes(brain_folder.read({"root": tmp_path})).cases[0].images[0].sha256 != before
    assert any("no patient column" in remark for remark in reading.remarks)
    table(tmp_path / "t.csv", ("path",), ("x/scan2.nii.gz",))
    with pytest.raises(MedleyError, match="no sequence is told"):
        brain_folder.read({"root": tmp_path})


def test_mistakes_in_a_table_of_brains_are_named(clinic):
    with pytest.raises(MedleyError, match="lacks the column 'befnd' of --map report=befnd; did you mean 'befund'"):
        brain_folder.read({"root": clinic}, columns={"report": "befnd"})
    with pytest.raises(MedleyError, match="lacks the label column 'Bleeding'"):
        brain_folder.read({"root": clinic}, labels="Bleeding")
    path = clinic / "table.csv"
    path.write_text(path.read_text().replace("right", "rigth"))
    with pytest.raises(MedleyError, match="did you mean 'right'"):
        brain_folder.read({"root": clinic})


def tumours(count: int) -> CaseTable:
    """Healthy, and left, right, bilateral of two grades, unevenly frequent; some patients with two studies."""
    rng, cases = np.random.default_rng(1), []
    for number in range(count):
        truth = {"healthy": bool(rng.random() < 0.2)}
        if not truth["healthy"]:
            truth["sides"] = str(rng.choice(["left", "right", "bilateral"], p=[0.5, 0.4, 0.1]))
            truth["grade"] = str(rng.choice(["HGG", "LGG"], p=[0.8, 0.2]))
        cases.append(Case(f"c{number}", f"p{number // 2 if number % 5 == 0 else number}", f"c{number}", truth=truth))
    return CaseTable(tuple(cases), ())


def test_stratified_keeps_side_and_grade_even_where_there_are_no_labels():
    table = tumours(300)
    counts = Counter(map(stratum_of, table.cases))
    assert len(counts) == 7
    split = make_split(table, "stratified", 3)
    for stratum, number in counts.items():
        held = [sum(stratum_of(case) == stratum for case in table.pick(split.parts[part])) for part in PARTS]
        assert np.abs(np.array(held) - np.array([0.7, 0.1, 0.2]) * number).max() <= 2, stratum


def test_strata_are_of_brains_only():
    assert stratum_of(Case("a", "a", "a", (ImageRef("PA", "x"),), truth={"findings": []})) is None
    assert stratum_of(Case("a", "a", "a", truth={"healthy": True, "grade": "HGG"})) == "healthy"
    assert stratum_of(Case("a", "a", "a", truth={"healthy": False})) == "side not known"


def test_a_table_that_tells_nothing_but_paths_is_indexed(tmp_path, table, medley):
    write_nifti(tmp_path / "p1_flair.nii.gz", brain(), AFFINE)
    table(tmp_path / "t.csv", ("case_id", "flair"), ("x", "p1_flair.nii.gz"))
    code, _, err = medley("index", "brain_folder", "--root", tmp_path, "--out", tmp_path / "cases.parquet")
    assert code == 0, err
    assert [case.case_id for case in read_cases(tmp_path / "cases.parquet").cases] == ["x"]


@pytest.mark.parametrize("entry", ['"fold": [1], "image": ["a"]', '"fold": 1, "image": {}', '"fold": 1, "image": "a"'])
def test_a_list_of_textbrats_that_is_none_is_one_line(tmp_path, entry):
    (tmp_path / "Train.json").write_text(f'{{"training": [{{{entry}}}]}}')
    with pytest.raises(MedleyError, match="is no list of TextBraTS"):
        textbrats._entries(tmp_path / "Train.json")
