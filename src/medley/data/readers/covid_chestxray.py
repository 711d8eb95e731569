"""Chest films with clinical notes from publications: covid-chestxray-dataset (Cohen et al. 2020) and its kin."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from medley.core.labels import NO_FINDING, canonical
from medley.data.readers.reading import Reading, Remarks, find_image, header_of, read_rows, require_table, root_of
from medley.data.readers.studies import Studies, age_of, sex_of, view_of

HELP = """Read a table in the style of covid-chestxray-dataset: metadata.csv, images, clinical notes.

How to obtain it:
  github.com/ieee8023/covid-chestxray-dataset (0.6 GB); github.com/agchung/Figure1-COVID-chestxray-dataset.
  Licence: per image, in the column `license`; many are CC BY-NC-SA, many state none: research use only.

Tree:
  metadata.csv   images/<filename>   (the columns `folder` and `filename`, or `file` with the path under the root)

What becomes of it:
  Rows whose modality is not X-ray are left out. One patient at one offset (days since first symptoms or admission)
  is one study with all its films; a row without an offset is a study of its own.
  `finding` is a DIAGNOSIS, mostly from a laboratory, not what the film shows. Pneumonia/Viral/COVID-19 sets each of its
  levels; below the last level nothing is known, everything beside the path is absent. `COVID-19, ARDS` sets both.
  todo, Unknown and blank are not known.
  `doi`, `url` and `date`, where there are such columns, go into the truth: films of one publication belong together.
  `clinical_notes` (or `notes`) becomes text["note"].

WARNING: these notes were written by those who knew: many describe the film or name the diagnosis. As model input
they give the answer away; several notes cover a whole case and stand at each of its films. Source and class go
together, too: never mix these films with another dataset's in one task."""
ROOTS = {"root": "the folder of metadata.csv and images/"}
OPTIONS: dict[str, str] = {}

_PUBLISHED = ("doi", "url", "date")  # may be absent; the data doctor looks for them in two parts of a split
_UNKNOWN = ("", "todo", "unknown")
_FIGURE1_PART = re.compile(r"^(COVID-\d+)[a-z]$")  # COVID-00003a and b are films of one patient


def read(roots: Mapping[str, Path], csv: Path | None = None) -> Reading:
    """Read the table; labels are all the findings it names, commonest first. Raises MedleyError."""
    root = root_of(roots, "root", ROOTS)
    remarks = Remarks()
    table = csv or require_table(root, ["metadata.csv*"], "table")
    columns = header_of(table)
    note = next((name for name in ("clinical_notes", "notes") if name in columns), "clinical_notes")
    file = ("file",) if "file" in columns else ("filename",)
    needed = ("patientid", "offset", "sex", "age", "finding", "view", "modality", note, *file)
    rows = []
    for line, row in read_rows(table, needed, remarks):
        if row["modality"] == "X-ray":
            rows.append((f"{table.name} line {line}", row))
        else:
            remarks.count("not an X-ray", row[file[0]], "row passed over")
    findings = [_paths(row["finding"]) for _, row in rows]
    labels = _label_list(findings)
    studies = Studies("covid_chestxray", remarks)
    below = _below(findings)
    seen: set[Path] = set()
    published: dict[str, dict[str, str]] = {}  # study -> its doi, url, date
    for (where, row), paths in zip(rows, findings, strict=True):
        image = find_image(_candidates(root, row), row[file[0]], remarks)
        if image is None:
            continue
        if image in seen:
            remarks.leave_out("image listed twice", f"{image.name} in {where}")
            continue
        seen.add(image)
        part = _FIGURE1_PART.match(row["patientid"])
        patient = part[1] if part else row["patientid"]
        offset = _offset_days(row["offset"], where, remarks)
        study = image.stem if math.isnan(offset) else f"{patient}_day{offset:g}"
        _keep_first(published.setdefault(study, {}), row, where, remarks)
        studies.add(
            study,
            patient,
            study,
            image,
            view_of(row["view"]),
            text={"note": row[note]} if row[note] else None,
            labels=_labels(paths, labels, below),
            truth={**({} if math.isnan(offset) else {"offset_days": offset}), **published[study]},
            sex=sex_of(row["sex"]),
            age_years=age_of(row["age"], where, remarks),
        )
    return studies.reading(labels)


def _candidates(root: Path, row: Mapping[str, str]) -> Iterator[Path]:
    if row.get("file"):
        yield root / row["file"]
    if row.get("filename"):
        yield root / (row.get("folder") or "images") / row["filename"]


def _keep_first(known: dict[str, str], row: Mapping[str, str], where: str, remarks: Remarks) -> None:
    """Where a study was published and when its films were taken; of rows that disagree the first one counts."""
    for column in _PUBLISHED:
        value = row.get(column, "")
        if column == "date" and not re.search(r"\d{4}|\d[/.-]\d\d$", value):
            if value:
                remarks.count("date without a year, taken as not known", f"'{value}' in {where}")
            continue
        if value and known.setdefault(column, value) != value:
            remarks.count(f"films of one study differ in {column}, the first is kept", where)


def _offset_days(text: str, where: str, remarks: Remarks) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        remarks.count("offset is no number, the row is a study of its own", f"'{text}' in {where}")
        return math.nan


def _paths(finding: str) -> list[tuple[str, ...]]:
    """'Pneumonia/Viral/COVID-19, ARDS' -> [(Pneumonia, Viral, COVID-19), (ARDS,)]; not known -> []."""
    whole = [name.strip() for name in finding.split(",")]
    return [
        tuple(canonical(level.strip()) for level in name.split("/")) for name in whole if name.lower() not in _UNKNOWN
    ]


def _label_list(findings: Sequence[Sequence[tuple[str, ...]]]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for paths in findings:
        for name in {level for path in paths for level in path}:
            counts[name] = counts.get(name, 0) + 1
    counts.pop(NO_FINDING, None)
    ordered = sorted(counts, key=lambda name: (-counts[name], name))
    any_known = any(findings)
    return (NO_FINDING, *ordered) if any_known else ()


def _below(findings: Sequence[Sequence[tuple[str, ...]]]) -> dict[str, set[str]]:
    """level -> all levels that the table's paths put below it."""
    out: dict[str, set[str]] = {}
    for path in {path for paths in findings for path in paths}:
        for depth, level in enumerate(path):
            out.setdefault(level, set()).update(path[depth + 1 :])
    return out


def _labels(paths: Sequence[tuple[str, ...]], labels: Sequence[str], below: Mapping[str, set[str]]) -> dict[str, float]:
    if not paths:
        return dict.fromkeys(labels, math.nan)
    named = {level for path in paths for level in path}
    open_below = {level for path in paths for level in below[path[-1]]} - named  # "Pneumonia" alone may be any of them
    return {label: math.nan if label in open_below else float(label in named) for label in labels}
