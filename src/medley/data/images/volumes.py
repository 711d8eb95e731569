"""Volumes as a source reads them: put on the model's grid once, kept in the cache, mirrored and augmented in training.

    CACHE/volumes/<key>.npz      voxels, regions and affines of one study, on one grid
    CACHE/volumes/<key>.json     what was done, and what the reader warned of; it is renamed into place last

The key is of all that the voxels depend on: the bytes of the files and masks, the sequences, the grid, the version of
the preprocessing. A changed file is a new volume; a run that is killed loses the volumes that it was making.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.files import whole_file, write_json
from medley.core.records import Case, ImageRef, Study, Volume, VolumeInput
from medley.core.seeds import generator
from medley.core.workers import spread
from medley.data import augment3d
from medley.data.cases import CaseTable
from medley.data.images import Augmenting
from medley.data.mirror import mirrored
from medley.data.preprocess.volume.volume import PREPROCESSING_VERSION, prepare_volume
from medley.data.shards import image_key

MIRRORED_SHARE = 0.5
Tick = Callable[[str, int, int], None] | None


@dataclass(frozen=True)
class Volumes:
    """The volumes of a source."""

    reads: VolumeInput
    keys: Mapping[str, str]  # path of a study's first file -> key, of the volumes that are in the store
    unreadable: Mapping[str, str]
    store: Path
    noun: str = "volume"

    @property
    def order(self) -> tuple[str, ...]:
        return self.reads.sequences

    def wanted(self, case: Case) -> list[ImageRef]:
        return [image for image in case.images if image.view in self.order]

    def groups(self, case: Case) -> list[tuple[ImageRef, ...]]:
        files = tuple(image for sequence in self.order for image in case.images if image.view == sequence)
        return [files] if files and files[0].path in self.keys else []

    def study(self, case: Case, images: Sequence[ImageRef], note: str | None) -> Study:
        return Study(case, note=note, volume=self._load(self.keys[images[0].path]))

    def _load(self, key: str) -> Volume:
        with np.load(self.store / f"{key}.npz", allow_pickle=False) as saved:
            regions = {name.removeprefix("region/"): saved[name] for name in saved.files if name.startswith("region/")}
            shape = tuple(int(size) for size in saved["source_shape"])
            return Volume(
                self.reads.sequences,
                saved["voxels"],
                saved["affine"],
                (shape[0], shape[1], shape[2]),
                saved["source_affine"],
                regions,
            )

    def with_regions(self, study: Study, names: Collection[str]) -> Study:
        """Of a case that is known to be healthy, a lesion and its parts lie nowhere."""
        volume = study.volume
        assert volume is not None
        known = {name: of for name, of in volume.regions.items() if name in names}
        if study.case.truth.get("healthy"):
            known |= {name: np.zeros(self.reads.grid.shape, np.uint8) for name in names if name not in known}
        return dataclasses.replace(study, volume=dataclasses.replace(volume, regions=known))

    def augmented(self, study: Study, images: Sequence[ImageRef], seed: int, epoch: int, how: Augmenting) -> Study:
        rng = generator("augment", seed, epoch, study.case.case_id)
        if rng.random() < MIRRORED_SHARE:
            study = mirrored(study)
        if how == "mirror":
            return study
        assert study.volume is not None
        drawn = augment3d.draw(rng) if how == "full" else augment3d.draw_light(rng, study.volume)
        return dataclasses.replace(study, volume=augment3d.apply(drawn, study.volume))

    def blank(self, study: Study) -> Study:
        assert study.volume is not None
        volume = dataclasses.replace(study.volume, voxels=np.zeros_like(study.volume.voxels))
        return dataclasses.replace(study, volume=volume)

    def first_images(self, cases: Sequence[Case]) -> np.ndarray:
        return np.stack([self._load(self.keys[self.groups(case)[0][0].path]).voxels[0] for case in cases])


def sequences_of(case: Case, reads: VolumeInput) -> tuple[ImageRef, ...]:
    """The files of the case in the order of the sequences. Raises UnreadableImage where it lacks one of them, or has
    two of one kind."""
    found = []
    for sequence in reads.sequences:
        files = [image for image in case.images if image.view == sequence]
        if len(files) != 1:
            has = ", ".join(sorted(image.view for image in case.images)) or "no image"
            what = "no" if not files else "more than one"
            raise UnreadableImage(f"case '{case.case_id}' has {what} {sequence}: it has {has}")
        found.append(files[0])
    return tuple(found)


def open_volumes(
    reads: VolumeInput, table: CaseTable, needed: Sequence[str], cache: Path, workers: int, tick: Tick = None
) -> Volumes:
    """Put the volumes of the `needed` cases on the grid, those that the cache lacks in parallel."""
    store = cache / "volumes"
    store.mkdir(parents=True, exist_ok=True)
    folder = table.path.parent if table.path else Path()
    keys, jobs, unreadable = dict[str, str](), list[_Job](), dict[str, str]()
    for case in table.pick(needed):
        try:
            job = _job(case, reads, folder)
        except UnreadableImage as error:
            unreadable |= {image.path: str(error) for image in case.images if image.view in reads.sequences}
            continue
        keys[job.files[0][1]] = job.key
        if not (store / f"{job.key}.json").is_file():
            jobs.append(job)
    for done, (job, reason) in enumerate(zip(jobs, spread(partial(_make, store), jobs, workers), strict=True), start=1):
        if reason is not None:
            unreadable[job.files[0][1]] = reason
            del keys[job.files[0][1]]
        if tick:
            tick("reading volumes", done, len(jobs))
    return Volumes(reads, keys, unreadable, store)


@dataclass(frozen=True)
class _Job:
    """One volume to be made."""

    key: str
    files: tuple[tuple[str, str], ...]  # sequence, path
    mask: str | None
    segmentation: str | None
    reads: VolumeInput
    check: bool  # against the template: of a generated brain there is nothing to find out


def _job(case: Case, reads: VolumeInput, folder: Path) -> _Job:
    files = sequences_of(case, reads)
    beside = {name: str(folder / case.truth[name]) for name in ("mask", "segmentation") if case.truth.get(name)}
    parts = [str(PREPROCESSING_VERSION), json.dumps(asdict(reads)), *(image_key(image) for image in files)]
    parts += [f"{name} {image_key(ImageRef(name, path))}" for name, path in sorted(beside.items())]
    key = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    paths = tuple((image.view, image.path) for image in files)
    return _Job(key, paths, beside.get("mask"), beside.get("segmentation"), reads, not case.synthetic)


def _make(store: Path, job: _Job) -> str | None:
    """Why there is no volume, where there is none."""
    try:
        volume, record = prepare_volume(
            {name: Path(path) for name, path in job.files},
            job.reads.grid,
            mask=job.mask,
            segmentation=job.segmentation,
            check=job.check,
        )
    except UnreadableImage as error:
        return str(error)
    order = [volume.sequences.index(name) for name in job.reads.sequences]
    arrays: dict[str, Any] = {"voxels": volume.voxels[order], "affine": volume.affine}
    arrays |= {"source_shape": np.array(volume.source_shape), "source_affine": volume.source_affine}
    arrays |= {f"region/{name}": of for name, of in volume.regions.items()}
    content = io.BytesIO()
    np.savez(content, **arrays)
    path = store / f"{job.key}.npz"
    try:
        with whole_file(path) as temporary:
            temporary.write_bytes(content.getbuffer())
        write_json(path.with_suffix(".json"), asdict(record))
    except OSError as error:
        kept = "volumes that were read before it are kept; make room and run the same command again"
        raise MedleyError(f"cannot write {path}: {os.strerror(error.errno or 0)}; {kept}") from error
    return None
