"""The volume of a request: its sequences on the model's grid, and the same brain on a finer one to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.records import SEQUENCES, Case, Study, VolumeGrid, VolumeInput
from medley.data.notes import clean_note
from medley.data.preprocess.volume.sequences import UNKNOWN, sequence_of
from medley.data.preprocess.volume.volume import prepare_volume
from medley.serving.opening.opened import Opened
from medley.serving.opening.request import Request
from medley.serving.schemas import ReadVolume

_DISPLAY_SHAPE = (96, 192, 160)


def open_volume(request: Request, reads: VolumeInput) -> Opened:
    """One file, or the folder of a DICOM series, for each sequence that the model reads. Which sequence a file is, is
    said (`flair=a.nii.gz`) or read from its name; where one lacks and one file of no known name is given, it is taken
    for that, and the answer says so.

    Raises MedleyError where a sequence lacks, or a file cannot be read.
    """
    name = request.name()
    request.refuse_faults()
    files, remarks = _files(request, reads.sequences)
    volume, record = prepare_volume(files, reads.grid)
    display, _ = prepare_volume(files, VolumeGrid(_DISPLAY_SHAPE, reads.grid.fov_mm), check=False)
    order = [volume.sequences.index(sequence) for sequence in reads.sequences]
    volume, display = (replace(one, sequences=reads.sequences, voxels=one.voxels[order]) for one in (volume, display))
    case, note = Case(name, patient_id=name, study_id=name, source="predict"), clean_note(request.text, name)
    quality = {"file": "+".join(str(path) for path in files.values()), **asdict(record)}
    read = ReadVolume(volume, display, quality)
    said = (*remarks, *record.warnings)
    return Opened(case, (Study(case, note=note, volume=volume),), note, volume=read, remarks=said)


def _files(request: Request, wanted: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    given = request.images()
    if not given:
        raise MedleyError("a study needs at least one volume: a NIfTI file, or the folder of a DICOM series")
    files: dict[str, Path] = {}
    unknown: list[Path] = []
    for said, path in given:
        sequence = said if said in SEQUENCES else sequence_of(path.name)
        if sequence == UNKNOWN:
            unknown.append(path)
        elif sequence in files:
            raise MedleyError(
                f"{path} and {files[sequence]} are both {sequence}: say which file is which, as in flair={path}"
            )
        else:
            files[sequence] = path
    remarks = []
    lacking = [sequence for sequence in wanted if sequence not in files]
    if len(unknown) == 1 and len(lacking) == 1:
        files[lacking[0]] = unknown.pop()
        remarks.append(f"nothing says what {files[lacking[0]].name} was made as: it is taken for {lacking[0]}")
    elif lacking:
        has = ", ".join(path.name for path in (*files.values(), *unknown))
        raise UnreadableImage(
            f"this model reads {', '.join(wanted)}, and {has} holds no {lacking[0]}: add {lacking[0]}=FILE"
        )
    if unread := sorted(set(files) - set(wanted)):
        remarks.append(f"not read, as this model reads {', '.join(wanted)} alone: {', '.join(unread)}")
    return {sequence: files[sequence] for sequence in wanted}, remarks
