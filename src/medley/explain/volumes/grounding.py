"""Maps of a brain against its known lesion, and what chance would score on the same case.

    pointing_game        the map's maximum lies in the lesion or within 5 mm of it; maxima that tie count by their share
                         (a map of supervoxels has its maximum in all of one)
    pointing_game_exact  the same without the tolerance
    mass_in_mask         share of what speaks for the target that lies in the lesion
    auprc                average precision of the voxels of the brain, ranked by the map, as lesion
    best_supervoxel      the supervoxel of the greatest weight is half lesion or more, or holds 30 % of it or more

Only what speaks for the target counts as mass: parts that speak against it are 0 there. Chance is exact, not drawn: an
even map for the first four, and for the last the share of the supervoxels that would do, which is what one picked at
random scores. Deletion and insertion (Petsiuk et al. 2018) ask the model again, and are in `curves`.

Shapes: D H W voxels, F supervoxels, N cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.errors import MedleyError
from medley.evaluation.statistics import Metric
from medley.explain.averages import mean_over_cases

TOLERANCE_MM = 5.0
HALF_LESION, OF_LESION = 0.5, 0.3  # the rule of the best supervoxel


@dataclass(frozen=True)
class Grounded:
    """One case: metric -> value, and metric -> what chance scores."""

    values: dict[str, float]
    chance: dict[str, float]


def lesion_mask(share_DHW: np.ndarray) -> np.ndarray:
    """bool [D, H, W] of a region of a `Volume` (255ths): voxels of which half or more is lesion; of a lesion smaller
    than that the one that holds most of it, and none where there is no lesion."""
    half = share_DHW >= 128
    return half if half.any() else (share_DHW == share_DHW.max()) & (share_DHW > 0)


def ground_map(
    map_DHW: np.ndarray, lesion_DHW: np.ndarray, brain_DHW: np.ndarray, spacing_mm: tuple[float, float, float]
) -> Grounded:
    """A map of any method, signed or not, against the lesion (bool). Voxels outside the brain are left out.

    Raises MedleyError for a map that is not finite and for a lesion with no voxel in the brain.
    """
    from scipy.ndimage import distance_transform_edt
    from sklearn.metrics import average_precision_score

    lesion = _lesion_in(lesion_DHW, brain_DHW)
    if not np.isfinite(map_DHW[brain_DHW]).all():
        raise MedleyError("the map holds nan or infinity: it cannot be scored")
    near = (distance_transform_edt(~lesion_DHW, spacing_mm) <= TOLERANCE_MM)[brain_DHW]
    values = map_DHW[brain_DHW].astype(float)
    peak = values == values.max()
    mass = np.maximum(values, 0)
    even = {
        "pointing_game": float(near.mean()),
        **dict.fromkeys(("pointing_game_exact", "mass_in_mask", "auprc"), float(lesion.mean())),
    }
    found = {
        "pointing_game": float(near[peak].mean()),
        "pointing_game_exact": float(lesion[peak].mean()),
        "mass_in_mask": float(mass[lesion].sum() / mass.sum()) if mass.any() else even["mass_in_mask"],
        "auprc": float(average_precision_score(lesion, values)),
    }
    return Grounded(found, even)


def ground_supervoxels(weights_F: np.ndarray, pieces_DHW: np.ndarray, lesion_DHW: np.ndarray) -> Grounded:
    """`best_supervoxel` of weights [F]; supervoxels that tie for the greatest count by their share.

    Raises MedleyError for a lesion with no voxel in the brain.
    """
    lesion = _lesion_in(lesion_DHW, pieces_DHW > 0)
    pieces = pieces_DHW[pieces_DHW > 0]
    sizes_F = np.bincount(pieces, minlength=len(weights_F) + 1)[1:]
    inside_F = np.bincount(pieces[lesion], minlength=len(weights_F) + 1)[1:]
    does_F = (inside_F >= HALF_LESION * sizes_F) | (inside_F >= OF_LESION * lesion.sum())
    best_F = weights_F == weights_F.max()
    return Grounded({"best_supervoxel": float(does_F[best_F].mean())}, {"best_supervoxel": float(does_F.mean())})


def _lesion_in(lesion_DHW: np.ndarray, brain_DHW: np.ndarray) -> np.ndarray:
    lesion = lesion_DHW[brain_DHW].astype(bool)
    if not lesion.any():
        raise MedleyError("the lesion's mask has no voxel in the brain: there is nothing to be found")
    return lesion


def over_cases(
    cases: Sequence[Grounded], patient_ids: Sequence[str], *, resamples: int, seed: int
) -> dict[str, dict[str, Metric]]:
    """metric -> {"value", "chance", "above"}: the means over cases that all have the same metrics, and of the
    difference to chance, with intervals over resamples of the patients."""
    columns: dict[str, np.ndarray] = {}
    for name in cases[0].values:
        own_N = np.array([case.values[name] for case in cases])
        chance_N = np.array([case.chance[name] for case in cases])
        columns |= {f"value {name}": own_N, f"chance {name}": chance_N, f"above {name}": own_N - chance_N}
    found = mean_over_cases(columns, patient_ids, resamples=resamples, seed=seed)
    return {name: {what: found[f"{what} {name}"] for what in ("value", "chance", "above")} for name in cases[0].values}
