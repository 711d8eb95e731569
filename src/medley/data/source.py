"""Where a recipe's studies come from: its `data` section, opened into parts that training and scoring read alike.

A generated cohort, its shards and its split are kept in a cache folder (MEDLEY_CACHE, else ~/.cache/medley), named by
what they were made from, so that the same recipe finds them again.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from medley.core.config import Config
from medley.core.errors import MedleyError
from medley.core.records import Case, FilmInput, ImageInput, ImageRef, Study, VolumeInput
from medley.data.cases import CaseTable, read_cases
from medley.data.images import Images
from medley.data.policies import LabelPolicy
from medley.data.policies import apply as apply_policy
from medley.data.splits import SplitManifest, make_split, read_splits

Progress = Callable[[str, int, int], None]  # what is being made, how many of it are done, of how many
PARTS = ("train", "dev", "test")


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
    px: int | None = Field(None, ge=16)
    """Side of the cohort's images in pixels or voxels; null means the generator's own."""
    reword: bool = False
    """A cohort of brains only: each epoch tells a training study's report in other words; what it says stays."""
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
        if self.cohort is None and (self.px or self.reword):
            raise ValueError("px and reword are of a generated cohort; a table's images and reports are as they are")
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
    images: Images

    @cached_property
    def parts(self) -> dict[str, list[Case]]:
        """train, dev, test: the cases that have an image that is asked for and can be read."""
        picked = {part: self.table.pick(ids) for part, ids in self.manifest.parts.items()}
        return {part: [case for case in cases if self.images.groups(case)] for part, cases in picked.items()}

    @property
    def unreadable(self) -> Mapping[str, str]:
        """Path -> why, of the images that cannot be read: left out, and counted in data.json."""
        return self.images.unreadable

    def require(self, part: str) -> None:
        """Raises MedleyError where a part has no study with a readable image."""
        if not self.parts.get(part):
            reasons = self.left_out(part).values() if part in self.parts else ()
            why = next((f"; first: {reason}" for reason in reasons), "")
            wanted = f"a {self.images.noun} of {', '.join(self.images.order)} that can be read"
            raise MedleyError(f"{self.table.path}: the part '{part}' has no study with {wanted}{why}")

    def left_out(self, part: str) -> dict[str, str]:
        """Case id -> why, of the studies of a part that have no image, or none that can be read.

        A study with images of other views alone is not among them: the recipe does not ask for it.
        """
        kept = {case.case_id for case in self.parts[part]}
        reasons = {}
        for case in self.table.pick(self.manifest.parts[part]):
            wanted = self.images.wanted(case)
            if case.case_id not in kept and (wanted or not case.images):
                why = (self.unreadable[image.path] for image in wanted if image.path in self.unreadable)
                reasons[case.case_id] = next(why, f"the case table names no {self.images.noun}")
        return reasons

    def groups(self, case: Case) -> list[tuple[ImageRef, ...]]:
        """The images of a study in the groups that the model reads together."""
        return self.images.groups(case)

    def study(self, case: Case, images: Sequence[ImageRef]) -> Study:
        """The case with these images read and its note."""
        return self.images.study(case, images, self.notes.get(case.case_id))

    def told_again(self, case: Case, telling: int) -> Case:
        """A training case whose report says the same in other words, where the recipe asks for it; `telling` 0 is as
        it is written."""
        if not self.config.reword or telling == 0:
            return case
        from medley.data.cohorts import reteller_of

        return reteller_of(str(self.config.cohort))(case, telling)

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
    config: DataConfig, reads: ImageInput, progress: Progress | None = None, needed: Sequence[str] = PARTS
) -> Source:
    """Open a recipe's data for a family that `reads` films or volumes: generate or read the table, split it, write the
    notes, decode the images on all cores.

    Images that cannot be decoded are left out and listed. Raises MedleyError where a part of `needed` has no case left,
    or a label is unknown. A test part that the manifest leaves empty is no hindrance before it is asked for alone.
    """
    from medley.core.labels import require_labels

    workers = os.cpu_count() or 1
    table, manifest = _table_and_split(config, reads, workers, progress)
    labels = table.labels
    if config.labels is not None:
        labels = tuple(require_labels(config.labels, table.labels, f"{table.path}: data.labels"))
    if not labels:
        raise MedleyError(f"{table.path} has no label column; there is nothing to learn or score")
    policy = LabelPolicy(config.uncertain, config.blank)
    policy.check(labels)
    parts = [case_id for part in needed for case_id in manifest.parts.get(part, ())]
    source = Source(
        config=config,
        table=table,
        manifest=manifest,
        labels=labels,
        policy=policy,
        notes=_notes(config.notes, table),
        images=_images(config, reads, table, parts, workers, progress),
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


def _table_and_split(
    config: DataConfig, reads: ImageInput, workers: int, progress: Progress | None
) -> tuple[CaseTable, SplitManifest]:
    if config.cohort is None:
        table = read_cases(str(config.cases))
        return table, read_splits(str(config.splits), table)
    from medley.data.cohorts import cohort_of, cohort_version

    version = cohort_version(config.cohort)
    more: dict[str, Any] = {"px": config.px} if config.px else {}
    if isinstance(reads, VolumeInput):
        more["sequences"] = reads.sequences  # no more than are read
    drawn_as = "".join(f"-{'+'.join(of) if isinstance(of, tuple) else of}" for of in more.values())
    name = f"{config.cohort}-v{version}-{config.cases}-{config.seed}-{config.difficulty}{drawn_as}"
    folder = cache_folder() / "cohorts" / name
    if not (folder / "cases.parquet").is_file():
        count = int(config.cases)
        tick = (lambda done: progress("drawing the cohort", done, count)) if progress else None
        drawn = cohort_of(config.cohort)
        drawn(folder, count, config.seed, config.difficulty, workers=workers, progress=tick, **more)
    table = read_cases(folder / "cases.parquet")
    return table, make_split(table, by="hash", seed=config.seed)


def _images(
    config: DataConfig, reads: ImageInput, table: CaseTable, needed: Sequence[str], workers: int, tick: Progress | None
) -> Images:
    if isinstance(reads, FilmInput):
        from medley.data.images.films import open_films

        return open_films(reads, config.views, config.shards, table, needed, cache_folder(), workers, tick)
    from medley.data.images.volumes import open_volumes

    return open_volumes(reads, table, needed, cache_folder(), workers, tick)


def batches(items: Sequence, size: int) -> Iterator[Sequence]:
    """`items` in runs of `size`."""
    return (items[at : at + size] for at in range(0, math.ceil(len(items) / size) * size, size))
