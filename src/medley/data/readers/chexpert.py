"""CheXpert (Irvin et al. 2019) and CheXpert Plus (Chambon et al. 2024): one case a study with all its views."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from medley.core.errors import MedleyError, choose
from medley.core.labels import CHEXPERT_14, canonical
from medley.core.records import INPUT_SECTIONS
from medley.data.readers.film_talk import before_the_film
from medley.data.readers.reading import Reading, Remarks, find_image, header_of, read_rows, root_of
from medley.data.readers.studies import Studies, age_of, label_of, sex_of, view_of

HELP = """Read CheXpert (Kaggle small, full v1.0, test set) or CheXpert Plus.

How to obtain it:
  Small (11 GB): Kaggle, ashery/chexpert. Full and Plus: Stanford AIMI, after registration.
  Test labels: github.com/rajpurkarlab/cheXpert-test-set-labels (groundtruth.csv), or CheXlocalize (test_labels.csv).
  Licence: Stanford's research use agreement; no commercial use, no redistribution.

Trees (--root is the folder of the CSVs, or the one above it):
  train.csv valid.csv [test.csv | test_labels.csv | groundtruth.csv]
  {train,valid,test}/patient00001/study1/view1_frontal.jpg
or the full release as it is unzipped:
  CheXpert-v1.0 batch 1 (validate & csv)/{train.csv,valid.csv,valid/...}
  CheXpert-v1.0 batch 2 (train 1)/patient00001/...
or CheXpert Plus:
  df_chexpert_plus_240401.csv   chexbert_labels/impression_fixed.json   [PNG/]{train,valid}/patient.../...

What becomes of it:
  14 labels: 1 present, 0 absent, -1 uncertain, blank never mentioned (kept apart; the recipe's policy decides).
  Age 0 and Sex Unknown are not known. Frontal/Lateral decides the view; a frontal without AP or PA is UNKNOWN.
  Plus: history, clinical history and indication are input text, up to the first sentence that describes the film;
  findings and impression are targets.
  Official split `chexpert`, by patient. With a test table: train is train, valid is DEV (best weights, thresholds and
  calibration are fitted on it), test is test. Without one: valid is TEST, as in the literature, and `medley split
  --official chexpert` draws dev from train. So valid is never both tuned on and reported: a scorecard names its split.
  A test table alone (--csv test_labels.csv) is split by `--official chexpert` too, into a test part and no other."""
ROOTS = {"root": "the folder of train.csv and valid.csv, or of df_chexpert_plus_240401.csv"}
OPTIONS = {"labels": "CheXpert Plus: labels mined from the impression (default), findings or report"}

_PREFIXES = ("CheXpert-v1.0-small/", "CheXpert-v1.0/")
_PLUS_TABLE = "df_chexpert_plus_240401.csv"
_PLUS_SECTIONS = {
    "section_clinical_history": "history",
    "section_history": "history",
    "section_indication": "indication",
    "section_findings": "findings",
    "section_impression": "impression",
}
_TEST_TABLES = ("test.csv", "test_labels.csv", "groundtruth.csv")
_PLUS_LABELS = {name: f"{name}_fixed.json" for name in ("impression", "findings", "report")}
_STUDY = re.compile(r"patient(\d+)/study(\d+)")
_SUFFIXES = (".jpg", ".png", ".dcm")


@dataclass(frozen=True)
class _Release:
    """What the tables of one release share while they are read."""

    root: Path
    parts: Mapping[str, str]  # train, valid, test of a path -> part of the official split
    places: list[tuple[Path, bool]]
    studies: Studies
    remarks: Remarks


def read(roots: Mapping[str, Path], csv: Path | None = None, labels: str | None = None) -> Reading:
    """Read every table under the root, or the one named by `csv`. Raises MedleyError; `labels` is for CheXpert Plus."""
    root = root_of(roots, "root", ROOTS)
    remarks = Remarks()
    tables = [csv] if csv else _tables(root)
    held_out = "dev" if any(table.name in _TEST_TABLES for table in tables) else "test"
    parts = {"train": "train", "valid": held_out, "test": "test"}
    release = _Release(root, parts, _places(root), Studies("chexpert", remarks), remarks)
    for table in tables:
        columns = header_of(table)
        if "path_to_image" in columns:
            _read_plus(table, columns, labels or "impression", release)
        elif labels:
            raise MedleyError(f"--labels is for CheXpert Plus; {table} carries its own labels")
        elif "Study" in columns and "Path" not in columns:
            _read_study_labels(table, release)
        else:
            _read_classic(table, columns, release)
    return release.studies.reading(CHEXPERT_14)


def _tables(root: Path) -> list[Path]:
    folders = [root, *(root / prefix for prefix in _PREFIXES), *sorted(root.glob("CheXpert-v1.0 batch 1*"))]
    plus = [path for path in (folder / _PLUS_TABLE for folder in folders) if path.is_file()]
    classic = []
    for names in (("train.csv",), ("valid.csv",), _TEST_TABLES):
        classic += [path for folder in folders for name in names if (path := folder / name).is_file()][:1]
    if plus and classic:
        raise MedleyError(f"{root} holds both {_PLUS_TABLE} and {classic[0].name}; name one with --csv")
    if not plus and not classic:
        raise MedleyError(f"{root} holds no train.csv, valid.csv, test labels or {_PLUS_TABLE}; name one with --csv")
    return plus[:1] or classic


def _places(root: Path) -> list[tuple[Path, bool]]:
    """Folders where the paths of a table may begin, and whether the patients lie there without a train/ above them."""
    below = [root / name for name in (*_PREFIXES, "PNG", "DICOM", "images")]
    batches = [folder for folder in sorted(root.glob("CheXpert-v1.0 batch *")) if folder.is_dir()]
    return [(base, False) for base in (root, *below, *batches) if base.is_dir()] + [(base, True) for base in batches]


def _candidates(relative: str, release: _Release) -> Iterator[Path]:
    """The image of this path, where it exists; the place of the last hit is tried first."""
    stem, dot, suffix = relative.rpartition(".")
    suffixes = dict.fromkeys((dot + suffix, *_SUFFIXES))
    for order, (base, bare) in enumerate(release.places):
        for ending in suffixes:
            path = base / ((stem.split("/", 1)[-1] if bare else stem) + ending)
            if path.is_file():
                release.places.insert(0, release.places.pop(order))
                yield path
                return


def _relative(path: str) -> str:
    for prefix in _PREFIXES:
        path = path.removeprefix(prefix)
    return path


def _identify(path: str, where: str, release: _Release) -> tuple[str, str, dict] | None:
    found = _STUDY.search(path)
    if not found:
        release.remarks.leave_out("path names no patientN/studyN", f"'{path}' in {where}")
        return None
    part = release.parts.get(_relative(path).split("/")[0])
    truth = {"official_split": {"chexpert": part}} if part else {}
    return f"patient{found[1]}", f"study{found[2]}", truth


def _view(path: str, frontal_lateral: str = "", ap_pa: str = "") -> str:
    """Frontal/Lateral decides, else the file's name; AP/PA only says which frontal (some frontals say LL there)."""
    if frontal_lateral.lower() == "lateral" or (not frontal_lateral and "_lateral" in path):
        return "LATERAL"
    frontal = frontal_lateral.lower() == "frontal" or "_frontal" in path
    view = view_of(ap_pa)
    return "UNKNOWN" if frontal and view == "LATERAL" else view


def _read_classic(table: Path, columns: list[str], release: _Release) -> None:
    by_column = {column: canonical(column) for column in columns if canonical(column) in CHEXPERT_14}
    named = dict.fromkeys(by_column.values())
    missing = [label for label in CHEXPERT_14 if label not in named]
    for line, row in read_rows(table, ("Path", *missing), release.remarks):
        where = f"{table.name} line {line}"
        path = row["Path"]
        known = _identify(path, where, release)
        image = find_image(_candidates(_relative(path), release), path, release.remarks) if known else None
        if known is None or image is None:
            continue
        patient, study, truth = known
        release.studies.add(
            f"{patient}_{study}",
            patient,
            study,
            image,
            _view(path, row.get("Frontal/Lateral", ""), row.get("AP/PA", "")),
            labels={label: label_of(row[column], column, where) for column, label in by_column.items()},
            truth=truth,
            sex=sex_of(row.get("Sex", "")),
            age_years=age_of(row.get("Age", ""), where, release.remarks),
        )


def _read_study_labels(table: Path, release: _Release) -> None:
    """groundtruth.csv of the test set: one row a study, the images are those of its folder."""
    for line, row in read_rows(table, ("Study", *CHEXPERT_14), release.remarks):
        where = f"{table.name} line {line}"
        known = _identify(row["Study"] + "/", where, release)
        if known is None:
            continue
        patient, study, truth = known
        names = [f"view{number}_{side}.jpg" for number in range(1, 10) for side in ("frontal", "lateral")]
        images = [path for name in names for path in _candidates(f"{_relative(row['Study'])}/{name}", release)]
        if not images:
            release.remarks.leave_out("image not on disk", row["Study"])
        for image in images:
            values = {label: label_of(row[label], label, where) for label in CHEXPERT_14}
            release.studies.add(
                f"{patient}_{study}", patient, study, image, _view(image.name), labels=values, truth=truth
            )


def _read_plus(table: Path, columns: list[str], which: str, release: _Release) -> None:
    values = _plus_labels(release.root, which, release.remarks)
    sections = {column: section for column, section in _PLUS_SECTIONS.items() if column in columns}
    missing = [column for column in _PLUS_SECTIONS if column not in columns and column != "section_indication"]
    if missing:
        release.remarks.say(f"{table.name} has no column {', '.join(missing)}: those texts are left out")
    for line, row in read_rows(table, ("path_to_image",), release.remarks):
        where = f"{table.name} line {line}"
        path = row["path_to_image"]
        known = _identify(path, where, release)
        image = find_image(_candidates(_relative(path), release), path, release.remarks) if known else None
        if known is None or image is None:
            continue
        patient, study, truth = known
        text: dict[str, str] = {}
        for column, section in sections.items():
            words = before_the_film(row[column]) if section in INPUT_SECTIONS else row[column]
            if words and words != text.get(section):
                text[section] = f"{text[section]}\n{words}" if section in text else words
        release.studies.add(
            f"{patient}_{study}",
            patient,
            study,
            image,
            _view(path, row.get("frontal_lateral", ""), row.get("ap_pa", "")),
            text=text,
            labels=values.get(_relative(path)),
            truth=truth,
            sex=sex_of(row.get("sex", "")),
            age_years=age_of(row.get("age", ""), where, release.remarks),
        )


def _plus_labels(root: Path, which: str, remarks: Remarks) -> dict[str, dict[str, float]]:
    """image path -> labels from the CheXbert JSON lines of CheXpert Plus; none on disk leaves all labels not known."""
    name = choose(which, _PLUS_LABELS, "label source of CheXpert Plus")
    found = [path for folder in ("", "chexbert_labels", "labels") if (path := root / folder / name).is_file()]
    if not found:
        remarks.say(f"{name} is neither in {root} nor in its chexbert_labels: all labels are not known")
        return {}
    out = {}
    with found[0].open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            where = f"{found[0].name} line {number}"
            try:
                entry = json.loads(line)
                path = entry.pop("path_to_image")
            except (json.JSONDecodeError, KeyError, AttributeError) as error:
                raise MedleyError(f"{where} is no JSON object with path_to_image: {error}") from error
            pairs = [(label if label in CHEXPERT_14 else canonical(label), value) for label, value in entry.items()]
            out[_relative(path)] = {
                label: label_of("" if value is None else str(value), label, where)
                for label, value in pairs
                if label in CHEXPERT_14
            }
    return out
