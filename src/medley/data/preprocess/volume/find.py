"""Which brain studies a folder, a table or a file holds: each with its sequences, and the masks that lie beside it."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medley.core.errors import MedleyError, UnreadableImage, nearest
from medley.core.records import SEQUENCES
from medley.data.preprocess.volume.nifti import is_nifti, stem
from medley.data.preprocess.volume.sequences import UNKNOWN, in_words, is_mask, sequence_of, without_sequence
from medley.data.preprocess.volume.series import is_series, series_said

_NAME_COLUMNS = ("case_id", "case", "study_id", "study", "patient_id", "patient", "subject")
_PATH_COLUMNS = ("path", "image", "file", "filename", "source")


@dataclass(frozen=True)
class BrainStudy:
    """Files of one study. `name` is unique among those found together, and the folder that it is written to."""

    name: str
    files: tuple[tuple[str, Path], ...]  # sequence, path of a NIfTI file or of the folder of a DICOM series
    segmentation: Path | None = None
    mask: Path | None = None


def find_studies(source: Path | str, out: Path | str | None = None) -> tuple[list[BrainStudy], Counter[str]]:
    """The studies of a folder (all below it, `out` left aside), a case table, a CSV or one file; and what was passed
    over: reason -> how many. Raises MedleyError where there are none."""
    source, passed = Path(source), Counter[str]()
    if source.is_dir():
        studies = list(_below(source, out, passed))
    elif source.suffix == ".parquet":
        studies = _of_cases(source)
    elif source.suffix == ".csv":
        studies = _of_csv(source)
    elif is_nifti(source) and source.is_file():
        studies = [BrainStudy(stem(source), ((sequence_of(stem(source)), source),))]
    else:
        raise MedleyError(f"{source} is no folder, NIfTI file, case table or CSV of brain volumes, or does not exist")
    if not studies:
        raise MedleyError(f"{source} holds no brain volume (.nii, .nii.gz, or a folder of DICOM)")
    for study in studies:
        if study.name.strip() in ("", ".", ".."):
            raise MedleyError(f"{source}: a study is called '{study.name}', which no folder can be; give it a name")
    twice = [name for name, count in Counter(study.name for study in studies).items() if count > 1]
    if twice:
        raise MedleyError(f"two studies of {source} would be written to {twice[0]}; give them names of their own")
    return sorted(studies, key=lambda study: study.name), passed


def _below(folder: Path, out: Path | str | None, passed: Counter[str]) -> Iterator[BrainStudy]:
    aside = Path(out).resolve() if out else None
    for parent, names, files in os.walk(folder):
        names[:] = sorted(n for n in names if not n.startswith(".") and (Path(parent) / n).resolve() != aside)
        here = Path(parent)
        plain = "__".join(here.relative_to(folder).parts)
        volumes = [here / name for name in sorted(files) if is_nifti(name) and not name.startswith(".")]
        if volumes:
            yield from _of_folder(plain, folder.resolve().name, volumes, passed)
            passed["not a volume by its name"] += len(files) - len(volumes)
        elif is_series(here):
            yield BrainStudy(plain or folder.resolve().name, ((sequence_told(here), here),))
        else:
            passed["not a volume by its name"] += len(files)
    passed += Counter()  # drops what counts 0


def sequence_told(path: Path) -> str:
    """Which sequence a source is, by a file's name, or by the header of a folder's series, or else that folder's name;
    UNKNOWN where neither says."""
    if not path.is_dir():
        return sequence_of(stem(path))
    try:
        told = sequence_of(series_said(path)) if is_series(path) else UNKNOWN
    except UnreadableImage:
        told = UNKNOWN  # reading it will say what is wrong
    return sequence_of(path.name) if told == UNKNOWN else told


def _of_folder(plain: str, top: str, volumes: Sequence[Path], passed: Counter[str]) -> Iterator[BrainStudy]:
    """Files of one folder whose names differ by the sequence alone are one study."""
    groups: dict[str, list[Path]] = {}
    masks = [path for path in volumes if is_mask(stem(path))]
    for path in volumes:
        if path not in masks:
            groups.setdefault(without_sequence(stem(path)), []).append(path)
    for key, group in groups.items():
        sequences = [sequence_of(stem(path)) for path in group]
        if len(set(sequences)) < len(group) or (UNKNOWN in sequences and len(group) > 1):
            for path in group:
                yield BrainStudy("__".join(filter(None, (plain, stem(path)))), ((sequence_of(stem(path)), path),))
            continue
        if len(groups) == 1 and (plain or len(group) > 1):
            name = plain or key or top
        else:
            name = "__".join(filter(None, (plain, key if len(group) > 1 else stem(group[0]))))
        own = (
            masks
            if len(groups) == 1
            else [path for path in masks if key and f"{in_words(stem(path))}-".startswith(f"{key}-")]
        )
        brain = [path for path in own if re.search("brain", stem(path), re.IGNORECASE)]
        lesion = [path for path in own if path not in brain]
        if len(lesion) > 1:
            passed["segmentation, of which its study has several"] += len(lesion)
        yield BrainStudy(
            name,
            tuple(zip(sequences, group, strict=True)),
            lesion[0] if len(lesion) == 1 else None,
            brain[0] if len(brain) == 1 else None,
        )


def _of_cases(table: Path) -> list[BrainStudy]:
    from medley.data.cases import read_cases

    studies = []
    for case in read_cases(table).cases:
        files = tuple((image.view, Path(image.path)) for image in case.images if image.view in SEQUENCES)
        beside = {name: table.parent / case.truth[name] for name in ("segmentation", "mask") if case.truth.get(name)}
        if files:
            studies.append(BrainStudy(case.case_id, files, **beside))
    return studies


def _of_csv(table: Path) -> list[BrainStudy]:
    """One study a row: columns flair, t1, t1c, t2 of paths, or one of paths whose names tell the sequence."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            header, rows_read = list(rows.fieldnames or ()), list(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MedleyError(f"{table} is not a CSV table that can be read: {error}") from error
    named = [name for name in SEQUENCES if name in header]
    path_column = next((name for name in _PATH_COLUMNS if name in header), None)
    if not named and path_column is None:
        raise MedleyError(f"{table} lacks a column of {', '.join(SEQUENCES)} or path{nearest('path', header)}")
    name_column = next((name for name in _NAME_COLUMNS if name in header), None)
    studies = []
    for row in rows_read:
        files = tuple((name, table.parent / row[name]) for name in named if row[name])
        if not files and path_column and row[path_column]:
            path = table.parent / row[path_column]
            files = ((row.get("sequence", "").lower() or sequence_told(path), path),)
        if files:
            name = row[name_column] if name_column else stem(files[0][1])
            beside = {what: table.parent / row[what] for what in ("segmentation", "mask") if row.get(what)}
            studies.append(BrainStudy(name.replace("/", "__"), files, **beside))
    return studies
