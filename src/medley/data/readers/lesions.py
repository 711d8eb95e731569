"""What a segmentation in BraTS labels says of a brain study: sides, lobes, parts, volumes. For readers of brains."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LABELS, BRAIN_LOBES, LOBE_SHARE
from medley.core.records import SEQUENCES, Case
from medley.data.preprocess.volume.orient import voxel_mm
from medley.data.preprocess.volume.raw import RawVolume
from medley.data.readers.reading import Reading, Remarks

LEAST_ML = 0.35  # of a part: a few voxels of a label are the edge of another


def truth_of_segmentation(segmentation: Path, image: Path) -> dict[str, Any]:
    """The truth of a study from its segmentation and one of its images, of which the brain mask is needed for the
    sides. Lobes are those of the template, laid on by its outline: good to a centimetre. Raises UnreadableImage."""
    from medley.data.brain_sides import find_midplane, sides_of
    from medley.data.preprocess.volume.foreground import stripped_brain
    from medley.data.preprocess.volume.segmentation import LESION, parts_of, read_segmentation
    from medley.data.preprocess.volume.volume import read_source

    raw = read_segmentation(segmentation)
    parts = parts_of(raw.values)
    millilitres = abs(float(np.linalg.det(raw.affine[:3, :3]))) / 1000
    volumes = {name: round(float(part.sum()) * millilitres, 2) for name, part in parts.items()}
    truth: dict[str, Any] = {
        "healthy": not parts[LESION].any(),
        "volumes_ml": {("whole" if name == LESION else name): ml for name, ml in volumes.items()},
        "segmentation": str(segmentation.resolve()),
    }
    if len(parts) > 1:
        present = [name for name in parts if name != LESION and volumes[name] >= LEAST_ML]
        truth["components"] = [name for name in BRAIN_COMPONENTS if name in present]
    if truth["healthy"]:
        return truth
    brain = stripped_brain(_thinned(read_source(image)))
    if brain is None:
        return truth
    plane = find_midplane(brain.mask, brain.affine)
    sides = sides_of(parts[LESION], raw.affine, plane)
    return truth | {"sides": sides} | _places(parts[LESION], raw.affine, brain.mask, brain.affine)


def _thinned(raw: RawVolume) -> RawVolume:
    """About every second millimetre of a volume: enough for its outline, and an eighth of the work."""
    strides = np.maximum(1, (2.0 // voxel_mm(raw.affine)).astype(int))
    affine = raw.affine @ np.diag([*strides, 1.0])
    return replace(raw, values=raw.values[tuple(slice(None, None, int(stride)) for stride in strides)], affine=affine)


def _places(lesion: np.ndarray, affine: np.ndarray, brain: np.ndarray, brain_affine: np.ndarray) -> dict[str, Any]:
    """Lobes, and pairs of side and lobe, that hold enough of the lesion; sides here are the template's."""
    from medley.data.cohorts.brain.lobes import lobe_at
    from medley.data.preprocess.volume.align import outline_fit

    index = np.argwhere(lesion)
    index = index[:: max(1, len(index) // 20_000)]
    world = np.c_[index @ affine[:3, :3].T + affine[:3, 3], np.ones(len(index))]
    mni = (np.linalg.inv(outline_fit(brain, brain_affine)) @ world.T)[:3]
    lobes = lobe_at(mni.astype(np.float32))
    counts = Counter(
        ("left" if x < 0 else "right", BRAIN_LOBES[lobe]) for x, lobe in zip(mni[0], lobes, strict=True) if lobe >= 0
    )
    pairs = [pair for pair, count in counts.most_common() if count >= LOBE_SHARE * len(index)]
    pairs = pairs or [pair for pair, _ in counts.most_common(1)]
    return {
        "lobes": [lobe for lobe in BRAIN_LOBES if any(lobe == pair[1] for pair in pairs)],
        "side_lobe": [list(pair) for pair in pairs],
    }


def labels_of(truth: Mapping[str, Any]) -> dict[str, float]:
    """The label columns of a brain table as far as the truth tells them; nan what it does not."""
    if truth.get("healthy"):
        return dict.fromkeys(BRAIN_LABELS, 0.0)
    labels = dict.fromkeys(BRAIN_LABELS, math.nan)
    labels["Lesion"] = 1.0 if "healthy" in truth else math.nan
    if "components" in truth:
        labels |= {"Edema": float("edema" in truth["components"]), "Necrosis": float("necrosis" in truth["components"])}
    return labels


def reading(cases: Sequence[Case], labels: Sequence[str], remarks: Remarks) -> Reading:
    """The cases with their images in the order of SEQUENCES. Raises MedleyError, with why, when there are none."""
    if not cases:
        raise MedleyError(f"no usable study was found: {'; '.join(remarks.lines()) or 'there is no volume'}")
    assert all(image.view in SEQUENCES for case in cases for image in case.images)
    return Reading(tuple(cases), tuple(labels), remarks.lines(), remarks.left_out)


def plain_report(text: str) -> str:
    """White space collapsed, and a full stop at the end: how TextBraTS reports are cleaned for training and scoring."""
    words = " ".join(text.split())
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."
