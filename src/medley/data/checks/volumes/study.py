"""What the files of one study are together: one space, one brain, a mask that lies on it.

The same steps as `preprocess.volume.volume.prepare_volume` takes before it makes a grid, on files that were read
already, so that what training would refuse is told here in its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medley.core.errors import UnreadableImage
from medley.data.brain_sides import MidPlane, find_midplane, side_shares, sides_of
from medley.data.preprocess.volume import foreground as fg
from medley.data.preprocess.volume.align import coarse, fit_template
from medley.data.preprocess.volume.foreground import Foreground
from medley.data.preprocess.volume.grid import resample
from medley.data.preprocess.volume.likeness import judge
from medley.data.preprocess.volume.nifti import read_nifti
from medley.data.preprocess.volume.orient import voxel_mm
from medley.data.preprocess.volume.raw import RawVolume
from medley.data.preprocess.volume.segmentation import read_segmentation
from medley.data.preprocess.volume.together import check_together

_MOST_POINTS = 20_000  # of a lesion
_ONE_SIDED = 0.9  # of a lesion, from which its mirror image lies in healthy tissue


@dataclass(frozen=True)
class MaskFacts:
    """A segmentation held against its study's volume. `problem` says why it cannot be used, "" where it can.

    `outside` is the share of the lesion where the volume has no brain; `brighter` by how many
    interquartile ranges of the brain the lesion is brighter than the same place on the other side, on FLAIR, else T2,
    where it lies on one side.
    """

    path: str
    problem: str = ""
    whole_ml: float = 0.0
    outside: float = 0.0
    sides: str | None = None
    brighter: float | None = None


@dataclass(frozen=True)
class StudyFacts:
    """`skull` is "stripped", "given" (a mask file) or "on"."""

    skull: str = ""
    together: tuple[str, ...] = ()  # warnings: sequences that hardly lie in one space
    apart: str = ""  # why they do not
    unlike: tuple[str, ...] = ()  # warnings: hardly a brain, or another way up
    no_brain: str = ""  # why it is none
    mask: MaskFacts | None = None


def study_facts(raws: Mapping[str, RawVolume], mask: Path | None, segmentation: Path | None, check: bool) -> StudyFacts:
    """Of the readable files of a study, sequence -> volume, the reference first. `check` lays the template on it."""
    reference = next(iter(raws.values()))
    facts = StudyFacts()
    try:
        brain = fg.given_mask(read_nifti(mask, labels=True)) if mask else fg.stripped_brain(reference)
        facts = replace(facts, skull="on" if brain is None else brain.how)
        if brain is None or check:
            brain, facts = _laid_on(reference, brain, facts, check)
    except UnreadableImage as error:
        return replace(facts, no_brain=str(error), mask=_bare_mask(segmentation))
    try:
        facts = replace(facts, together=tuple(check_together(list(raws.values()), brain)))
    except UnreadableImage as error:
        facts = replace(facts, apart=str(error))
    if segmentation is None:
        return facts
    return replace(facts, mask=_mask_facts(segmentation, raws, brain))


def _laid_on(
    reference: RawVolume, brain: Foreground | None, facts: StudyFacts, check: bool
) -> tuple[Foreground, StudyFacts]:
    """The brain, found by the template where no skull was stripped, and what the template says of it."""
    values, affine = coarse(reference.values, reference.affine)
    seen = brain or fg.rough_brain(reference)
    inside = resample(seen.mask.astype(np.float32), seen.affine, affine, values.shape) > 0.5
    if not inside.any():
        raise UnreadableImage(f"{reference.path}: its brain mask lies elsewhere in space; was it made from this file?")
    fit = fit_template(values, affine, inside)
    if check:
        facts = replace(facts, unlike=judge(reference.path, reference.affine, fit).warnings)
    return brain or fg.brain_by_template(reference, fit), facts


def _bare_mask(segmentation: Path | None) -> MaskFacts | None:
    """Of a volume that shows no brain: only whether the segmentation is one."""
    if segmentation is None:
        return None
    try:
        read_segmentation(segmentation)
    except UnreadableImage as error:
        return MaskFacts(str(segmentation), str(error))
    return MaskFacts(str(segmentation))


def _mask_facts(path: Path, raws: Mapping[str, RawVolume], brain: Foreground) -> MaskFacts:
    reference = next(iter(raws.values()))
    try:
        raw = read_segmentation(path)
    except UnreadableImage as error:
        return MaskFacts(str(path), str(error))
    if raw.values.shape == reference.values.shape and not np.allclose(raw.affine, reference.affine, atol=1e-2):
        return MaskFacts(str(path), f"{path} has the size of {reference.path.name} and another affine")
    lesion = raw.values > 0
    millilitres = float(lesion.sum() * np.prod(voxel_mm(raw.affine)) / 1000)
    facts = MaskFacts(str(path), whole_ml=round(millilitres, 2))
    if not lesion.any():
        return facts
    index = np.argwhere(lesion)
    index = index[:: max(1, len(index) // _MOST_POINTS)]
    points_P3 = index @ raw.affine[:3, :3].T + raw.affine[:3, 3]
    inside = _sampled(brain.mask.astype(np.float32), brain.affine, points_P3) > 0.5
    plane = find_midplane(brain.mask, brain.affine)
    shown = next((raws[name] for name in ("flair", "t2") if name in raws), None)
    return replace(
        facts,
        outside=round(1 - float(inside.mean()), 4),
        sides=sides_of(lesion, raw.affine, plane),
        brighter=_brighter(points_P3, plane, shown, brain) if shown and _of_one_side(lesion, raw, plane) else None,
    )


def _of_one_side(lesion: np.ndarray, raw: RawVolume, plane: MidPlane) -> bool:
    return max(side_shares(lesion, raw.affine, plane)) >= _ONE_SIDED


def _brighter(points_P3: np.ndarray, plane: MidPlane, shown: RawVolume, brain: Foreground) -> float | None:
    """The lesion less its mirror image, over the brain's interquartile range; None where that image is not in it."""
    away = 2 * plane.right_mm(points_P3)[:, None] * np.asarray(plane.normal)
    there = _sampled(brain.mask.astype(np.float32), brain.affine, points_P3 - away) > 0.5
    if there.mean() < 0.5:
        return None
    here_P = _sampled(shown.values, shown.affine, points_P3[there])
    other_P = _sampled(shown.values, shown.affine, (points_P3 - away)[there])
    low, high = np.percentile(_sampled(shown.values, shown.affine, brain.points()), (25, 75))
    return round(float((here_P.mean() - other_P.mean()) / (high - low)), 4) if high > low else None


def _sampled(values: np.ndarray, affine: np.ndarray, points_P3: np.ndarray) -> np.ndarray:
    """The values at points in mm, 0 where the grid does not reach."""
    from scipy.ndimage import map_coordinates

    back = np.linalg.inv(affine)
    return map_coordinates(values, back[:3, :3] @ points_P3.T + back[:3, 3:], order=1, mode="constant", cval=0.0)
