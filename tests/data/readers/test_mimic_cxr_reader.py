"""MIMIC-CXR-JPG in miniature: gzip tables, two roots, sections, views, labels by source."""

from __future__ import annotations

import gzip
import math

import pytest

from medley.core.errors import MedleyError
from medley.core.labels import CHEXPERT_14
from medley.core.records import INPUT_SECTIONS
from medley.data.readers import mimic_cxr

METADATA = (
    "dicom_id",
    "subject_id",
    "study_id",
    "PerformedProcedureStepDescription",
    "ViewPosition",
    "Rows",
    "Columns",
    "StudyDate",
    "StudyTime",
    "ProcedureCodeSequence_CodeMeaning",
    "ViewCodeSequence_CodeMeaning",
    "PatientOrientationCodeSequence_CodeMeaning",
)
REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___F with new onset ascites  // eval for infection

 TECHNIQUE:  Chest PA and lateral

 COMPARISON:  None.

 FINDINGS:

 PA AND LATERAL VIEWS OF THE CHEST:  There is no focal consolidation.

 IMPRESSION:

 No acute cardiopulmonary process compared with ___.
"""


@pytest.fixture
def mimic(tmp_path, film, table):
    jpg, reports = tmp_path / "jpg", tmp_path / "reports"
    rows = [
        ("d1", 10000032, 50414267, "", "LATERAL", 8, 8, 21800506, 213014.5, "", "lateral", "Erect"),
        ("d2", 10000032, 50414267, "", "PA", 8, 8, 21800506, 213014.5, "", "postero-anterior", "Erect"),
        ("d3", 10000764, 57375967, "", "", 8, 8, 21800506, 213014.5, "", "antero-posterior", "Recumbent"),
        ("d4", 10000764, 57375968, "", "", 8, 8, 21800506, 213014.5, "", "", ""),
    ]
    for dicom, subject, study, *_ in rows:
        film(jpg / f"files/p10/p{subject}/s{study}/{dicom}.jpg")
    table(jpg / "mimic-cxr-2.0.0-metadata.csv", METADATA, *rows)
    split = [(row[0], row[2], row[1], "validate" if row[1] == 10000764 else "train") for row in rows]
    table(jpg / "mimic-cxr-2.0.0-split.csv", ("dicom_id", "study_id", "subject_id", "split"), *split)
    found = ("subject_id", "study_id", *sorted(CHEXPERT_14))
    values = ["1.0" if name == "Pneumonia" else "-1.0" if name == "Edema" else "" for name in sorted(CHEXPERT_14)]
    table(jpg / "mimic-cxr-2.0.0-chexpert.csv", found, (10000032, 50414267, *values))
    plain = jpg / "mimic-cxr-2.0.0-chexpert.csv"
    with gzip.open(f"{plain}.gz", "wb") as file:
        file.write(plain.read_bytes())
    plain.unlink()
    folder = reports / "files/p10/p10000032"
    folder.mkdir(parents=True)
    (folder / "s50414267.txt").write_text(REPORT)
    return {"jpg": jpg, "reports": reports}


def test_studies_views_and_split(mimic):
    reading = mimic_cxr.read(mimic)
    views = {case.case_id: [image.view for image in case.images] for case in reading.cases}
    assert views == {"s50414267": ["PA", "LATERAL"], "s57375967": ["AP"], "s57375968": ["UNKNOWN"]}
    parts = {case.patient_id: case.truth["official_split"]["mimic_cxr"] for case in reading.cases}
    assert parts == {"p10000032": "train", "p10000764": "dev"}


def test_only_what_was_written_before_the_film_is_input(mimic):
    case = mimic_cxr.read(mimic).cases[0]
    assert case.text["indication"] == "F with new onset ascites // eval for infection"
    assert case.text["findings"] == "PA AND LATERAL VIEWS OF THE CHEST: There is no focal consolidation."
    assert case.text["impression"] == "No acute cardiopulmonary process compared with ."
    given = " ".join(case.text.get(section, "") for section in INPUT_SECTIONS)
    assert "consolidation" not in given
    assert "acute" not in given


def test_labels_by_source_without_a_silent_fallback(mimic, table):
    reading = mimic_cxr.read(mimic)
    first, second = reading.cases[0].labels, reading.cases[1].labels
    assert (first["Pneumonia"], first["Edema"]) == (1, -1)
    assert math.isnan(first["Fracture"])
    assert all(math.isnan(value) for value in second.values())
    assert any("no row for 2 of 3 studies" in remark for remark in reading.remarks)
    with pytest.raises(MedleyError, match="holds no negbio labels"):
        mimic_cxr.read(mimic, labels="negbio")
    with pytest.raises(MedleyError, match="did you mean 'chexpert'"):
        mimic_cxr.read(mimic, labels="chexbert")


def test_the_hand_labelled_table_says_airspace_opacity(mimic, table):
    names = ["Airspace Opacity" if name == "Lung Opacity" else name for name in CHEXPERT_14]
    values = ["1" if name == "Airspace Opacity" else "0" for name in names]
    table(mimic["jpg"] / "mimic-cxr-2.1.0-test-set-labeled.csv", ("study_id", *names), (57375967, *values))
    reading = mimic_cxr.read(mimic, labels="radiologist")
    by_id = {case.case_id: case.labels for case in reading.cases}
    assert by_id["s57375967"]["Lung Opacity"] == 1
    assert math.isnan(by_id["s50414267"]["Lung Opacity"])


def test_no_reports_and_missing_reports_are_said(mimic):
    reading = mimic_cxr.read({"jpg": mimic["jpg"]})
    assert all(not case.text for case in reading.cases)
    assert any("no --root reports=DIR" in remark for remark in reading.remarks)
    reading = mimic_cxr.read(mimic)
    assert any("report not on disk" in remark and "2 studies" in remark for remark in reading.remarks)


def test_a_cut_gzip_and_a_misspelt_root_are_one_line(mimic):
    path = mimic["jpg"] / "mimic-cxr-2.0.0-chexpert.csv.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(MedleyError, match="not a whole gzip file"):
        mimic_cxr.read(mimic)
    with pytest.raises(MedleyError, match="did you mean 'reports'"):
        mimic_cxr.read({"jpg": mimic["jpg"], "report": mimic["reports"]})
