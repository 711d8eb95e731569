"""The case table `cases.parquet`: one row a study, written by every reader and cohort, read by everything else.

Columns: case_id, patient_id, study_id, images (list of {view, path, sha256}), `text/<section>`, `label/<name>`
(1, 0, -1 uncertain, null not known), truth (JSON), sex, age_years, source, synthetic. Relative image paths are
relative to the table's folder, so that a folder can be moved.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from medley.core.errors import MedleyError
from medley.core.files import whole_file
from medley.core.records import Case, ImageRef

_FIXED: dict[str, Any] = {
    "case_id": pl.String,
    "patient_id": pl.String,
    "study_id": pl.String,
    "images": pl.List(pl.Struct({"view": pl.String, "path": pl.String, "sha256": pl.String})),
    "truth": pl.String,
    "sex": pl.String,
    "age_years": pl.Float32,
    "source": pl.String,
    "synthetic": pl.Boolean,
}
_LABEL_VALUES = (1.0, 0.0, -1.0)


@dataclass(frozen=True)
class CaseTable:
    """The rows of one table. `labels` is the label list of everything trained on it; `digest` names its contents."""

    cases: tuple[Case, ...]
    labels: tuple[str, ...]
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.cases)

    @cached_property
    def by_id(self) -> dict[str, Case]:
        return {case.case_id: case for case in self.cases}

    @cached_property
    def digest(self) -> str:
        """Hash of the rows, paths aside: the same data in another folder or another row order has the same digest."""
        lines = sorted(json.dumps(_content(case), sort_keys=True) for case in self.cases)
        return hashlib.sha256("\n".join([*self.labels, *lines]).encode()).hexdigest()[:16]

    def pick(self, case_ids: Iterable[str]) -> list[Case]:
        """The cases of these ids, in this order; an id that the table lacks is a MedleyError."""
        case_ids = list(case_ids)
        missing = [case_id for case_id in case_ids if case_id not in self.by_id]
        if missing:
            first = f"first '{missing[0]}'"
            raise MedleyError(f"{self.path}: {len(missing)} of {len(case_ids)} ids are not in the table, {first}")
        return [self.by_id[case_id] for case_id in case_ids]


def _content(case: Case) -> list:
    images = [[image.view, image.sha256 or Path(image.path).name] for image in case.images]
    labels = {name: None if math.isnan(value) else value for name, value in case.labels.items()}
    age = None if math.isnan(case.age_years) else round(case.age_years, 3)
    return [
        case.case_id,
        case.patient_id,
        case.study_id,
        images,
        dict(case.text),
        labels,
        case.sex,
        age,
        case.synthetic,
    ]


def write_cases(path: Path | str, cases: Sequence[Case], labels: Sequence[str]) -> CaseTable:
    """Write the table whole and return it as `read_cases` would. Raises MedleyError for rows that break its rules."""
    path = Path(path)
    _validate(cases, labels, path)
    sections = sorted({section for case in cases for section in case.text})
    columns: dict[str, list] = {}
    for name in ("case_id", "patient_id", "study_id", "sex", "source", "synthetic"):
        columns[name] = [getattr(case, name) for case in cases]
    columns["images"] = [[vars(image) for image in case.images] for case in cases]
    columns["truth"] = [json.dumps(dict(case.truth), sort_keys=True) if case.truth else None for case in cases]
    columns["age_years"] = [None if math.isnan(case.age_years) else case.age_years for case in cases]
    schema = dict(_FIXED)
    for section in sections:
        columns[f"text/{section}"] = [case.text.get(section) for case in cases]
        schema[f"text/{section}"] = pl.String
    for label in labels:
        values = [case.labels.get(label, math.nan) for case in cases]
        columns[f"label/{label}"] = [None if math.isnan(value) else value for value in values]
        schema[f"label/{label}"] = pl.Float32
    frame = pl.DataFrame({name: columns[name] for name in schema}, schema=schema)
    content = io.BytesIO()  # written by us: of a full disk, polars says "File out of specification"
    frame.write_parquet(content)
    with whole_file(path) as temporary:
        temporary.write_bytes(content.getbuffer())
    return CaseTable(tuple(cases), tuple(labels), path)


def read_cases(path: Path | str) -> CaseTable:
    """Read and validate a case table. Relative image paths are made absolute against the table's folder."""
    path = Path(path)
    _refuse_other_files(path)
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise MedleyError(f"{path} is a damaged parquet table: {error}; write it anew") from error
    missing = [name for name in _FIXED if name not in frame.columns]
    if missing:
        lacks = f"it lacks the column {', '.join(missing)}"
        raise MedleyError(f"{path} is a parquet table, but no case table: {lacks}; `medley index` writes one")
    labels = tuple(name.removeprefix("label/") for name in frame.columns if name.startswith("label/"))
    sections = [name.removeprefix("text/") for name in frame.columns if name.startswith("text/")]
    cases = tuple(_row_to_case(row, labels, sections, path.parent) for row in frame.iter_rows(named=True))
    _validate(cases, labels, path)
    return CaseTable(cases, labels, path)


def _refuse_other_files(path: Path) -> None:
    """MedleyError for whatever is no parquet file, with the command that makes a case table of it."""
    if path.is_dir():
        inside = path / "cases.parquet"
        todo = (
            f"name {inside}"
            if inside.is_file()
            else f"`medley index READER --root {path} --out cases.parquet` makes one"
        )
        raise MedleyError(f"{path} is a folder, not a case table: {todo}")
    if not path.exists():
        raise MedleyError(f"{path} does not exist; `medley index` or `medley cohort` writes a case table")
    if not path.is_file():
        raise MedleyError(f"{path} is a pipe or a device, not a case table")
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"PAR1"):
        return
    todo = "`medley index READER --help` says how a dataset becomes a case table"
    if not head:
        what = "is empty (0 bytes)"
    elif b"\0" in head:
        what = "is no parquet file"
    elif head.lstrip().startswith((b"{", b"[")):
        what, todo = "is JSON", "a split manifest goes behind --splits, a case table is a cases.parquet"
    else:
        what = "is text"
        reader = "brain_folder" if b"flair" in head.splitlines()[0].lower() else "folder"
        todo = f"`medley index {reader} --root {path.parent} --csv {path} --out cases.parquet` makes one of a CSV"
    raise MedleyError(f"{path} {what}, not a case table: {todo}")


def _row_to_case(row: dict, labels: Sequence[str], sections: Sequence[str], folder: Path) -> Case:
    images = tuple(ImageRef(i["view"], str(folder / i["path"]), i["sha256"]) for i in row["images"] or ())
    values = {name: math.nan if row[f"label/{name}"] is None else float(row[f"label/{name}"]) for name in labels}
    return Case(
        case_id=row["case_id"],
        patient_id=row["patient_id"],
        study_id=row["study_id"],
        images=images,
        text={section: row[f"text/{section}"] for section in sections if row[f"text/{section}"] is not None},
        labels=values,
        truth=json.loads(row["truth"]) if row["truth"] else {},
        sex=row["sex"],
        age_years=math.nan if row["age_years"] is None else float(row["age_years"]),
        source=row["source"] or "",
        synthetic=bool(row["synthetic"]),
    )


def portable(case: Case, folder: Path | str) -> Case:
    """The case with image paths relative to `folder` where they lie under it, absolute where they do not."""
    folder = Path(folder).resolve()
    images = []
    for image in case.images:
        absolute = Path(image.path).resolve()
        inside = absolute.is_relative_to(folder)
        images.append(replace(image, path=str(absolute.relative_to(folder) if inside else absolute)))
    return replace(case, images=tuple(images))


def _validate(cases: Sequence[Case], labels: Sequence[str], path: Path) -> None:
    if len(set(labels)) != len(labels):
        raise MedleyError(f"{path}: the label list names a label twice: {', '.join(labels)}")
    seen: set[str] = set()
    for row, case in enumerate(cases):
        where = f"{path}, row {row} (case '{case.case_id}')"
        if not case.case_id or not case.patient_id:
            raise MedleyError(f"{where}: case_id and patient_id must not be empty")
        if case.case_id in seen:
            raise MedleyError(f"{where}: the case_id stands twice; every study needs its own")
        seen.add(case.case_id)
        for name, value in case.labels.items():
            if not math.isnan(value) and value not in _LABEL_VALUES:
                rule = "it must be 1, 0, -1 (uncertain) or empty (not known)"
                raise MedleyError(f"{where}: label '{name}' is {value}; {rule}")
        if case.sex not in (None, "F", "M"):
            raise MedleyError(f"{where}: sex is '{case.sex}'; it must be F, M or empty")
