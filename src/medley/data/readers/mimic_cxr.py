"""MIMIC-CXR-JPG (Johnson et al. 2019) with the reports of MIMIC-CXR: note sections as input, report as target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medley.core.errors import choose
from medley.core.labels import CHEXPERT_14, canonical
from medley.core.records import TARGET_SECTIONS
from medley.data.readers.reading import (
    Reading,
    Remarks,
    find_image,
    find_table,
    header_of,
    optional_root,
    read_rows,
    require_table,
    root_of,
)
from medley.data.readers.sections import parse_report
from medley.data.readers.studies import Studies, label_of, view_of

HELP = """Read MIMIC-CXR-JPG, and the reports of MIMIC-CXR where they are at hand.

How to obtain it:
  PhysioNet, mimic-cxr-jpg (films, labels, split) and mimic-cxr (reports), after credentialing and the CITI course.
  Licence: PhysioNet Credentialed Health Data License: no sharing, also not with a third party's language model.

Tree (--root jpg=DIR --root reports=DIR; reports may be left out, or lie under the same folder):
  jpg:     mimic-cxr-2.0.0-{metadata,split,chexpert,negbio}.csv[.gz]
           files/p10/p10000032/s50414267/<dicom_id>.jpg
  reports: files/p10/p10000032/s50414267.txt

What becomes of it:
  14 labels per study: 1, 0, -1 uncertain, blank never mentioned. --labels chexpert (default), negbio, or radiologist
  (the hand-labelled studies of mimic-cxr-2.1.0-test-set-labeled.csv; the rest not known). No one stands in for another.
  INDICATION, REASON FOR EXAM -> indication; HISTORY, CLINICAL INFORMATION -> history: input text.
  FINDINGS, IMPRESSION: targets.
  The blanks of de-identification (___) are taken out. A blank ViewPosition is read from ViewCodeSequence, else UNKNOWN.
  Sex and age are not in these files: not known.
  Official split `mimic_cxr`: train, validate, test as released, by patient."""
ROOTS = {
    "jpg": "the folder of MIMIC-CXR-JPG that holds its CSVs and files/",
    "reports": "the folder of MIMIC-CXR that holds files/ with the .txt reports",
}
OPTIONS = {"labels": "Whose labels: chexpert (default), negbio or radiologist"}

_LABELS = {
    "chexpert": "mimic-cxr-2*-chexpert.csv*",
    "negbio": "mimic-cxr-2*-negbio.csv*",
    "radiologist": "mimic-cxr-2*-test-set-labeled.csv*",
}
_PARTS = {"train": "train", "validate": "dev", "test": "test"}


def read(roots: Mapping[str, Path], csv: Path | None = None, labels: str = "chexpert") -> Reading:
    """Read the release; `csv` names another metadata table. Raises MedleyError where a table or a column is missing."""
    pattern = choose(labels, _LABELS, "label source")
    jpg = root_of(roots, "jpg", ROOTS)
    remarks = Remarks()
    metadata = csv or require_table(jpg, ["mimic-cxr-2*-metadata.csv*"], "metadata table")
    split = find_table(jpg, ["mimic-cxr-2*-split.csv*"])
    label_table = require_table(jpg, [pattern], f"{labels} labels")
    values = _read_labels(label_table, remarks)
    parts = _read_split(split, remarks) if split else {}
    if not split:
        remarks.say(f"{jpg} holds no mimic-cxr-2*-split.csv: the official split is not known")
    reports = _reports_root(roots, jpg, remarks)
    texts: dict[str, dict[str, str]] = {}
    studies = Studies("mimic_cxr", remarks)
    for _, row in read_rows(metadata, ("dicom_id", "subject_id", "study_id", "ViewPosition"), remarks):
        patient, study, dicom = f"p{row['subject_id']}", f"s{row['study_id']}", row["dicom_id"]
        folder = Path("files") / patient[:3] / patient
        image = find_image([jpg / folder / study / f"{dicom}.jpg"], f"{folder}/{study}/{dicom}.jpg", remarks)
        if image is None:
            continue
        if reports and study not in texts:
            texts[study] = _read_report(reports / folder / f"{study}.txt", remarks)
        part = parts.get(dicom)
        studies.add(
            study,
            patient,
            study,
            image,
            view_of(row["ViewPosition"] or row.get("ViewCodeSequence_CodeMeaning", "")),
            text=texts.get(study),
            labels=values.get(row["study_id"]),
            truth={"official_split": {"mimic_cxr": part}} if part else None,
        )
    reading = studies.reading(CHEXPERT_14)
    unlabelled = sum(case.study_id[1:] not in values for case in reading.cases)
    if unlabelled:
        line = f"{label_table.name} has no row for {unlabelled} of {len(reading.cases)} studies: labels not known"
        reading = Reading(reading.cases, reading.labels, (line, *reading.remarks), reading.left_out)
    return reading


def _reports_root(roots: Mapping[str, Path], jpg: Path, remarks: Remarks) -> Path | None:
    reports = optional_root(roots, "reports", ROOTS)
    if reports is None and next(jpg.glob("files/p1[0-9]/p*/s*.txt"), None):
        return jpg
    if reports is None:
        remarks.say("no --root reports=DIR: the cases have no text")
    return reports


def _read_labels(table: Path, remarks: Remarks) -> dict[str, dict[str, float]]:
    """study_id -> labels. The hand-labelled table calls Lung Opacity `Airspace Opacity` and has no subject_id."""
    columns = {column: canonical(column) for column in header_of(table) if canonical(column) in CHEXPERT_14}
    missing = [label for label in CHEXPERT_14 if label not in columns.values()]
    return {
        row["study_id"]: {
            label: label_of(row[column], column, f"{table.name} line {line}") for column, label in columns.items()
        }
        for line, row in read_rows(table, ("study_id", *missing), remarks)
    }


def _read_split(table: Path, remarks: Remarks) -> dict[str, str]:
    return {
        row["dicom_id"]: choose(row["split"], _PARTS, f"part in {table.name} line {line}:")
        for line, row in read_rows(table, ("dicom_id", "split"), remarks)
    }


def _read_report(path: Path, remarks: Remarks) -> dict[str, str]:
    if not path.is_file():
        remarks.count("report not on disk, the case has no text", path.name, "study")
        return {}
    text = parse_report(path.read_text(encoding="utf-8", errors="replace"))
    if not set(text) & set(TARGET_SECTIONS):
        remarks.count("report without a FINDINGS or IMPRESSION header, no target text", path.name, "study")
    return text
