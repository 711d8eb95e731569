"""The files of one study -> `core.records.Volume`, and a record of what was done: the one path for every source.

    read        NIfTI or a DICOM series, each sequence with its own grid and affine
    brain mask  on the reference sequence: FLAIR, else T1, T1c, T2 (`foreground`)
    judge       laid on the MNI152 template: is it a brain, the right way up? (`likeness`)
    N4          where asked for, each sequence on its own grid (`bias`)
    grid        a fixed field of view centred on the mask; each sequence in one interpolation (`grid`)
    intensity   inside the mask p0.5..p99.5 -> 1..255, outside 0

Nothing depends on where a file lies, what it is called, or what is known of its patient: healthy and ill go one way.
Whatever changes a voxel must raise `PREPROCESSING_VERSION`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medley.core.errors import MedleyError, UnreadableImage, nearest
from medley.core.records import SEQUENCES, Volume, VolumeGrid
from medley.data.preprocess.volume import foreground as fg
from medley.data.preprocess.volume.align import coarse, fit_template
from medley.data.preprocess.volume.bias import corrected, n4_tool
from medley.data.preprocess.volume.foreground import Foreground
from medley.data.preprocess.volume.grid import grid_affine, lies_on, resample, resample_inside
from medley.data.preprocess.volume.likeness import Likeness, judge
from medley.data.preprocess.volume.nifti import read_nifti
from medley.data.preprocess.volume.orient import axis_codes, oblique_degrees, voxel_mm
from medley.data.preprocess.volume.raw import RawVolume
from medley.data.preprocess.volume.segmentation import regions_of
from medley.data.preprocess.volume.sequences import UNKNOWN
from medley.data.preprocess.volume.series import read_series
from medley.data.preprocess.volume.together import check_together

PREPROCESSING_VERSION = 1
PERCENTILES = (0.5, 99.5)
_INSIDE_SHARE = 0.5  # of a voxel of the grid that must lie in the brain mask
_CUT_SHARE = 0.01  # of the brain that may lie outside the field of view without a warning


@dataclass(frozen=True)
class SequenceRecord:
    """What one file was: its axes as stored (`LPS`), voxels in mm, the largest tilt against the patient's axes."""

    sequence: str
    path: str
    axes: str
    voxel_mm: tuple[float, float, float]
    oblique_degrees: float


@dataclass(frozen=True)
class VolumeRecord:
    """What was done to make a Volume, for `brains.csv` and the logs; `warnings` are one line each."""

    sequences: tuple[SequenceRecord, ...]
    mask: str  # given, stripped, antspyx, template
    brain_ml: float
    n4: str = ""  # the package that did it
    outline: float | None = None  # likeness to the template; None where it was not asked
    tissue: float | None = None
    symmetry: float | None = None
    looks: str = ""  # axis codes under which it looks like a brain, where not its own
    outside_fov: float = 0.0  # share of the brain mask
    warnings: tuple[str, ...] = ()


def load_volume(
    files: Mapping[str, Path | str],
    grid: VolumeGrid,
    *,
    mask: Path | str | None = None,
    segmentation: Path | str | None = None,
    n4: bool = False,
    check: bool = True,
) -> Volume:
    """As `prepare_volume`, without the record."""
    return prepare_volume(files, grid, mask=mask, segmentation=segmentation, n4=n4, check=check)[0]


def prepare_volume(
    files: Mapping[str, Path | str],
    grid: VolumeGrid,
    *,
    mask: Path | str | None = None,
    segmentation: Path | str | None = None,
    n4: bool = False,
    check: bool = True,
) -> tuple[Volume, VolumeRecord]:
    """Sequence -> file (NIfTI, or the folder of a DICOM series) on the grid, and what was done.

    `mask` is a brain mask, `segmentation` one in BraTS labels; both may lie on any grid of the same space. `check`
    holds the volume against the template; without it stripped volumes load several times as fast, and nothing else
    changes. Raises UnreadableImage or MedleyError, one line by name.
    """
    raws = _read(files)
    reference = next(iter(raws.values()))
    if n4:
        n4_tool()  # before the work, not after
    brain = _brain(raws, mask)
    likeness: Likeness | None = None
    if brain is None or check:
        brain, likeness = _by_template(reference, brain, check)
    warnings = [f"{raw.path.name}: {said}" for raw in raws.values() for said in raw.warnings]
    warnings += [*brain.warnings, *(likeness.warnings if likeness else ())]
    warnings += check_together(list(raws.values()), brain)
    at, outside = _place(grid, reference, brain)
    if outside > _CUT_SHARE:
        warnings.append(f"{outside:.0%} of the brain lie outside the field of view")
    if n4:
        raws = {
            name: replace(raw, values=corrected(raw.values, raw.affine, _mask_on(brain, raw)))
            for name, raw in raws.items()
        }
    volume = Volume(
        sequences=tuple(raws),
        voxels=_voxels(raws, brain, at, grid.shape),
        affine=at,
        source_shape=reference.values.shape,
        source_affine=reference.affine,
        regions={} if segmentation is None else regions_of(segmentation, reference, at, grid.shape),
    )
    record = VolumeRecord(
        sequences=tuple(_sequence_record(name, raw) for name, raw in raws.items()),
        mask=brain.how,
        brain_ml=round(brain.millilitres, 1),
        n4=n4_tool() if n4 else "",
        tissue=round(likeness.tissue, 4) if likeness else None,
        symmetry=round(likeness.symmetry, 4) if likeness else None,
        outline=round(likeness.outline, 4) if likeness else None,
        looks=likeness.looks if likeness else "",
        outside_fov=round(outside, 4),
        warnings=tuple(warnings),
    )
    return volume, record


def read_source(path: Path | str) -> RawVolume:
    """One sequence from what lies there: a folder is a DICOM series, a file NIfTI. Raises UnreadableImage."""
    path = Path(path)
    if path.is_dir():
        return read_series(path)
    if path.is_file():
        with path.open("rb") as file:
            if file.read(132)[128:] == b"DICM":
                return read_series(path)  # which says that it takes the folder
    return read_nifti(path)


def _read(files: Mapping[str, Path | str]) -> dict[str, RawVolume]:
    """In the order of SEQUENCES: the first is the reference, on which the mask is found."""
    if not files:
        raise MedleyError("a volume needs at least one sequence")
    known = (*SEQUENCES, UNKNOWN)
    for name in files:
        if name not in known:
            raise MedleyError(f"unknown sequence '{name}'{nearest(name, SEQUENCES)}")
    return {name: read_source(files[name]) for name in sorted(files, key=known.index)}


def _brain(raws: Mapping[str, RawVolume], mask: Path | str | None) -> Foreground | None:
    """The mask that is given or to be seen; None where the template must find it."""
    reference = next(iter(raws.values()))
    if mask is not None:
        return fg.given_mask(read_nifti(mask, labels=True))
    return fg.stripped_brain(reference)


def _by_template(reference: RawVolume, brain: Foreground | None, check: bool) -> tuple[Foreground, Likeness | None]:
    """The template laid on the reference: the mask from it where there is none yet, and the verdict where asked."""
    values, affine = coarse(reference.values, reference.affine)
    seen = brain or fg.rough_brain(reference)
    inside = resample(seen.mask.astype(np.float32), seen.affine, affine, values.shape) > _INSIDE_SHARE
    if not inside.any():
        raise UnreadableImage(f"{reference.path}: its brain mask lies elsewhere in space; was it made from this file?")
    fit = fit_template(values, affine, inside)
    likeness = judge(reference.path, reference.affine, fit) if check else None
    return brain or fg.brain_by_template(reference, fit), likeness


def _place(grid: VolumeGrid, reference: RawVolume, brain: Foreground) -> tuple[np.ndarray, float]:
    """The grid's affine, centred on the brain's box without its outermost 0.5 %, and the share of the brain outside."""
    lying = brain.points()
    if lies_on(grid, reference.values.shape, reference.affine):
        centre = (reference.affine @ [*(np.array(reference.values.shape) - 1) / 2, 1])[:3]
    else:
        centre = np.percentile(lying, PERCENTILES, axis=0).mean(0)
    half = np.array(grid.fov_mm[::-1]) / 2
    outside = 1 - float((np.abs(lying - centre) <= half).all(1).mean())
    return grid_affine(grid, [float(mm) for mm in centre]), outside


def _mask_on(brain: Foreground, raw: RawVolume) -> np.ndarray:
    """The brain mask on the grid of another file, by the nearest voxel."""
    from scipy.ndimage import affine_transform

    path = np.linalg.inv(brain.affine) @ raw.affine
    return affine_transform(brain.mask.astype(np.uint8), path[:3, :3], path[:3, 3], raw.values.shape, order=0) > 0


def _voxels(
    raws: Mapping[str, RawVolume], brain: Foreground, at: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """uint8 [S, D, H, W] under the contract of `Volume`."""
    share = resample(brain.mask.astype(np.float32), brain.affine, at, shape)
    inside = share >= _INSIDE_SHARE
    voxels = np.zeros((len(raws), *shape), np.uint8)
    for place, raw in enumerate(raws.values()):
        values = resample_inside(raw.values, raw.affine, brain.mask, brain.affine, at, share)
        voxels[place][inside] = quantised(values[inside], raw.path)
    return voxels


def quantised(values: np.ndarray, path: Path) -> np.ndarray:
    """What lies inside the brain -> uint8: p0.5..p99.5 to 1..255, clipped. Raises UnreadableImage where it is flat."""
    low, high = np.percentile(values, PERCENTILES) if values.size else (0.0, 0.0)
    if high - low <= 1e-4 * max(abs(high), abs(low)):  # what interpolation makes of one value
        raise UnreadableImage(f"{path} has one value all over the brain; there is nothing on it")
    return np.rint(1 + 254 * ((values - low) / (high - low)).clip(0, 1)).astype(np.uint8)


def _sequence_record(name: str, raw: RawVolume) -> SequenceRecord:
    sizes: Sequence[float] = [round(float(size), 3) for size in voxel_mm(raw.affine)]
    tilt = round(oblique_degrees(raw.affine), 1)
    return SequenceRecord(name, str(raw.path), axis_codes(raw.affine), (sizes[0], sizes[1], sizes[2]), tilt)
