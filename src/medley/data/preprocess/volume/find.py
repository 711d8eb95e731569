"""Which brain studies a folder, a table or a file holds: each with its sequences, and the masks that lie beside it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from medley.core.errors import MedleyError, UnreadableImage, nearest
from medley.core.records import SEQUENCES
from medley.data.preprocess.volume.nifti import is_nifti, stem
from medley.data.preprocess.volume.sequences import UNKNOWN, in_words, is_mask, sequence_of, without_sequence
from medley.data.preprocess.volume.series import begins_as_dicom, is_series, series_said
from medley.data.readers.reading import Remarks, header_of, read_rows

_NAME_COLUMNS = ("case_id", "case", "study_id", "study", "patient_id", "patient", "subject")
_PATH_COLUMNS = ("path", "image", "file", "filename", "source")
_OF_THE_BRAIN = re.compile(r"brain|skull|(^|[^a-z])bet([^a-z]|$)", re.IGNORECASE)
_OF_A_LESION = re.compile(r"lesion|tumou?r|seg|label|consensus|(^|[^a-z])(gt|roi)([^a-z]|$)", re.IGNORECASE)


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
        studies = _of_csv(source, passed)
    elif is_nifti(source) and source.is_file():
        studies = [BrainStudy(stem(source), ((sequence_of(stem(source)), source),))]
    else:
        raise MedleyError(f"{source} {_what_it_is(source)}")
    if not studies:
        why = ", ".join(f"{reason} {number}" for reason, number in passed.most_common())
        wanted = "holds no brain volume (.nii, .nii.gz, or a folder of DICOM)"
        raise MedleyError(f"{source} {wanted}{f'; passed over: {why}' if why else ''}")
    for study in studies:
        if study.name.strip() in ("", ".", ".."):
            raise MedleyError(f"{source}: a study is called '{study.name}', which no folder can be; give it a name")
    first = dict[str, BrainStudy]()
    for study in studies:
        if (other := first.setdefault(study.name, study)) is not study:
            pair = f"{other.files[0][1]} and {study.files[0][1]}"
            raise MedleyError(f"{source}: {pair} would both be written to {study.name}; give them names of their own")
    return sorted(studies, key=lambda study: study.name), passed


def _what_it_is(source: Path) -> str:
    """What is wrong with a source that is none, and what to do."""
    name = source.name.lower()
    if not source.exists():
        return "does not exist"
    if name.endswith((".zip", ".tar", ".tgz", ".tar.gz", ".7z")):
        return "is an archive; unpack it, and name the folder"
    if name.endswith((".img", ".hdr")):
        return "is an Analyze pair, which does not say where left is; convert the original DICOM with dcm2niix"
    if begins_as_dicom(source):
        return "is one DICOM image; name the folder that holds its whole series"
    return "is no folder, NIfTI file (.nii, .nii.gz), case table or CSV of brain volumes"


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
    said = _own_words(volumes)
    masks = [path for path in volumes if is_mask(said[path] if sequence_of(said[path]) != UNKNOWN else stem(path))]
    for path in volumes:
        if path not in masks:
            groups.setdefault(without_sequence(stem(path)), []).append(path)
    if not groups:
        passed["mask by its name, with no volume beside it"] += len(masks)
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
        alone = len(groups) == 1
        own = [path for path in masks if alone or (key and f"{in_words(stem(path))}-".startswith(f"{key}-"))]
        brain = [path for path in own if _OF_THE_BRAIN.search(said[path])]
        vague = [path for path in own if path not in brain and said[path].endswith("mask")]
        vague = [path for path in vague if not _OF_A_LESION.search(said[path])]
        lesion = [path for path in own if path not in brain and path not in vague]
        if vague:
            passed["mask that does not say of what (brain_mask and lesion_mask would)"] += len(vague)
        if len(lesion) > 1:
            passed["segmentation, of which its study has several"] += len(lesion)
        yield BrainStudy(
            name,
            tuple(zip(sequences, group, strict=True)),
            lesion[0] if len(lesion) == 1 else None,
            brain[0] if len(brain) == 1 else None,
        )


def _own_words(volumes: Sequence[Path]) -> dict[Path, str]:
    """What each file's name says of it. What all names of a folder begin with is said of the study: `roi_01_flair`
    beside `roi_01_t1` is no mask, `brain_01_seg` beside `brain_01_flair` none of the brain."""
    words = {path: in_words(stem(path)).split("-") for path in volumes}
    alike = takewhile(lambda place: len(set(place)) == 1, zip(*words.values(), strict=False))
    shared = len(list(alike)) if len(volumes) > 1 else 0
    return {path: "-".join(said[shared:]) for path, said in words.items()}


def _of_cases(table: Path) -> list[BrainStudy]:
    from medley.data.cases import read_cases

    studies = []
    for case in read_cases(table).cases:
        files = tuple((image.view, Path(image.path)) for image in case.images if image.view in SEQUENCES)
        beside = {name: table.parent / case.truth[name] for name in ("segmentation", "mask") if case.truth.get(name)}
        if files:
            studies.append(BrainStudy(case.case_id, files, **beside))
    return studies


def _of_csv(table: Path, passed: Counter[str]) -> list[BrainStudy]:
    """One study a row: columns flair, t1, t1c, t2 of paths, or one of paths whose names tell the sequence."""
    header, remarks = header_of(table), Remarks()
    named = [name for name in SEQUENCES if name in header]
    path_column = next((name for name in _PATH_COLUMNS if name in header), None)
    if not named and path_column is None:
        raise MedleyError(f"{table} lacks a column of {', '.join(SEQUENCES)} or path{nearest('path', header)}")
    name_column = next((name for name in _NAME_COLUMNS if name in header), None)
    studies = []
    for _, row in read_rows(table, (), remarks):
        files = tuple((name, table.parent / row[name]) for name in named if row[name])
        if not files and path_column and row[path_column]:
            path = table.parent / row[path_column]
            files = ((row.get("sequence", "").lower() or sequence_told(path), path),)
        if not files:
            passed["row without a path"] += 1
            continue
        name = row[name_column] if name_column else stem(files[0][1])
        beside = {what: table.parent / row[what] for what in ("segmentation", "mask") if row.get(what)}
        studies.append(BrainStudy(name.replace("/", "__"), files, **beside))
    if remarks.left_out:
        passed["row with more fields than the header"] += remarks.left_out
    return studies
