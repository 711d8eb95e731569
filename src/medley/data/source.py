"""Where a recipe's studies come from: its `data` section, opened into parts that training and scoring read alike.

A generated cohort, its shards and its split are kept in a cache folder (MEDLEY_CACHE, else ~/.cache/medley), named by
what they were made from, so that the same recipe finds them again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import zip_longest
from pathlib import Path
from typing import Literal, Protocol, TypeVar

import numpy as np
from pydantic import Field, model_validator

from medley.core.config import Config
from medley.core.errors import MedleyError, UnreadableImage
from medley.core.records import Case, Film, ImageRef, Study
from medley.data.cases import CaseTable, read_cases
from medley.data.policies import LabelPolicy
from medley.data.policies import apply as apply_policy
from medley.data.splits import SplitManifest, make_split, read_splits

Progress = Callable[[str, int, int], None]  # what is being made, how many of it are done, of how many
PARTS = ("train", "dev", "test")
_WORTH_PROCESSES = 500  # films; fewer are decoded before other processes have started


class HasView(Protocol):
    """A film or a reference to one."""

    @property
    def view(self) -> str:
        """One of VIEWS."""


V = TypeVar("V", bound=HasView)


class LeakBudget(Config):
    """How well text alone may tell the labels: the largest AUROC of a probe that sees the notes and no film."""

    macro: float = Field(0.70, ge=0.5, le=1)
    """Mean over the labels."""
    label: float = Field(0.85, ge=0.5, le=1)
    """Each label."""


class NotesConfig(Config):
    """Which clinical notes the model reads beside the film."""

    regime: Literal["none", "real", "sim", "seed_leaky"] = "real"
    """none: no study has one; real: the table's indication, history and note sections; sim: the simulation; seed_leaky:
    notes that give the labels away, the audit's positive control."""
    strength: float = Field(1.0, ge=0, le=1)
    """sim only: scales what the notes give away, 0 nothing, 1 the table of causes."""
    seed: int = 0
    """sim only: seeds the notes."""
    reword: bool = True
    """sim only, and no file: each epoch tells a training study's story in other words; its facts stay, and so do the
    notes of dev and test."""
    file: str | None = None
    """A file of `medley notes make`, read instead of making them; it must be of this regime."""
    leak_budget: LeakBudget = LeakBudget()
    """What the audit before training lets the notes give away."""
    i_know_this_leaks: bool = False
    """Train even where the audit stops the notes; the run, its scorecards and its answers are marked as leaky."""


class DataConfig(Config):
    """Either a generated cohort (`cohort`, with `cases` a number) or a table (`cases` a path, with `splits`)."""

    cohort: str | None = None
    """The family whose cohort is generated."""
    cases: int | str
    """How many studies to generate, or the path of a case table."""
    seed: int = 7
    """Seeds the cohort and its split."""
    difficulty: Literal["easy", "default", "hard"] = "default"
    """How hard the cohort's findings are to see."""
    splits: str | None = None
    """The split manifest of the table, written by `medley split`."""
    views: tuple[Literal["PA", "AP", "LATERAL", "UNKNOWN"], ...] = ("PA", "AP", "UNKNOWN", "LATERAL")
    """Films of other views are left out; those of a study are read in this order."""
    notes: NotesConfig = NotesConfig()
    """The notes that go with the films."""
    uncertain: str | dict[str, str] = "ignore"
    """What -1 becomes: ignore, zeros, ones, smooth_zeros, smooth_ones or multiclass; or a mapping of label to one."""
    blank: Literal["mask", "negative"] = "mask"
    """What an empty label becomes."""
    labels: tuple[str, ...] | None = None
    """Train and score only these labels of the table; null means all."""
    shards: str | None = "auto"
    """auto: decode once into the cache; a folder of `medley shards`; null: decode files each time."""

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        if self.cohort is not None and not isinstance(self.cases, int):
            raise ValueError(f"with cohort, cases must be a number of studies, not '{self.cases}'")
        if self.cohort is None and (isinstance(self.cases, int) or self.splits is None):
            raise ValueError("without cohort, cases must be the path of a case table and splits that of its manifest")
        return self


@dataclass(frozen=True)
class Source:
    """Opened data: the table, its parts, and how a case becomes a Study and its targets."""

    config: DataConfig
    table: CaseTable
    manifest: SplitManifest
    labels: tuple[str, ...]
    policy: LabelPolicy
    notes: Mapping[str, str | None]
    read_film: Callable[[ImageRef], Film]
    unreadable: Mapping[str, str]  # path of a film that cannot be decoded -> why: left out, and counted in data.json

    @cached_property
    def parts(self) -> dict[str, list[Case]]:
        """train, dev, test: the cases that have a readable film of a wanted view."""
        picked = {part: self.table.pick(ids) for part, ids in self.manifest.parts.items()}
        return {part: [case for case in cases if self._films(case)] for part, cases in picked.items()}

    def require(self, part: str) -> None:
        """Raises MedleyError where a part has no study with a readable film."""
        if not self.parts.get(part):
            reasons = self.left_out(part).values() if part in self.parts else ()
            why = next((f"; first: {reason}" for reason in reasons), "")
            wanted = f"a film of {', '.join(self.config.views)} that can be read"
            raise MedleyError(f"{self.table.path}: the part '{part}' has no study with {wanted}{why}")

    def left_out(self, part: str) -> dict[str, str]:
        """Case id -> why, of the studies of a part that have no film, or none that can be read.

        A study with films of other views alone is not among them: the recipe does not ask for it.
        """
        kept = {case.case_id for case in self.parts[part]}
        reasons = {}
        for case in self.table.pick(self.manifest.parts[part]):
            wanted = [image for image in case.images if image.view in self.config.views]
            if case.case_id not in kept and (wanted or not case.images):
                reasons[case.case_id] = self.unreadable[wanted[0].path] if wanted else "the case table names no film"
        return reasons

    def _films(self, case: Case) -> list[ImageRef]:
        return [i for i in case.images if i.view in self.config.views and i.path not in self.unreadable]

    def groups(self, case: Case, per_study: int) -> list[tuple[ImageRef, ...]]:
        """The films of a study in groups of at most `per_study` (1 or 2): each film, or frontals with laterals."""
        return group_views(self._films(case), per_study, self.config)

    def study(self, case: Case, images: Sequence[ImageRef]) -> Study:
        """The case with these films read and its note."""
        return Study(case, tuple(self.read_film(image) for image in images), self.notes.get(case.case_id))

    def note_told_again(self, case: Case, telling: int) -> str | None:
        """The note of a case for training: as it is written (`telling` 0, and all notes but simulated ones), or the
        same story in other words."""
        config = self.config.notes
        if not (config.regime == "sim" and config.reword and config.file is None):
            return self.notes.get(case.case_id)
        from medley.data.notes_sim import simulate_note

        return simulate_note(case, config.strength, config.seed, telling)

    def targets(self, case: Case, seed: int) -> np.ndarray:
        """float32 [C] under the label policy; nan is masked."""
        return apply_policy(case.labels, self.labels, self.policy, seed, case.case_id)

    def known_labels(self, case: Case) -> dict[str, int | None]:
        """What scoring holds against the model: 1, 0, or None. Uncertain is always None; blank is as in training."""
        certain = LabelPolicy("ignore", self.config.blank)
        values = dict(zip(self.labels, apply_policy(case.labels, self.labels, certain, 0, case.case_id), strict=True))
        return {name: int(value) if value in (0.0, 1.0) else None for name, value in values.items()}

    def prevalence(self, part: str = "train") -> dict[str, float]:
        """Share of positives among the known labels of a part; 0.5 where none is known."""
        targets = np.stack([self.targets(case, seed=0) for case in self.parts[part]])
        targets[targets < 0] = np.nan
        known = (~np.isnan(targets)).sum(0)
        positive = np.nansum(targets, 0)
        return {name: float(positive[i] / known[i]) if known[i] else 0.5 for i, name in enumerate(self.labels)}


def open_source(
    config: DataConfig, image_px: int, progress: Progress | None = None, needed: Sequence[str] = PARTS
) -> Source:
    """Open a recipe's data: generate or read the table, split it, write the notes, decode the films on all cores.

    Films that cannot be decoded are left out and listed. Raises MedleyError where a part of `needed` has no case left,
    or a label is unknown. A test part that the manifest leaves empty is no hindrance before it is asked for alone.
    """
    from medley.core.labels import require_labels

    workers = os.cpu_count() or 1
    table, manifest = _table_and_split(config, workers, progress)
    labels = table.labels
    if config.labels is not None:
        labels = tuple(require_labels(config.labels, table.labels, f"{table.path}: data.labels"))
    if not labels:
        raise MedleyError(f"{table.path} has no label column; there is nothing to learn or score")
    policy = LabelPolicy(config.uncertain, config.blank)
    policy.check(labels)
    parts = [case_id for part in needed for case_id in manifest.parts.get(part, ())]
    read_film, unreadable = _film_reader(config, table, parts, image_px, workers, progress)
    source = Source(
        config=config,
        table=table,
        manifest=manifest,
        labels=labels,
        policy=policy,
        notes=_notes(config.notes, table),
        read_film=read_film,
        unreadable=unreadable,
    )
    for part in needed:
        if part != "test" or len(needed) == 1 or manifest.parts["test"]:
            source.require(part)
    return source


def _notes(config: NotesConfig, table: CaseTable) -> dict[str, str | None]:
    from medley.data.notes import make_notes, read_notes

    if config.file is None:
        return make_notes(table.cases, config.regime, config.strength, config.seed)
    read = read_notes(config.file)
    if read.regime != config.regime:
        raise MedleyError(f"{config.file} holds notes of regime '{read.regime}', the recipe says '{config.regime}'")
    lacking = [case.case_id for case in table.cases if case.case_id not in read.notes]
    if lacking:
        raise MedleyError(f"{config.file} lacks {len(lacking)} cases of {table.path}, first '{lacking[0]}'")
    return dict(read.notes)


def preprocessing_versions() -> dict[str, int]:
    """Kind of image -> version of the path from its bytes to pixels. A model reads pixels of its own version only."""
    from medley.data.preprocess.film import PREPROCESSING_VERSION

    return {"film": PREPROCESSING_VERSION}


def cache_folder() -> Path:
    """MEDLEY_CACHE, else ~/.cache/medley."""
    return Path(os.environ.get("MEDLEY_CACHE") or Path.home() / ".cache" / "medley")


def _table_and_split(config: DataConfig, workers: int, progress: Progress | None) -> tuple[CaseTable, SplitManifest]:
    if config.cohort is None:
        table = read_cases(str(config.cases))
        return table, read_splits(str(config.splits), table)
    from medley.data.cohorts import cohort_of, cohort_version

    version = cohort_version(config.cohort)
    name = f"{config.cohort}-v{version}-{config.cases}-{config.seed}-{config.difficulty}"
    folder = cache_folder() / "cohorts" / name
    if not (folder / "cases.parquet").is_file():
        count = int(config.cases)
        tick = (lambda done: progress("drawing the cohort", done, count)) if progress else None
        cohort_of(config.cohort)(folder, count, config.seed, config.difficulty, workers=workers, progress=tick)
    table = read_cases(folder / "cases.parquet")
    return table, make_split(table, by="hash", seed=config.seed)


def _film_reader(
    config: DataConfig,
    table: CaseTable,
    needed: Sequence[str],
    image_px: int,
    workers: int,
    progress: Progress | None,
) -> tuple[Callable[[ImageRef], Film], dict[str, str]]:
    """How a film is read, and path -> why of those that cannot be. Without shards the films of the `needed` cases are
    decoded once for nothing but that: one bad film must not end a training in its second hour."""
    from medley.data.shards import build_shards, open_shards

    if config.shards is None:
        images = [i for case in table.pick(needed) for i in case.images if i.view in config.views]
        return partial(_decode, px=image_px), _undecodable(images, image_px, workers, progress)
    if config.shards != "auto":
        shards = open_shards(config.shards, image_px)
        why = f"is not in the shards {config.shards}; their skipped.csv lists what could not be read"
        lacking = [image.path for case in table.cases for image in case.images if image not in shards]
        return shards.film, {path: f"{path} {why}" for path in lacking}
    folder = cache_folder() / "shards" / f"{table.digest}-{image_px}"
    tick = (lambda done, total: progress("decoding films", done, total)) if progress else None
    report = build_shards(table, folder, image_px, workers, tick, wait=True)  # two trainings may start together
    return open_shards(folder, image_px).film, {one.path: one.reason for one in report.skipped}


def _undecodable(images: Sequence[ImageRef], px: int, workers: int, progress: Progress | None) -> dict[str, str]:
    from medley.core.workers import spread

    found = {}
    reasons = spread(partial(_why_not, px=px), images, workers if len(images) > _WORTH_PROCESSES else 1)
    for done, (image, reason) in enumerate(zip(images, reasons, strict=True), start=1):
        if reason is not None:
            found[image.path] = reason
        if progress:
            progress("checking films", done, len(images))
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


def group_views(items: Sequence[V], per_study: int, config: DataConfig) -> list[tuple[V, ...]]:
    """Films of one study, anything with a `view`, in the groups that a model reads: in the order of `config.views`
    (what it does not name comes last), each alone, or frontals with laterals."""
    order: dict[str, int] = {view: place for place, view in enumerate(config.views)}
    items = sorted(items, key=lambda item: order.get(item.view, len(order)))
    if per_study == 1:
        return [(item,) for item in items]
    lateral = [item for item in items if item.view == "LATERAL"]
    frontal = [item for item in items if item.view != "LATERAL"]
    return [tuple(one for one in pair if one is not None) for pair in zip_longest(frontal, lateral)]


def batches(items: Sequence, size: int) -> Iterator[Sequence]:
    """`items` in runs of `size`."""
    return (items[at : at + size] for at in range(0, math.ceil(len(items) / size) * size, size))
