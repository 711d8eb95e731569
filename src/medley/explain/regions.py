"""Maps of parts of the body against where the parts lie: how well the two overlap, and what stands beside that.

A map becomes a mask in one way, whatever it comes from: it is brought bilinearly to the grid of the masks, divided by
its peak, and cut at a share of the peak that was chosen for its part of the body on other studies (`best_cuts`).

    iou            of that mask with the part: shared over either
    mass_in_mask   share of the map's sum that lies in the part, which needs no cut

Parts of the body lie where they lie in everybody, so the floor to beat is `mean_mask`, the mean of the training
studies' masks taken as the map of every study.

Shapes: N studies, R parts of the body, r r the grid of the masks, h w that of the maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

from medley.core.errors import MedleyError
from medley.evaluation import statistics
from medley.evaluation.statistics import NO_RESAMPLES, Metric
from medley.explain.score import CUTS

METRICS = ("iou", "mass_in_mask")


def on_mask_grid(maps_NRhw: np.ndarray, side: int) -> np.ndarray:
    """float32 [N, R, side, side], bilinear, the peak of each map 1; a map of zeros stays zeros.

    Raises MedleyError for nan, infinity and negative numbers.
    """
    if not np.isfinite(maps_NRhw).all() or (maps_NRhw < 0).any():
        raise MedleyError("a map of a part of the body holds nan, infinity or negative numbers: it cannot be scored")
    maps = torch.from_numpy(np.ascontiguousarray(maps_NRhw, dtype=np.float32))
    big_NRrr = F.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False).numpy()
    peak_NR11 = big_NRrr.max((2, 3), keepdims=True)
    return np.divide(big_NRrr, peak_NR11, out=np.zeros_like(big_NRrr), where=peak_NR11 > 0)


def measure(scaled_NRrr: np.ndarray, masks_NRrr: np.ndarray, cuts_R: Sequence[float]) -> dict[str, np.ndarray]:
    """metric -> [N, R] of maps of `on_mask_grid` against masks (bool); nan where a part covers no cell."""
    masks = masks_NRrr.astype(np.float32)
    size_NR = masks.sum((2, 3))
    hot = (scaled_NRrr >= np.asarray(cuts_R)[:, None, None]) & (scaled_NRrr > 0)
    shared_NR = (hot & masks_NRrr).sum((2, 3))
    either_NR = hot.sum((2, 3)) + size_NR - shared_NR
    mass_NR, inside_NR = scaled_NRrr.sum((2, 3)), (scaled_NRrr * masks).sum((2, 3))
    known_NR = size_NR > 0
    return {
        "iou": np.where(known_NR, shared_NR / np.maximum(either_NR, 1), np.nan),
        "mass_in_mask": np.where(known_NR, inside_NR / np.maximum(mass_NR, 1e-12), np.nan),
    }


def best_cuts(scaled_NRrr: np.ndarray, masks_NRrr: np.ndarray) -> list[float]:
    """The cut of each part with its best mean iou; to be asked of studies that are not scored.

    The least cut for a part that covers nothing in any of them.
    """
    parts = masks_NRrr.shape[1]
    means = [np.nan_to_num(mean_over(measure(scaled_NRrr, masks_NRrr, [cut] * parts)["iou"])).tolist() for cut in CUTS]
    return [CUTS[int(np.argmax([of_cut[part] for of_cut in means]))] for part in range(parts)]


def mean_over(values_NR: np.ndarray) -> np.ndarray:
    """[R], the mean over the studies in which it is defined; nan where there is none."""
    return _weighted(values_NR, np.ones((len(values_NR), 1)))[:, 0]


def averaged(
    values: Mapping[str, np.ndarray], parts: Sequence[str], patient_ids: Sequence[str], *, resamples: int, seed: int
) -> dict[str, Metric]:
    """From name -> [N, R]: `name`, the mean over the parts of their means over studies, and `part/name` of each part,
    with intervals over resamples of the patients. The mean is null, with the reason, where a part is nowhere known."""
    statistic = partial(_means, values, parts)
    points = statistic(np.ones((len(patient_ids), 1)))
    samples = statistics.bootstrap(statistic, patient_ids, resamples=resamples, seed=seed) if resamples else {}
    lacking = [part for r, part in enumerate(parts) if not any(np.isfinite(v[:, r]).any() for v in values.values())]
    found = {}
    for name, point_1 in points.items():
        value, patients = float(point_1[0]), len(set(patient_ids))
        if not np.isfinite(value):
            found[name] = Metric(None, error=f"no study is known to show {', '.join(lacking)}")
        elif not samples:
            found[name] = Metric(value, None, len(patient_ids), NO_RESAMPLES)
        else:
            found[name] = statistics.with_interval(value, samples[name], n=len(patient_ids), n_patients=patients)
    return found


def _means(values: Mapping[str, np.ndarray], parts: Sequence[str], weights_NS: np.ndarray) -> dict[str, np.ndarray]:
    found = {}
    for name, values_NR in values.items():
        means_RS = _weighted(values_NR, weights_NS)
        found[name] = means_RS.mean(0)
        found |= {f"{part}/{name}": means_S for part, means_S in zip(parts, means_RS, strict=True)}
    return found


def _weighted(values_NR: np.ndarray, weights_NS: np.ndarray) -> np.ndarray:
    """[R, S]: means under each column of weights; nan, not 0, for a part that no study (or none of a resample) has."""
    total_RS = np.isfinite(values_NR).T.astype(float) @ weights_NS
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total_RS > 0, np.nan_to_num(values_NR).T @ weights_NS / total_RS, np.nan)
