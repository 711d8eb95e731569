"""Why a report of a brain says what it says: which parts of the volume its words rest on.

[study] = predictor.read(Request("flair.nii.gz")).studies
for one in explain_brain(predictor, study, ["sides"], "lime", "mean", seed=0):
    one.map_DHW, one.told, one.fit

The report is written once; each method hides parts of the volume and asks how likely the same words still are. All that
precedes the image in the prompt is the same for every perturbation; the order of prompt and image is the model's own,
as in training and prediction. LIME asks thousands of times and runs as precisely as the training did: in bf16 a row
takes half the time, and is off by a fiftieth to a twelfth of what rows scatter by. All else is in 32 bits.

Shapes: B perturbed volumes, S sequences, D H W voxels, K tokens of the image, E width, T tokens of a report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medley.core.errors import MedleyError, choose
from medley.core.precision import as_precise
from medley.core.records import Study, Volume
from medley.explain.volumes.baselines import baseline as hidden_as
from medley.explain.volumes.curves import deletion_insertion
from medley.explain.volumes.gradients import gradient_times_input
from medley.explain.volumes.grounding import Grounded, ground_map, ground_supervoxels, lesion_mask
from medley.explain.volumes.hiding import Score
from medley.explain.volumes.lime import MOST, Explanation, explain_targets
from medley.explain.volumes.occlusion import CUBE_MM, STRIDE_MM, cube_of, occlude
from medley.explain.volumes.supervoxels import brain_of, spacing_of, supervoxels
from medley.explain.volumes.targets import Target, score_of, target
from medley.serving.predictor import Predictor

METHODS = ("lime", "occlusion", "gradient")
BASELINES = ("mean", "blur", "mirror", "zero")
UNIT = {
    "lime": "change of the log-probability when a supervoxel is shown",
    "occlusion": "fall of the log-probability when a cube is hidden",
    "gradient": "gradient of the log-probability times the distance to the baseline",
}
_WORDS = "report"  # the one section of a report of a brain
_BATCH = 16


@dataclass(frozen=True)
class VolumeExplanation:
    """One target by one method. `fit` is what LIME says of itself, `pieces_DHW` the supervoxels, `curves` deletion and
    insertion beside those of a random order, `held` the map against the lesion, where the lesion is known."""

    case_id: str
    report: str
    target: Target
    method: str
    baseline: str
    precision: str  # of the products of matrices: fp32, bf16, fp16
    map_DHW: np.ndarray
    volume: Volume
    fit: Explanation | None
    pieces_DHW: np.ndarray
    curves: Mapping[str, float]
    held: Grounded | None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, without the arrays."""
        found: dict[str, Any] = {"case_id": self.case_id, "report": self.report, "target": self.target.name}
        found |= {"told": self.target.told, "method": self.method, "baseline": self.baseline}
        found |= {"precision": self.precision}
        found |= {"lime": self.fit.as_json()} if self.fit else {}
        found |= {"curves": dict(self.curves)}
        return found | ({"lesion": self.held.values, "chance": self.held.chance} if self.held else {})


def explain_brain(
    predictor: Predictor,
    study: Study,
    targets: Sequence[str],
    method: str,
    baseline: str = "mean",
    *,
    seed: int = 0,
    pieces: int | None = None,
    lesion_DHW: np.ndarray | None = None,
    report: str | None = None,
    most: int = MOST,
) -> list[VolumeExplanation]:
    """One explanation a target (see `explain.volumes.targets`); without targets, of the whole report and its side.

    `pieces` is about how many supervoxels there are. `lesion_DHW` (255ths, on the model's grid) is what the maps are
    held against. `report` is explained in place of what the model writes, with at most `most` rows of LIME. Raises
    MedleyError for an unknown method, baseline or target, and where the model wrote nothing.
    """
    choose(method, dict.fromkeys(METHODS), "method")
    case_id = study.case.case_id
    if report is None:
        report = predictor.predictions([study])[0].hypothesis.get(_WORDS, "")
    if not report:
        raise MedleyError(f"{case_id}: the model wrote no report of it, so there are no words to explain")
    assert study.volume is not None
    volume, words = study.volume, predictor.processor.words  # type: ignore[attr-defined]
    asked = [target(name, report, words.offsets) for name in targets or _all_of(report)]
    brain_DHW, spacing = brain_of(volume.voxels), spacing_of(volume)
    pieces_DHW = supervoxels(volume.voxels, spacing, *([pieces] if pieces else []))
    voxels = torch.from_numpy(volume.voxels).to(predictor.device)
    fill = torch.from_numpy(hidden_as(baseline, volume.voxels, pieces_DHW, spacing)).to(predictor.device)
    precision = predictor.recipe.trainer.precision if method == "lime" else "fp32"
    score = volume_score(predictor, study, asked, precision)
    fits: list[Explanation | None] = [None] * len(asked)
    if method == "lime":
        found = explain_targets(
            score, voxels, pieces_DHW, baseline=fill, seed=seed, key=case_id, batch=_BATCH, most=most
        )
        fits, maps = [*found], [one.map(pieces_DHW) for one in found]
    elif method == "occlusion":
        cube, stride = cube_of(CUBE_MM, spacing), cube_of(STRIDE_MM, spacing)
        maps = list(occlude(score, voxels, brain_DHW, baseline=fill, cube=cube, stride=stride, batch=_BATCH))
    else:
        one_by_one = [volume_score(predictor, study, [one]) for one in asked]
        maps = [gradient_times_input(of, voxels, brain_DHW, baseline=fill) for of in one_by_one]
    explained = []
    for one, map_DHW, fit in zip(asked, maps, fits, strict=True):
        curves = deletion_insertion(
            volume_score(predictor, study, [one]),
            voxels,
            map_DHW,
            brain_DHW,
            baseline=fill,
            unit=one.unit,
            pieces_DHW=pieces_DHW if fit else None,
            batch=_BATCH,
            key=(seed, case_id),
        )
        held = None if lesion_DHW is None else held_against(map_DHW, fit, pieces_DHW, lesion_DHW, volume)
        parts = (precision, map_DHW, volume, fit, pieces_DHW, curves, held)
        explained.append(VolumeExplanation(case_id, report, one, method, baseline, *parts))
    return explained


def _all_of(report: str) -> tuple[str, ...]:
    from medley.language.sides import swap_sides

    return ("report", "sides") if swap_sides(report) != report else ("report",)


def volume_score(predictor: Predictor, study: Study, targets: Sequence[Target], precision: str = "fp32") -> Score:
    """Perturbed volumes uint8 or float [B, S, D, H, W] on the scale 0 to 255 -> the targets' values [B, targets].

    `precision`: fp32, bf16 or fp16, of the products of matrices.
    """
    model: Any = predictor.model
    words = predictor.processor.words  # type: ignore[attr-defined]
    prompt_1L = predictor.processor([study]).prompt_BL.to(predictor.device)
    begun = model.decoder.begun(prompt_1L)

    def see(volumes: torch.Tensor) -> torch.Tensor:
        return model.remember(volumes.float() / 255)

    def say(memory_BKE: torch.Tensor, text: str) -> torch.Tensor:
        rows_BT = words.reports([text]).to(predictor.device).expand(len(memory_BKE), -1)
        return -model.decoder.nll(memory_BKE, prompt_1L.expand(len(memory_BKE), -1), rows_BT, begun)

    several = score_of(targets, see, say)

    def score(volumes: torch.Tensor) -> torch.Tensor:
        with as_precise(volumes.device.type, precision):
            return several(volumes)

    return score


def held_against(
    map_DHW: np.ndarray, fit: Explanation | None, pieces_DHW: np.ndarray, lesion_DHW: np.ndarray, volume: Volume
) -> Grounded | None:
    """A map, and what LIME says of it, against a lesion (255ths) in this volume; None where the lesion lies outside."""
    lesion, brain = lesion_mask(lesion_DHW), brain_of(volume.voxels)
    if not (lesion & brain).any():
        return None
    held = ground_map(map_DHW, lesion, brain, spacing_of(volume))
    if fit is None:
        return held
    best = ground_supervoxels(fit.weights_F, pieces_DHW, lesion)
    return Grounded({**held.values, **best.values}, {**held.chance, **best.chance})


def picture_of(one: VolumeExplanation, lesion_DHW: np.ndarray | None = None) -> Any:
    """A figure: slices through the peak, the map over them, the words that were explained."""
    from medley.explain.volumes.render import map_page

    outlines = {} if lesion_DHW is None or not lesion_DHW.any() else {"the lesion": lesion_mask(lesion_DHW)}
    if one.fit is not None:
        outlines["the best supervoxel"] = one.pieces_DHW == int(np.argmax(one.fit.weights_F)) + 1
    title = f"{one.case_id}: {one.target.told} ({one.method}, hidden parts shown as {one.baseline})"
    image = one.volume.voxels[0]
    spacing = spacing_of(one.volume)
    return map_page(image, one.map_DHW, spacing, title, text=one.report, unit=UNIT[one.method], outlines=outlines)
