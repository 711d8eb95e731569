"""The volume of a request: its sequences on the model's grid, and the same brain on a finer one to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.records import SEQUENCES, Case, Study, VolumeGrid, VolumeInput
from medley.data.notes import clean_note
from medley.data.preprocess.volume.find import BrainStudy, find_studies, sequence_told
from medley.data.preprocess.volume.sequences import UNKNOWN
from medley.data.preprocess.volume.series import is_series
from medley.data.preprocess.volume.volume import prepare_volume
from medley.serving.opening.opened import Opened
from medley.serving.opening.request import MASK, Request
from medley.serving.schemas import ReadVolume

_DISPLAY_SHAPE = (96, 192, 160)


def open_volume(request: Request, reads: VolumeInput) -> Opened:
    """One file, or the folder of a DICOM series, for each sequence that the model reads, and a brain mask where one is
    given. Which sequence a file is, is said (`flair=a.nii.gz`) or read from its name or its header; where one lacks and
    one file is given of which nothing tells, it is taken for that, and the answer says so.

    Raises MedleyError where a sequence lacks, or a file cannot be read.
    """
    name = request.name()
    request.refuse_faults()
    given = request.images()
    masks = [path for said, path in given if said == MASK]
    if len(masks) > 1:
        raise MedleyError(f"{masks[0]} and {masks[1]} are both given as the brain mask; a study has one")
    files, remarks = _files([one for one in given if one[0] != MASK], reads.sequences)
    mask = masks[0] if masks else None
    volume, record = prepare_volume(files, reads.grid, mask=mask)
    display, _ = prepare_volume(files, VolumeGrid(_DISPLAY_SHAPE, reads.grid.fov_mm), mask=mask, check=False)
    order = [volume.sequences.index(sequence) for sequence in reads.sequences]
    volume, display = (replace(one, sequences=reads.sequences, voxels=one.voxels[order]) for one in (volume, display))
    case, note = Case(name, patient_id=name, study_id=name, source="predict"), clean_note(request.text, name)
    quality = {"file": "+".join(str(path) for path in files.values()), **asdict(record)}
    read = ReadVolume(volume, display, quality)
    said = (*remarks, *record.warnings)
    return Opened(case, (Study(case, note=note, volume=volume),), note, volume=read, remarks=said)


def studies_below(request: Request, alone: bool) -> list[Request]:
    """A folder of volumes as one request for each study that lies below it, as `medley preprocess brains` finds them;
    any other request as it is. `alone`: studies go by their own names, without that of the request."""
    given = request.images()
    if len(given) != 1 or given[0][0] is not None or not given[0][1].is_dir() or is_series(given[0][1]):
        return [request]
    try:
        studies, _ = find_studies(given[0][1])
    except MedleyError as error:
        return [replace(request, fault=str(error))]
    before = "" if alone else f"{request.name()}/"
    return [Request(_named(study), request.text, before + study.name) for study in studies]


def _named(study: BrainStudy) -> list[str]:
    files = [str(path) if sequence == UNKNOWN else f"{sequence}={path}" for sequence, path in study.files]
    return files + ([f"{MASK}={study.mask}"] if study.mask else [])


def _files(given: Sequence[tuple[str | None, Path]], wanted: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    if not given:
        raise MedleyError("a study needs at least one volume: a NIfTI file, or the folder of a DICOM series")
    files: dict[str, Path] = {}
    unknown: list[Path] = []
    remarks: list[str] = []
    for said, path in given:
        told = sequence_told(path)
        sequence = said if said in SEQUENCES else told
        if sequence == UNKNOWN:
            unknown.append(path)
        elif sequence in files:
            raise MedleyError(
                f"{path} and {files[sequence]} are both {sequence}: say which file is which, as in flair={path}"
            )
        else:
            files[sequence] = path
            if told not in (sequence, UNKNOWN):
                remarks.append(f"{path.name} was given as {sequence}; its name or header says {told}")
    lacking = [sequence for sequence in wanted if sequence not in files]
    if len(unknown) == 1 and len(lacking) == 1:
        files[lacking[0]] = unknown.pop()
        remarks.append(f"nothing says what {files[lacking[0]].name} was made as: it is taken for {lacking[0]}")
    elif lacking:
        has = ", ".join(path.name for path in (*files.values(), *unknown))
        raise UnreadableImage(
            f"this model reads {', '.join(wanted)}, and {has} holds no {lacking[0]}: add {lacking[0]}=FILE"
        )
    if unread := [*sorted(set(files) - set(wanted)), *(path.name for path in unknown)]:
        remarks.append(f"not read, as this model reads {', '.join(wanted)} alone: {', '.join(unread)}")
    return {sequence: files[sequence] for sequence in wanted}, remarks
