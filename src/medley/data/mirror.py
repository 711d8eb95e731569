"""A study of a brain mirrored from left to right, with everything that names a side: voxels, masks, words and facts.

Mirrored twice it is itself again. It is the one augmentation that teaches what "left" means: a model that reads the
side from anything but the image is wrong on every second training study.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from medley.core.records import Study, Volume
from medley.language.swap import swap_report, swap_truth


def mirrored(study: Study) -> Study:
    """The study of the same brain seen in a mirror. Text that stood before the image (a note) is mirrored with it."""
    assert study.volume is not None
    case = study.case
    case = dataclasses.replace(case, text=swap_report(case.text), truth=swap_truth(case.truth))
    note = None if study.note is None else swap_report({"note": study.note})["note"]
    return dataclasses.replace(study, case=case, note=note, volume=mirror_volume(study.volume))


def mirror_volume(volume: Volume) -> Volume:
    """The grid keeps its place: what is mirrored is the brain in it, about the middle of the grid."""
    regions = {name: _flipped(of) for name, of in volume.regions.items()}
    return dataclasses.replace(volume, voxels=_flipped(volume.voxels), regions=regions)


def _flipped(voxels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(voxels[..., ::-1])
