"""`medley explain` of a run that reads volumes: a picture, a map in the space of the source, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from medley.serving.explaining.brain import VolumeExplanation
    from medley.serving.explaining.cases import KnownCase
    from medley.serving.predictor import Predictor, Request


def explain_volume(
    predictor: Predictor,
    request: Request,
    known: KnownCase | None,
    out: Path,
    number: int,
    *,
    targets: Sequence[str],
    methods: Sequence[str],
    baseline: str,
) -> list[dict[str, Any]]:
    """One line of explanations.json for each method and target, whose files are written under `out`."""
    from medley.serving.explaining.brain import explain_brain, picture_of

    lesion_DHW = _lesion(predictor, known)
    [study] = predictor.read(request).studies
    told = []
    for method in methods:
        seed = predictor.recipe.seed
        found = explain_brain(predictor, study, targets, method, baseline, seed=seed, lesion_DHW=lesion_DHW)
        for place, one in enumerate(found):
            name = f"{number:05d}-{method}-{place + 1}-{_plain(one.target.name)}"
            told.append({**one.as_json(), **_save(one, out, name, picture_of(one, lesion_DHW))})
    return told


def _lesion(predictor: Predictor, known: KnownCase | None) -> np.ndarray | None:
    """The lesion of a case of a table on the model's grid, where the table knows a segmentation."""
    from medley.core.records import VolumeInput
    from medley.data.preprocess.volume.volume import load_volume

    if known is None or not known.case.truth.get("segmentation"):
        return None
    assert isinstance(predictor.reads, VolumeInput)
    files = {image.view: known.folder / image.path for image in known.case.images}
    wanted = {name: files[name] for name in predictor.reads.sequences if name in files}
    beside = {of: known.folder / known.case.truth[of] for of in ("segmentation", "mask") if known.case.truth.get(of)}
    return load_volume(wanted, predictor.reads.grid, **beside, check=False).regions["lesion"]


def _save(one: VolumeExplanation, out: Path, name: str, figure: Any) -> dict[str, str]:
    """The picture and the map, and what they are called."""
    from medley.core.files import whole_file
    from medley.explain.volumes.source import write_map

    with whole_file(out / f"{name}.png") as temporary:
        figure.savefig(temporary, format="png", dpi=140)
    write_map(out / f"{name}.nii.gz", one.map_DHW, one.volume, smooth=one.fit is None)
    return {"picture": f"{name}.png", "map": f"{name}.nii.gz"}


def _plain(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())[:40].strip("-")
