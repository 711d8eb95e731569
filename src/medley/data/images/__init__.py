"""How the images of a case become a Study: films of a chest, or the volume of a brain. Nothing else of data, training
and scoring knows which of the two it is.

Shapes: N cases, px pixels of a film; D, H, W voxels of a volume.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from medley.core.records import Case, ImageRef, Study

Augmenting = Literal["mirror", "light", "full"]  # of training images, a little to all that there is


class Images(Protocol):
    """The images of an opened source; made by `films.open_films` or `volumes.open_volumes`."""

    @property
    def noun(self) -> str:
        """What one of them is called, in the singular: film, volume."""

    @property
    def order(self) -> tuple[str, ...]:
        """The views that are read, in their order."""

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Path -> why, of the files that cannot be read: they are left out, and counted in data.json."""

    @property
    def store(self) -> Path | None:
        """The folder in which they lie decoded; None where files are decoded each time."""

    def wanted(self, case: Case) -> list[ImageRef]:
        """The images of the case that the recipe asks for, whether they can be read or not."""

    def groups(self, case: Case) -> list[tuple[ImageRef, ...]]:
        """The readable images of the case in the groups that the model reads together, the first one first; empty where
        there is nothing to read."""

    def study(self, case: Case, images: Sequence[ImageRef], note: str | None) -> Study:
        """The case with one group of its images read."""

    def with_regions(self, study: Study, names: Collection[str]) -> Study:
        """The study with what is known of where things lie in its images."""

    def augmented(self, study: Study, images: Sequence[ImageRef], seed: int, epoch: int, how: Augmenting) -> Study:
        """The study as it is seen in this epoch of a training: a draw keyed by (seed, epoch, case, image). `mirror`: no
        more than mirrored, which films never are; `light`: volumes also moved by whole voxels and regraded; `full`."""

    def blank(self, study: Study) -> Study:
        """The study with images that show nothing."""

    def first_images(self, cases: Sequence[Case]) -> np.ndarray:
        """uint8 [N, px, px] or [N, D, H, W]: what is read first of each case, for floors that look no further."""
