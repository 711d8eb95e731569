"""All files of one brain study looked at together, each read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from medley.core.errors import UnreadableImage
from medley.core.records import SEQUENCES, Case, ImageRef
from medley.data.checks.looks import CHANGED, CONSTANT, DAMAGED, MISSING, Look
from medley.data.checks.volumes.facts import facts_of
from medley.data.checks.volumes.header import read_volume_header
from medley.data.checks.volumes.study import study_facts
from medley.data.preprocess.volume.raw import RawVolume
from medley.data.preprocess.volume.volume import read_source
from medley.data.readers.hashing import digest


def look_at_study(case: Case, images: Sequence[ImageRef], folder: Path) -> list[Look]:
    """A Look at each of the `images`, in their order; `folder` is that of the case table.

    The first sequence of SEQUENCES that can be read carries what is known of the study. Of a generated brain there is
    nothing to find out by the template, and whether it is a brain is not asked.
    """
    looks: list[Look] = []
    raws: dict[str, RawVolume] = {}
    at: dict[str, int] = {}
    for image in images:
        look, raw = _look_at(case.case_id, image)
        if raw is not None and image.view not in raws:
            raws[image.view], at[image.view] = raw, len(looks)
        looks.append(look)
    if not raws:
        return looks
    ordered = {name: raws[name] for name in SEQUENCES if name in raws}
    beside = {name: folder / case.truth[name] for name in ("mask", "segmentation") if case.truth.get(name)}
    study = study_facts(ordered, beside.get("mask"), beside.get("segmentation"), check=not case.synthetic)
    place = at[next(iter(ordered))]
    facts = looks[place].volume
    assert facts is not None
    looks[place] = replace(looks[place], volume=replace(facts, study=study))
    return looks


def _look_at(case_id: str, image: ImageRef) -> tuple[Look, RawVolume | None]:
    try:
        raw = read_source(image.path)
        stored, header = read_volume_header(Path(image.path))
    except UnreadableImage as error:
        return Look(case_id, image.path, image.view, _problem(image.path, str(error)), str(error)), None
    found = digest(image.path)
    problem = reason = ""
    if image.sha256 and image.sha256 != found:
        problem, reason = CHANGED, f"{image.path} is not the file that was indexed: its sha256 differs"
    facts, pixels = facts_of(raw, stored)
    look = Look(
        case_id,
        image.path,
        image.view,
        problem,
        reason,
        found,
        pixels,
        height=facts.shape[1],
        width=facts.shape[0],
        header=header,
        volume=facts,
    )
    return look, raw


def _problem(path: str, reason: str) -> str:
    if "is empty: every voxel is" in reason:  # the reader's words for a volume of one value
        return CONSTANT
    return DAMAGED if Path(path).exists() else MISSING
