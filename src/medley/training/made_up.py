"""Made-up studies for the battery: noise with a bright square or cube whose place is the label, and what is said of it.

Shapes: of a film px pixels; of a volume S sequences, D, H, W voxels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from medley.core.labels import BRAIN_COMPONENTS, BRAIN_LABELS, BRAIN_LOBES, CHEXPERT_14, hierarchy_breaks
from medley.core.records import Case, Film, FilmInput, ImageInput, Placement, Study, Volume, VolumeInput
from medley.core.seeds import generator

NOTES = ("short of breath for two days", "cough and fever", "fell from a ladder, chest wall pain", None)


def labels_for(reads: ImageInput) -> tuple[str, ...]:
    """The labels of made-up studies of films, or of volumes."""
    return CHEXPERT_14 if isinstance(reads, FilmInput) else BRAIN_LABELS


def made_up_studies(
    reads: ImageInput, count: int, views: int = 1, px: int | None = None, regions: Sequence[str] = ()
) -> list[Study]:
    """`count` studies of what a family reads; of films at `px` where it is given."""
    if isinstance(reads, FilmInput):
        return chest_studies(count, px or reads.px, views, regions)
    return brain_studies(count, reads, regions)


def chest_studies(count: int, image_px: int, views: int = 1, regions: Sequence[str] = ()) -> list[Study]:
    """Made-up studies: noise with a bright square whose place is the label; notes of several lengths, and none; reports
    of which some lack a section; and the place of each of `regions` on the first film."""
    studies = []
    for index in range(count):
        rng = generator("battery", index)
        labels = {name: float((index >> (column % 3)) & 1) for column, name in enumerate(CHEXPERT_14)}
        while breaks := hierarchy_breaks(labels):  # a label that its parent contradicts cannot be learned by heart
            labels |= {parent: 1.0 for _, parent in breaks}
        films: list[Film] = []
        for view in ("PA", "LATERAL")[:views]:
            pixels = rng.integers(0, 80, (image_px, image_px), dtype=np.uint8)
            for bit in range(3):
                if (index >> bit) & 1:
                    at = 2 + bit * image_px // 3
                    pixels[at : at + image_px // 4, at : at + image_px // 4] += 150
            known = _places(regions, labels) if not films else {}
            films.append(Film(view, pixels, Placement(image_px, image_px, image_px, 1.0, 0, 0), known))
        case = Case(f"toy-{index}", f"patient-{index}", "1", (), _report(index), labels, synthetic=True)
        studies.append(Study(case, tuple(films), NOTES[index % len(NOTES)]))
    return studies


def _report(index: int) -> dict[str, str]:
    """Each index has its own; those of 2, 5, 8 and so on lack an impression."""
    seen = [
        f"There is a square at {place}." for bit, place in enumerate(("top", "middle", "base")) if (index >> bit) & 1
    ]
    sections = {"findings": " ".join(seen) or "The film is clear.", "impression": f"{len(seen)} squares."}
    return sections if index % 3 != 2 else {"findings": sections["findings"]}


def _places(regions: Sequence[str], labels: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Column k of the film is region k's; a label that is absent lies nowhere."""
    places = {}
    for column, name in enumerate(regions):
        places[name] = np.zeros((16, 16), np.uint8)
        places[name][:, column % 16] = 255 * labels.get(name, 1.0)
    return places


def brain_studies(count: int, reads: VolumeInput, regions: Sequence[str] = ()) -> list[Study]:
    """Made-up volumes: the side of a bright cube, its height and its depth are bits of the index; reports of which each
    has its own words."""
    studies = []
    for index in range(count):
        rng = generator("battery brain", index)
        bits = [(index >> bit) & 1 for bit in range(3)]
        voxels_SDHW = rng.integers(1, 80, (len(reads.sequences), *reads.grid.shape), dtype=np.uint8)
        corner = [(size // 2) * bit + size // 8 for size, bit in zip(reads.grid.shape, bits[::-1], strict=True)]
        cube = tuple(slice(at, at + max(1, size // 4)) for at, size in zip(corner, reads.grid.shape, strict=True))
        voxels_SDHW[(slice(None), *cube)] += 150
        places = {name: np.zeros(reads.grid.shape, np.uint8) for name in regions}
        for place in places.values():
            place[cube] = 255
        volume = Volume(reads.sequences, voxels_SDHW, np.eye(4), reads.grid.shape, np.eye(4), places)
        labels = {name: float(bits[column % 3]) for column, name in enumerate(BRAIN_LABELS)}
        case = Case(
            case_id=f"toy-{index}",
            patient_id=f"patient-{index}",
            study_id="1",
            text={"report": _brain_report(bits)},
            labels=labels,
            truth=_brain_truth(bits),
            synthetic=True,
        )
        studies.append(Study(case, volume=volume))
    return studies


def _brain_truth(bits: Sequence[int]) -> dict:
    side, lobe = ("left", "right")[bits[0]], BRAIN_LOBES[bits[1]]
    components = [name for name, bit in zip(BRAIN_COMPONENTS, bits, strict=False) if bit]
    return {"healthy": False, "sides": side, "lobes": [lobe], "side_lobe": [[side, lobe]], "components": components}


def _brain_report(bits: Sequence[int]) -> str:
    side, lobe = ("left", "right")[bits[0]], BRAIN_LOBES[bits[1]]
    return f"There is a lesion in the {side} {lobe} lobe. {('No edema', 'Edema')[bits[2]]} is seen."
