"""A cohort on disk, and how a leak is planted into a copy of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from medley.core.records import Case, ImageRef
from medley.core.seeds import generator
from medley.data.cases import CaseTable, portable, write_cases
from medley.data.splits import SplitManifest, write_splits

# Those of the generated labels that 200 studies give ten positives in each third.
LABELS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Consolidation",
    "Support Devices",
)


@dataclass(frozen=True)
class Cohort:
    """A folder with cases.parquet and splits.json, and what stands in them."""

    folder: Path
    table: CaseTable
    parts: Mapping[str, tuple[str, ...]]

    @property
    def cases(self) -> Path:
        return self.folder / "cases.parquet"

    @property
    def splits(self) -> Path:
        return self.folder / "splits.json"

    def part(self, name: str) -> list[Case]:
        """The cases of a part."""
        return self.table.pick(self.parts[name])


def plant(
    folder: Path,
    cohort: Cohort,
    change: Callable[[Case], Case] = lambda case: case,
    parts: Mapping[str, Iterable[str]] | None = None,
) -> Cohort:
    """Write the cohort to `folder` with every case changed by `change`; the split fits the new table, and keeps its
    parts unless others are given."""
    cases = [portable(_indexed(change(case)), folder) for case in cohort.table.cases]
    write_cases(folder / "cases.parquet", cases, cohort.table.labels)
    table = CaseTable(tuple(_absolute(case, folder) for case in cases), cohort.table.labels, folder / "cases.parquet")
    chosen = {part: tuple(ids) for part, ids in (parts or cohort.parts).items()}
    write_splits(folder / "splits.json", SplitManifest("stratified", 1, (0.34, 0.33, 0.33), table.digest, chosen))
    return Cohort(folder, table, chosen)


def _indexed(case: Case) -> Case:
    """The case with the sha256 of its films as they now are, as `medley index` would have it."""
    images = tuple(
        replace(image, sha256=hashlib.sha256(Path(image.path).read_bytes()).hexdigest()) for image in case.images
    )
    return replace(case, images=images)


def _absolute(case: Case, folder: Path) -> Case:
    return replace(case, images=tuple(replace(image, path=str(folder / image.path)) for image in case.images))


def read_film(path: str | Path) -> np.ndarray:
    """uint8 [h, w]"""
    with Image.open(path) as image:
        return np.asarray(image)


def save_png(path: Path, pixels: np.ndarray, description: str) -> Path:
    """The film with a line of text in its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", description)
    Image.fromarray(pixels).save(path, pnginfo=info)
    return path


def shown(case: Case, path: Path) -> Case:
    """The case with this file as its film."""
    return replace(case, images=(ImageRef(case.images[0].view, str(path)),))


def evidence(about: str, labels: Mapping[str, float], skill: float) -> dict[str, float]:
    """Log-odds of each label as somebody would give them who tells sick from healthy by `skill` standard deviations;
    about the same thing always the same."""
    return {
        label: skill * (skill * (value - 0.5) + float(generator("evidence", about, label).standard_normal()))
        for label, value in labels.items()
    }


def probabilities(*log_odds: Mapping[str, float]) -> dict[str, float]:
    """What follows from independent pieces of evidence."""
    return {label: 1 / (1 + math.exp(-sum(one[label] for one in log_odds))) for label in log_odds[0]}
