"""Where a case's lesions are known to lie: the masks of a generated film, or the boxes that readers drew on a real one.

One adapter for both: a lesion is a label, the image it was marked on, and a mask on the square that models read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import MedleyError
from medley.core.labels import canonical
from medley.core.records import Case, ImageRef, Placement
from medley.data.cohorts.chest.cohort import read_masks
from medley.data.preprocess.geometry import inner_size, place_box, resize

# Findings with a place of their own, which differs from patient to patient. The heart, the mediastinum and oedema lie
# where they lie in everybody, so that a map of the average patient already points at them; Lung Opacity is the union of
# its children. The median share of the film under a mask of the generated chest (cohort seed 7, 800 studies), in %:
# Lung Lesion 1.9, Pleural Other 2.4, Support Devices 2.8, Atelectasis 3.0, Fracture 4.0, Consolidation 4.1,
# Pneumonia 4.7, Pneumothorax 9.2, Pleural Effusion 12.0. Not in the list: Lung Opacity 6.4, Cardiomegaly 15.4,
# Enlarged Cardiomediastinum 16.6, Edema 19.3.
FOCAL = (
    "Lung Lesion",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
    "Mass",
    "Nodule",
    "Infiltration",
    "Pleural Thickening",
)


@dataclass(frozen=True)
class Lesion:
    """One label of one image, present and marked. All its masks or boxes on that image are one."""

    label: str
    image: ImageRef
    mask_HW: np.ndarray | None = None  # bool, over the original film
    boxes: tuple[tuple[float, float, float, float], ...] = ()  # (x0, y0, x1, y1), fractions of the original film

    def on_square(self, placement: Placement) -> np.ndarray:
        """bool [px, px] on the square of a film: a pixel belongs to the lesion where at least half of it does.

        A lesion smaller than that keeps the one pixel that holds most of it.
        """
        if self.mask_HW is not None:
            if self.mask_HW.shape != (placement.height, placement.width):
                film, mask = f"{placement.height} x {placement.width}", " x ".join(map(str, self.mask_HW.shape))
                raise MedleyError(f"{self.image.path} has {film} pixels, its mask of {self.label} {mask}")
            (height, width), cover = inner_size(placement), np.zeros((placement.px, placement.px), np.float32)
            inner = np.s_[placement.top : placement.top + height, placement.left : placement.left + width]
            cover[inner] = resize(self.mask_HW.astype(np.float32), height, width)
        else:
            cover = np.zeros((placement.px, placement.px), np.float32)
            for x0, y0, x1, y1 in self.boxes:
                whole = (x0 * placement.width, y0 * placement.height, x1 * placement.width, y1 * placement.height)
                cover = np.maximum(cover, _cover(place_box(whole, placement), placement.px))
        half = cover >= 0.5
        return half if half.any() else cover == cover.max()


def lesions_of(case: Case, folder: Path) -> list[Lesion]:
    """The marked lesions of a case's images; none where nobody marked any, or where the table says absent.

    `folder` is that of the case table. Masks are of the first frontal image. Raises MedleyError for a mask file that
    is gone and for a box of an image that the case lacks.
    """
    if "masks" in case.truth:
        frontal = [image for image in case.images if image.view != "LATERAL"]
        masks = read_masks(folder / case.truth["masks"]) if frontal else {}
        return [
            Lesion(label, frontal[0], mask_HW=mask)
            for label, mask in sorted(masks.items())
            if case.labels.get(label) == 1 and mask.any()
        ]
    return _of_boxes(case, case.truth.get("boxes", ()))


def parts_of(case: Case, folder: Path) -> list[Lesion]:
    """Where the parts of the chest lie on the first frontal image, each as a `Lesion`; none where that is not known.

    `folder` is that of the case table. Raises MedleyError for a mask file that is gone.
    """
    frontal = [image for image in case.images if image.view != "LATERAL"]
    if "anatomy" not in case.truth or not frontal:
        return []
    masks = read_masks(folder / case.truth["anatomy"])
    return [Lesion(name, frontal[0], mask_HW=mask) for name, mask in sorted(masks.items()) if mask.any()]


def has_lesions(case: Case) -> bool:
    """Whether `lesions_of` may find any, without opening a file."""
    return bool(case.truth.get("masks") or case.truth.get("boxes"))


def _of_boxes(case: Case, boxes: Sequence[Mapping[str, Any]]) -> list[Lesion]:
    found: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for box in boxes:
        x0, y0, x1, y1 = box["box"]
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise MedleyError(
                f"case '{case.case_id}': the box {box['box']} of {box['label']} is no (x0, y0, x1, y1) in fractions"
            )
        found.setdefault((canonical(box["label"]), box["image"]), []).append((x0, y0, x1, y1))
    return [
        Lesion(label, _image(case, name), boxes=tuple(some))
        for (label, name), some in sorted(found.items())
        if case.labels.get(label) != 0  # a label that the table does not know is present where a reader marked it
    ]


def _image(case: Case, name: str) -> ImageRef:
    for image in case.images:
        if image.path == name or image.path.endswith(f"/{name}"):
            return image
    raise MedleyError(f"case '{case.case_id}' has a box on '{name}', which is none of its images")


def _cover(box: tuple[float, float, float, float], px: int) -> np.ndarray:
    """The share of each pixel [px, px] that lies in a box of pixels of the square."""
    edges = np.arange(px)
    across = np.clip(np.minimum(edges + 1, box[2]) - np.maximum(edges, box[0]), 0, 1)
    down = np.clip(np.minimum(edges + 1, box[3]) - np.maximum(edges, box[1]), 0, 1)
    return np.outer(down, across).astype(np.float32)
