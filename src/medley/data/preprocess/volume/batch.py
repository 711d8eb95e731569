"""Many brain studies -> NIfTI on one grid, pictures of what became of them, and a table: `medley preprocess brains`.

Each study has a folder of its own: a uint8 NIfTI a sequence, one a known region, `slices.png` (before and after) and,
written last, `done.json`. It names the study's files by their hashes and the settings, so that a run that was ended
goes on where it was, and what has changed since is done anew. No study stops the batch: what cannot be read is a row of
`brains.csv` with its error.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from medley.core.errors import MedleyError
from medley.core.files import whole_file, write_json
from medley.core.records import SEQUENCES, VolumeGrid
from medley.core.workers import processes
from medley.data.preprocess.volume.bias import n4_tool
from medley.data.preprocess.volume.find import BrainStudy
from medley.data.preprocess.volume.segmentation import REGIONS
from medley.data.preprocess.volume.sequences import UNKNOWN
from medley.data.preprocess.volume.volume import PREPROCESSING_VERSION, VolumeRecord, prepare_volume, read_source

DONE = "done.json"


@dataclass(frozen=True)
class BrainRow:
    """One row of brains.csv: what a study is, where it went, and what was done. `error` where it was skipped."""

    case: str
    sequences: str = ""
    sources: str = ""
    out: str = ""
    mask: str = ""
    brain_ml: str = ""
    outline: str = ""
    tissue: str = ""
    symmetry: str = ""
    looks: str = ""
    outside_fov: str = ""
    axes: str = ""
    voxel_mm: str = ""
    oblique_degrees: str = ""
    n4: str = ""
    warnings: str = ""
    error: str = ""


def preprocess_brains(
    studies: Sequence[BrainStudy],
    out: Path | str,
    grid: VolumeGrid,
    n4: bool = False,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[BrainRow]:
    """Write each study to OUT/<name>/ and OUT/brains.csv of all that lies there. What is done already, from the same
    bytes with the same settings, is kept; what was made from other files keeps its place, and the study that would take
    it is an error. On a full disk what is finished stays, and a MedleyError says how to go on. Raises MissingExtra."""
    if n4:
        n4_tool()
    out = Path(out)
    rows: list[BrainRow] = []
    try:
        with processes(min(workers, len(studies))) as spread_over:
            for row in spread_over(partial(_one_or_why_not, out=out, grid=grid, n4=n4), studies):
                rows.append(row)
                if progress:
                    progress(len(rows), len(studies))
        _write_table(out / "brains.csv", [*rows, *_of_other_runs(out, {row.case for row in rows})])
    except OSError as error:
        kept = "what is finished stays, and the same command goes on from there"
        raise MedleyError(f"cannot write to {out}: {error.strerror or error}; {kept}") from error
    return rows


def _one_or_why_not(study: BrainStudy, out: Path, grid: VolumeGrid, n4: bool) -> BrainRow:
    try:
        return _one(study, out, grid, n4)
    except MedleyError as error:
        sources = "; ".join(str(path) for _, path in study.files)
        return BrainRow(study.name, " ".join(name for name, _ in study.files), sources, error=str(error))


def _one(study: BrainStudy, out: Path, grid: VolumeGrid, n4: bool) -> BrainRow:
    from medley.data.preprocess.volume.grid import as_ras
    from medley.data.preprocess.volume.nifti import write_nifti
    from medley.data.preprocess.volume.pictures import slices_picture

    folder = out / study.name
    key = _key(study, grid, n4)
    told = _told(folder)
    if told is not None:
        if told.is_done(folder, key):
            return told.row
        told.refuse_another(folder, study)
    files = dict(study.files)
    for source in filter(None, (*files.values(), study.segmentation, study.mask)):
        if source.resolve().parent == folder.resolve():
            raise MedleyError(f"{source} lies where its outcome would be written; choose another OUT")
    if len(files) < len(study.files):
        raise MedleyError(f"{study.name} has two files of one sequence: {', '.join(name for name, _ in study.files)}")
    volume, record = prepare_volume(files, grid, mask=study.mask, segmentation=study.segmentation, n4=n4)
    _clear(folder)
    for name, voxels in [*zip(volume.sequences, volume.voxels, strict=True), *volume.regions.items()]:
        write_nifti(folder / f"{name}.nii.gz", *as_ras(voxels, volume.affine))
    raws = {name: read_source(files[name]) for name in volume.sequences}
    png = io.BytesIO()
    slices_picture(raws, volume, f"{study.name}   mask: {record.mask}").save(png, format="PNG")
    with whole_file(folder / "slices.png") as temporary:
        temporary.write_bytes(png.getbuffer())
    row = _row(study, record)
    sizes = {path.name: path.stat().st_size for path in sorted(_written(folder))}
    write_json(folder / DONE, {"key": key, "row": asdict(row), "record": asdict(record), "files": sizes})
    return row


def _key(study: BrainStudy, grid: VolumeGrid, n4: bool) -> str:
    """Names all that the outputs are made from: the sources' bytes, the settings, the version of the path."""
    from medley.data.readers.hashing import digest

    def of(path: Path) -> str:
        try:
            return digest(path)
        except OSError as error:
            raise MedleyError(f"{path} cannot be read: {error.strerror or error}") from error

    beside = [of(path) if path else "" for path in (study.segmentation, study.mask)]
    made_from: list[Any] = [PREPROCESSING_VERSION, grid.shape, grid.fov_mm, n4, beside]
    made_from += [[name, of(path)] for name, path in study.files]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


@dataclass(frozen=True)
class _Told:
    """What `done.json` tells of a folder that was finished, of whatever files."""

    row: BrainRow
    key: str
    files: dict[str, int]  # their sizes

    def is_done(self, folder: Path, key: str) -> bool:
        """Whether it was finished from the same bytes with the same settings, and all its files are there."""
        return self.key == key and self.files == {path.name: path.stat().st_size for path in _written(folder)}

    def refuse_another(self, folder: Path, study: BrainStudy) -> None:
        """Raises MedleyError where the folder holds what became of files that lie elsewhere than the study's."""
        theirs = {Path(path).resolve() for path in self.row.sources.split("; ")}
        if theirs.isdisjoint(path.resolve() for _, path in study.files):
            raise MedleyError(
                f"{folder} was made from {self.row.sources}; choose another OUT, or remove that folder first"
            )


def _told(folder: Path) -> _Told | None:
    try:
        told = json.loads((folder / DONE).read_text(encoding="utf-8"))
        return _Told(BrainRow(**told["row"]), told["key"], told["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _of_other_runs(out: Path, names: set[str]) -> list[BrainRow]:
    """Rows of what earlier runs finished in OUT from another IN: brains.csv tells of all that lies there."""
    told = [_told(path.parent) for path in sorted(out.glob(f"*/{DONE}")) if path.parent.name not in names]
    return [one.row for one in told if one is not None]


def _written(folder: Path) -> list[Path]:
    """What a study's folder may hold beside `done.json`, as far as it is there."""
    names = [*(f"{name}.nii.gz" for name in (*SEQUENCES, UNKNOWN, *REGIONS)), "slices.png"]
    return [folder / name for name in names if (folder / name).is_file()]


def _clear(folder: Path) -> None:
    """Take away what an earlier run finished here of other bytes or settings: `done.json` first, so that nothing of it
    can be taken for finished. A folder without one is not known to be ours, and nothing is taken away."""
    if (folder / DONE).is_file():
        for path in (folder / DONE, *_written(folder)):
            path.unlink()


def _row(study: BrainStudy, record: VolumeRecord) -> BrainRow:
    def said(value: float | None) -> str:
        return "" if value is None else f"{value:g}"

    return BrainRow(
        case=study.name,
        sequences=" ".join(one.sequence for one in record.sequences),
        sources="; ".join(one.path for one in record.sequences),
        out=study.name,
        mask=record.mask,
        brain_ml=said(record.brain_ml),
        outline=said(record.outline),
        tissue=said(record.tissue),
        symmetry=said(record.symmetry),
        looks=record.looks,
        outside_fov=said(record.outside_fov),
        axes=" ".join(one.axes for one in record.sequences),
        voxel_mm="; ".join(" x ".join(f"{size:g}" for size in one.voxel_mm) for one in record.sequences),
        oblique_degrees=" ".join(said(one.oblique_degrees) for one in record.sequences),
        n4=record.n4,
        warnings="; ".join(record.warnings),
    )


def _write_table(path: Path, rows: Sequence[BrainRow]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(BrainRow)])
    for row in rows:
        values: Mapping[str, str] = vars(row)
        writer.writerow(values.values())
    with whole_file(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")
