"""Any folder of images with one CSV: columns are found by their usual names, or named by --map."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError, choose, nearest
from medley.core.labels import CHEXPERT_14, NIH_14, canonical
from medley.data.readers.reading import Reading, Remarks, find_image, header_of, read_rows, require_table, root_of
from medley.data.readers.studies import Studies, age_of, box, label_of, sex_of, view_of

HELP = """Read a folder of images (JPEG, PNG, DICOM) described by one CSV.

Tree:
  one *.csv under --root (or --csv F), and images whose paths in the CSV are relative to --root.

Columns are found by name, or named by --map WHAT=COLUMN (repeat it):
  image        file, path, image, filename, image_path      needed
  patient_id   patient_id, patientid, patient, subject_id   without it each study counts as its own patient: a leak
                                                             between parts where one patient has several
  study_id     study_id, study: rows of one study are one case with several views; without it each row is a case
  case_id      case_id; default: the study, or as much of the image's path as tells it from the others
  view sex age_years(age)   indication history note findings impression report
  labels       --labels A,B,C or --map labels=A,B,C: columns of 1, 0, -1 (uncertain) or blank (not known). Default: all
               columns that are named like a CheXpert or NIH finding. Aliases become the one name (Effusion is Pleural
               Effusion).
  boxes        --map boxes=COLUMN[:LABEL],... JSON lists of [label, x, y, width, height], or [x, y, width, height]
               with the LABEL given; --map boxes_px=1024 (or 1024x768): the size of the image that their pixels count in
  split        --map split=COLUMN: train, dev (val, valid), test: the official split `folder`

Example:
  medley index folder --root nih_1000 --out nih.parquet --map boxes=nih_boxes_1024 --map boxes_px=1024"""
ROOTS = {"root": "the folder that image paths are relative to"}
OPTIONS = {"columns": "WHAT=COLUMN of the CSV; repeat it", "labels": "Label columns, parted by commas"}

_USUAL = {
    "image": ("file", "path", "image", "filename", "image_path"),
    "patient_id": ("patient_id", "patientid", "patient", "subject_id"),
    "study_id": ("study_id", "study"),
    "case_id": ("case_id",),
    "view": ("view", "view_position", "viewposition", "projection"),
    "sex": ("sex", "gender"),
    "age_years": ("age_years", "age"),
    "indication": ("indication",),
    "history": ("history",),
    "note": ("note", "notes", "clinical_notes"),
    "findings": ("findings",),
    "impression": ("impression",),
    "report": ("report",),
}
_ONLY_MAPPED = ("labels", "boxes", "boxes_px", "split")
_TEXT = ("indication", "history", "note", "findings", "impression", "report")
_PARTS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validate": "dev", "test": "test"}


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
    header = header_of(table)
    mapped = _match_columns(header, columns or {}, table)
    asked = _split_list(labels) if isinstance(labels, str) else labels
    label_columns = _label_columns(header, asked or _split_list(mapped.get("labels", "")), table)
    boxes = _box_columns(mapped, header, table)
    if "image" not in mapped:
        raise MedleyError(
            f"{table}: no column holds image paths; name it with --map image=COLUMN; known: {', '.join(header)}"
        )
    if "patient_id" not in mapped:
        remarks.say(f"{table.name} has no patient column: each study counts as a patient of its own")
    studies = Studies(root.resolve().name, remarks)
    rows = list(read_rows(table, (), remarks))
    names = {row[mapped["image"]] for _, row in rows} - {""}
    own_id = _own_ids(names)
    seen: set[str] = set()
    for line, row in rows:
        where = f"{table.name} line {line}"
        values = {what: row[column] for what, column in mapped.items() if what not in _ONLY_MAPPED}
        name = values["image"]
        if not name:
            remarks.leave_out("no image is named", where)
            continue
        if name in seen:
            remarks.leave_out("image listed twice", f"{name} in {where}")
            continue
        seen.add(name)
        image = find_image([root / name], name, remarks)
        if image is None:
            continue
        study = values.get("study_id") or own_id(name)
        patient = values.get("patient_id", study)
        if not patient:
            remarks.leave_out("no patient is named", where)
            continue
        truth: dict[str, Any] = _boxes(row, boxes, name, where)
        if part := row.get(mapped.get("split", ""), ""):
            truth["official_split"] = {"folder": choose(part.lower(), _PARTS, f"part in {where}:")}
        studies.add(
            values.get("case_id") or (f"{patient}_{study}" if values.get("study_id") and patient != study else study),
            patient,
            study,
            image,
            view_of(values.get("view", "")),
            text={section: values[section] for section in _TEXT if values.get(section)},
            labels={label: label_of(row[column], column, where) for label, column in label_columns.items()},
            truth=truth,
            sex=sex_of(values.get("sex", "")),
            age_years=age_of(values.get("age_years", ""), where, remarks),
            where=where,
        )
    return studies.reading(list(label_columns))


def _own_ids(names: Collection[str]) -> Callable[[str], str]:
    """image -> the shortest id by which all of them differ: its stem, its path without or with its ending."""
    ways: tuple[Callable[[str], str], ...] = (
        lambda name: Path(name).stem,
        lambda name: name.removesuffix(Path(name).suffix).replace("/", "__"),
        lambda name: name.replace("/", "__"),
    )
    return next((way for way in ways if len({way(name) for name in names}) == len(names)), str)


def _split_list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _match_columns(header: Sequence[str], columns: Mapping[str, str], table: Path) -> dict[str, str]:
    """what -> column: the mapped ones, and the rest by their usual names, in the order of preference of `_USUAL`."""
    for what, column in columns.items():
        choose(what, dict.fromkeys((*_USUAL, *_ONLY_MAPPED)), "--map name")
        if what in (*_USUAL, "split") and column not in header:
            raise MedleyError(f"{table} lacks the column '{column}' of --map {what}={column}{nearest(column, header)}")
    by_lower = {column.lower(): column for column in reversed(header)}
    usual = {
        what: next(by_lower[name] for name in names if name in by_lower)
        for what, names in _USUAL.items()
        if any(name in by_lower for name in names)
    }
    return {**usual, **columns}


def _label_columns(header: Sequence[str], asked: Sequence[str], table: Path) -> dict[str, str]:
    """label -> column. Asked names may be the column's or the canonical one."""
    if not asked:
        asked = [column for column in header if canonical(column) in (*CHEXPERT_14, *NIH_14)]
    by_label = {canonical(column): column for column in reversed(header)}
    columns: dict[str, str] = {}
    for name in asked:
        label = canonical(name)
        if name not in header and label not in by_label:
            raise MedleyError(f"{table} lacks the label column '{name}'{nearest(name, header)}")
        if label in columns:
            raise MedleyError(f"{table}: '{columns[label]}' and '{name}' are one label, {label}; choose with --labels")
        columns[label] = name if name in header else by_label[label]
    return columns


def _box_columns(mapped: Mapping[str, str], header: Sequence[str], table: Path) -> dict[str, Any]:
    """{"columns": {column: label or ""}, "frame_px": (width, height)}, or {} without boxes."""
    if "boxes" not in mapped:
        return {}
    size = re.fullmatch(r"(\d+)(?:x(\d+))?", mapped.get("boxes_px", ""))
    if not size:
        raise MedleyError("--map boxes=... needs --map boxes_px=SIZE (1024, or 1024x768): what their pixels count in")
    columns = dict(item.rpartition(":")[::2] if ":" in item else (item, "") for item in _split_list(mapped["boxes"]))
    for column in columns:
        if column not in header:
            raise MedleyError(f"{table} lacks the column '{column}' of --map boxes{nearest(column, header)}")
    return {"columns": columns, "frame_px": (int(size[1]), int(size[2] or size[1]))}


def _boxes(row: Mapping[str, str], boxes: Mapping[str, Any], image: str, where: str) -> dict[str, Any]:
    out = []
    for column, label in boxes.get("columns", {}).items():
        if not row[column]:
            continue
        try:
            entries = json.loads(row[column])
            for entry in entries:
                name, xywh = (label, entry) if label else (entry[0], entry[1:])
                x, y, width, height = (float(value) for value in xywh)
                if not isinstance(name, str):
                    raise ValueError(f"{entry} names no label")
                out.append(box(name, Path(image).name, (x, y, width, height), boxes["frame_px"]))
        except (ValueError, TypeError, IndexError) as error:
            rule = (
                "boxes are JSON [[label, x, y, width, height], ...], or [[x, y, width, height], ...] with COLUMN:LABEL"
            )
            raise MedleyError(f"{where}: column '{column}': {error}; {rule}") from error
    return {"boxes": out} if out else {}
