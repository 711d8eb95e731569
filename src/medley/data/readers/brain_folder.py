"""Any brain MRI with one CSV: NIfTI files or DICOM series, one study a row, columns by usual names or by --map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, UnreadableImage, choose, nearest
from medley.core.labels import BRAIN_LABELS, BRAIN_SIDES
from medley.core.records import SEQUENCES, Case, ImageRef
from medley.data.preprocess.volume.find import sequence_told
from medley.data.preprocess.volume.nifti import stem
from medley.data.readers.lesions import labels_of, plain_report, reading, truth_of_segmentation
from medley.data.readers.reading import Reading, Remarks, header_of, read_rows, require_table, root_of
from medley.data.readers.studies import age_of, label_of, sex_of

HELP = """Read brain volumes (NIfTI, or folders of DICOM slices) described by one CSV, one study a row.

Tree:
  one *.csv under --root (or --csv F); paths in it are relative to --root. A path that is a folder is one DICOM series.

Columns are found by name, or named by --map WHAT=COLUMN (repeat it):
  flair t1 t1c t2   a path each; or one column path (image, file) whose name, or series description, tells the sequence,
                    or is told by a column sequence
  case_id           case_id, study_id, id; else as much of the first path as tells it from the others
  patient_id        patient_id, patient, subject; without it each study counts as its own patient
  segmentation      BraTS labels (1 core, 2 oedema, 3 or 4 enhancing), or 0 and 1; side, lobes, parts follow from it
  mask              mask, brain_mask: which voxels are brain, where the skull is on
  report            report, text: written from the images; never model input
  healthy           1 or 0     sides   left, right or bilateral, where there is no segmentation     grade   any word
  sex age_years(age)
  split             --map split=COLUMN: train, dev (val, valid), test: the official split `brain_folder`
  labels            --labels A,B: columns of 1, 0, -1 (uncertain) or blank; default: those named like Lesion, Edema,
                    Necrosis, Mass Effect, Midline Shift, and else what the segmentation or `healthy` tells

Example:
  medley index brain_folder --root clinic --csv clinic/table.csv --out brains.parquet --map report=befund"""
ROOTS = {"root": "the folder that paths are relative to"}
OPTIONS = {"columns": "WHAT=COLUMN of the CSV; repeat it", "labels": "Label columns, parted by commas"}

_USUAL = {
    **{name: (name,) for name in SEQUENCES},
    "path": ("path", "image", "file", "filename", "image_path"),
    "sequence": ("sequence",),
    "case_id": ("case_id", "study_id", "id"),
    "patient_id": ("patient_id", "patientid", "patient", "subject", "subject_id"),
    "segmentation": ("segmentation", "seg"),
    "mask": ("mask", "brain_mask"),
    "report": ("report", "text"),
    "healthy": ("healthy",),
    "sides": ("sides", "side"),
    "grade": ("grade",),
    "sex": ("sex", "gender"),
    "age_years": ("age_years", "age"),
    "split": (),
}
_PARTS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validate": "dev", "test": "test"}
_YES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def read(
    roots: Mapping[str, Path],
    csv: Path | None = None,
    columns: Mapping[str, str] | None = None,
    labels: str | Sequence[str] = (),
) -> Reading:
    """Read the table. `columns` maps what Medley calls a thing to the CSV's column. Raises MedleyError."""
    root = root_of(roots, "root", ROOTS)
    table = csv or require_table(root, ["*.csv", "*.csv.gz"], "CSV")
    remarks = Remarks()
    mapped = _match(header_of(table), columns or {}, table)
    names = labels.split(",") if isinstance(labels, str) else labels
    label_columns = _label_columns(header_of(table), [name.strip() for name in names if name.strip()], table)
    if not any(name in mapped for name in (*SEQUENCES, "path")):
        known = ", ".join(header_of(table))
        raise MedleyError(f"{table}: no column holds paths; name one with --map flair=COLUMN; known: {known}")
    if "patient_id" not in mapped:
        remarks.say(f"{table.name} has no patient column: each study counts as a patient of its own")
    cases, seen = [], set()
    for line, row in read_rows(table, (), remarks):
        where = f"{table.name} line {line}"
        values = {what: row[column] for what, column in mapped.items() if row[column]}
        images = _images(root, values, where, remarks)
        if not images:
            continue
        case_id = values.get("case_id") or _own_id(root, next(iter(images.values())))
        if case_id in seen:
            remarks.leave_out("study listed twice", f"{case_id} in {where}")
            continue
        seen.add(case_id)
        truth = _truth(root, values, images, where, remarks)
        told = labels_of(truth) if truth else {}
        told |= {name: label_of(row[column], column, where) for name, column in label_columns.items() if row[column]}
        cases.append(
            Case(
                case_id=case_id,
                patient_id=values.get("patient_id", case_id),
                study_id=case_id,
                images=tuple(ImageRef(name, str(path)) for name, path in images.items()),
                text={"report": plain_report(values["report"])} if values.get("report") else {},
                labels=told,
                truth=truth,
                sex=sex_of(values.get("sex", "")),
                age_years=age_of(values.get("age_years", ""), where, remarks),
                source=root.resolve().name,
            )
        )
    listed = dict.fromkeys([*BRAIN_LABELS, *label_columns])
    return reading(cases, tuple(listed), remarks)


def _match(header: Sequence[str], columns: Mapping[str, str], table: Path) -> dict[str, str]:
    """what -> column: the mapped ones, and the rest by their usual names."""
    for what, column in columns.items():
        choose(what, dict.fromkeys(_USUAL), "--map name")
        if column not in header:
            raise MedleyError(f"{table} lacks the column '{column}' of --map {what}={column}{nearest(column, header)}")
    by_lower = {column.lower(): column for column in reversed(header)}
    usual = {
        what: next(by_lower[name] for name in names if name in by_lower)
        for what, names in _USUAL.items()
        if any(name in by_lower for name in names)
    }
    return {**usual, **columns}


def _label_columns(header: Sequence[str], asked: Sequence[str], table: Path) -> dict[str, str]:
    """label -> column, in the spelling of BRAIN_LABELS where it is one of them."""
    by_lower = {column.lower().replace("_", " "): column for column in reversed(header)}
    if not asked:
        return {label: by_lower[label.lower()] for label in BRAIN_LABELS if label.lower() in by_lower}
    out = {}
    for name in asked:
        plain = name.lower().replace("_", " ")
        if plain not in by_lower:
            raise MedleyError(f"{table} lacks the label column '{name}'{nearest(name, header)}")
        out[next((label for label in BRAIN_LABELS if label.lower() == plain), name)] = by_lower[plain]
    return out


def _images(root: Path, values: Mapping[str, str], where: str, remarks: Remarks) -> dict[str, Path]:
    """Sequence -> path in the order of SEQUENCES; a row that names none, or one that is not there, is counted."""
    named = {name: root / values[name] for name in SEQUENCES if name in values}
    if not named and "path" in values:
        path = root / values["path"]
        sequence = values.get("sequence", "").lower() or sequence_told(path)
        if sequence not in SEQUENCES:
            known = ", ".join(SEQUENCES)
            remarks.leave_out(f"no sequence is told (a column sequence of {known} would)", f"{path} in {where}")
            return {}
        named = {sequence: path}
    if not named:
        remarks.leave_out("no image is named", where)
    for name, path in list(named.items()):
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            remarks.leave_out("image not on disk, or of 0 bytes", f"{path} in {where}")
            del named[name]
    return named


def _own_id(root: Path, path: Path) -> str:
    parts = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[1:]
    return "__".join((*parts[:-1], stem(parts[-1])))


def _truth(
    root: Path, values: Mapping[str, str], images: Mapping[str, Path], where: str, remarks: Remarks
) -> dict[str, Any]:
    truth: dict[str, Any] = {}
    if "healthy" in values:
        truth["healthy"] = choose(values["healthy"].lower(), _YES, f"value of healthy in {where}:")
    if "segmentation" in values:
        try:
            seen = truth_of_segmentation(root / values["segmentation"], next(iter(images.values())))
            if truth.get("healthy", seen["healthy"]) != seen["healthy"]:
                remarks.count("healthy is not what the segmentation shows, which is believed", where, "study")
            truth |= seen
        except UnreadableImage as error:
            remarks.count("segmentation cannot be used", str(error), "study")
    elif values.get("sides") and not truth.get("healthy"):
        truth["sides"] = choose(values["sides"].lower(), {side: side for side in BRAIN_SIDES}, f"side in {where}:")
        truth.setdefault("healthy", False)
    if "mask" in values:
        mask = root / values["mask"]
        if mask.is_file():
            truth["mask"] = str(mask.resolve())
        else:
            remarks.count("brain mask not on disk: the brain is found without it", f"{mask} in {where}", "study")
    if values.get("grade"):
        truth["grade"] = values["grade"]
    if values.get("split"):
        truth["official_split"] = {"brain_folder": choose(values["split"].lower(), _PARTS, f"part in {where}:")}
    return truth
