"""Films as a source reads them: decoded once into shards or file by file, grouped by view, augmented, not mirrored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from medley.core.errors import UnreadableImage
from medley.core.records import Case, Film, FilmInput, ImageRef, Study
from medley.core.seeds import generator
from medley.data.augment import apply, draw
from medley.data.cases import CaseTable
from medley.data.images import Augmenting
from medley.data.regions import moved, with_regions

_WORTH_PROCESSES = 500  # films; fewer are decoded before other processes have started


class HasView(Protocol):
    """A film or a reference to one."""

    @property
    def view(self) -> str:
        """One of VIEWS."""


V = TypeVar("V", bound=HasView)
Tick = Callable[[str, int, int], None] | None


@dataclass(frozen=True)
class Films:
    """The films of a source: `order` names the views that are read, in their order."""

    reads: FilmInput
    order: tuple[str, ...]
    read_film: Callable[[ImageRef], Film]
    unreadable: Mapping[str, str]
    folder: Path | None  # of the case table, which masks are relative to
    store: Path | None = None
    noun: str = "film"

    def wanted(self, case: Case) -> list[ImageRef]:
        return [image for image in case.images if image.view in self.order]

    def groups(self, case: Case) -> list[tuple[ImageRef, ...]]:
        return group_views(self._readable(case), self.reads.views, self.order)

    def first(self, case: Case) -> ImageRef:
        """The film that is read first: the frontal one, where there is one."""
        return group_views(self._readable(case), 1, self.order)[0][0]

    def _readable(self, case: Case) -> list[ImageRef]:
        return [image for image in self.wanted(case) if image.path not in self.unreadable]

    def study(self, case: Case, images: Sequence[ImageRef], note: str | None) -> Study:
        return Study(case, tuple(self.read_film(image) for image in images), note)

    def with_regions(self, study: Study, names: Collection[str]) -> Study:
        if not names or self.folder is None:
            return study
        return dataclasses.replace(study, films=with_regions(study.case, study.films, names, self.folder))

    def augmented(self, study: Study, images: Sequence[ImageRef], seed: int, epoch: int, how: Augmenting) -> Study:
        if how != "full":
            return study
        films, case = [], study.case
        for image, film in zip(images, study.films, strict=True):
            drawn = draw(generator("augment", seed, epoch, case.case_id, case.images.index(image)))
            films.append(dataclasses.replace(film, pixels=apply(drawn, film.pixels), regions=moved(drawn, film)))
        return dataclasses.replace(study, films=tuple(films))

    def blank(self, study: Study) -> Study:
        films = tuple(dataclasses.replace(film, pixels=np.zeros_like(film.pixels)) for film in study.films)
        return dataclasses.replace(study, films=films)

    def first_images(self, cases: Sequence[Case]) -> np.ndarray:
        return np.stack([self.read_film(self.first(case)).pixels for case in cases])


def open_films(
    reads: FilmInput,
    order: tuple[str, ...],
    shards: str | None,
    table: CaseTable,
    needed: Sequence[str],
    cache: Path,
    workers: int,
    tick: Tick = None,
) -> Films:
    """The films of a table. `shards` is auto (decoded once into `cache`), a folder of `medley shards`, or None. Without
    shards the films of the `needed` cases are decoded once for nothing but to know which cannot be: one bad film must
    not end a training in its second hour."""
    from medley.data.shards import build_shards, open_shards

    px, root = reads.px, table.path.parent if table.path else None
    if shards is None:
        images = [image for case in table.pick(needed) for image in case.images if image.view in order]
        return Films(reads, order, partial(_decode, px=px), _undecodable(images, px, workers, tick), root)
    if shards != "auto":
        opened = open_shards(shards, px)
        why = f"is not in the shards {shards}; their skipped.csv lists what could not be read"
        lacking = [image.path for case in table.cases for image in case.images if image not in opened]
        return Films(reads, order, opened.film, {path: f"{path} {why}" for path in lacking}, root, Path(shards))
    folder = cache / "shards" / f"{table.digest}-{px}"
    told = (lambda done, total: tick("decoding films", done, total)) if tick else None
    report = build_shards(table, folder, px, workers, told, wait=True)  # two trainings may start together
    unreadable = {one.path: one.reason for one in report.skipped}
    return Films(reads, order, open_shards(folder, px).film, unreadable, root, folder)


def _undecodable(images: Sequence[ImageRef], px: int, workers: int, tick: Tick) -> dict[str, str]:
    from medley.core.workers import spread

    found = {}
    reasons = spread(partial(_why_not, px=px), images, workers if len(images) > _WORTH_PROCESSES else 1)
    for done, (image, reason) in enumerate(zip(images, reasons, strict=True), start=1):
        if reason is not None:
            found[image.path] = reason
        if tick:
            tick("checking films", done, len(images))
    return found


def _why_not(image: ImageRef, px: int) -> str | None:
    try:
        _decode(image, px)
    except UnreadableImage as error:
        return str(error)
    return None


def _decode(image: ImageRef, px: int) -> Film:
    from medley.data.preprocess.film import load_film

    return load_film(image.path, px, image.view)


def group_views(items: Sequence[V], views: int, order: Sequence[str]) -> list[tuple[V, ...]]:
    """Films of one study, anything with a `view`, in the groups that a model reads: in this order (what it does not
    name comes last), each alone, or frontals with laterals."""
    place = {view: number for number, view in enumerate(order)}
    items = sorted(items, key=lambda item: place.get(item.view, len(place)))
    if views == 1:
        return [(item,) for item in items]
    lateral = [item for item in items if item.view == "LATERAL"]
    frontal = [item for item in items if item.view != "LATERAL"]
    return [tuple(one for one in pair if one is not None) for pair in zip_longest(frontal, lateral)]
