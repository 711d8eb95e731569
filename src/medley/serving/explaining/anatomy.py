"""The maps of the parts of the chest, scored against where the parts are known to lie.

scores = score_anatomy(predictor, source, "test", own=source)   # None where nothing of it can be scored
scores.metrics["anatomy_iou"]                # mean over the six parts; "cardiac/anatomy_iou" is that of one
scores.floors["mean_mask"]["anatomy_iou"]    # what the mean mask of the training studies scores as everybody's map
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from medley.core.family import to_device
from medley.core.labels import ANATOMY
from medley.core.records import Case, Study
from medley.core.seeds import generator
from medley.data.regions import REGION_PX, anatomy_of
from medley.data.source import Progress, Source, batches
from medley.evaluation.statistics import Metric
from medley.explain import regions
from medley.serving.explaining.marked import group_of, random_model
from medley.serving.explaining.run import ExplanationScores
from medley.serving.predictor import Predictor

_BATCH = 32
_STUDIES = 300  # at most, of the part that is scored; half as many choose the cuts
_MEAN_OF = 1000  # training studies at most in the mean mask
_UNTRAINED = 3  # models of random weights
_HALF = 128  # a cell belongs to a part that covers half of it
RULE = (
    f"the map, bilinear on {REGION_PX} x {REGION_PX} cells and divided by its peak, is cut at a share of the peak that "
    "was chosen for each part by mean iou; a cell belongs to a part that covers half of it"
)


@dataclass(frozen=True)
class _Known:
    """N studies with a frontal film on which the parts are known; `views[n]` is that film's place in its study."""

    studies: tuple[Study, ...]
    views: tuple[int, ...]
    masks_NRrr: np.ndarray  # bool
    covers_NRrr: np.ndarray  # the share of each cell, [0, 1]

    @property
    def patients(self) -> list[str]:
        return [study.case.patient_id for study in self.studies]


def score_anatomy(
    predictor: Predictor,
    source: Source,
    part: str,
    *,
    own: Source | None = None,
    resamples: int = 1000,
    tick: Progress | None = None,
) -> ExplanationScores | None:
    """Score where the queries of the six parts of the chest look, on at most 300 studies of `part` by a keyed draw.

    Metrics: `anatomy_iou` and `anatomy_mass_in_mask`, each the mean over the parts, and of each part as a prefix; and
    `trained_minus_mean_mask/...`, `trained_minus_untrained/...`. Floors: `mean_mask`, of the training part of `own`
    (the data that the run was trained on; without it the floor is missing, with a warning), and `untrained`, the run's
    architecture with random weights. How a map becomes a mask is in `explain.regions`; each floor has its own cuts, and
    all are chosen on dev (of train where dev is scored), of `own` where that is another table. `facts["ceiling"]` is
    what the true masks score once they are averaged over the patches: no map on that grid can do much better.

    None for a family without such queries, and where no study of the part is known to show a part of the chest.
    """
    if not set(ANATOMY) <= set(predictor.processor.regions):
        return None
    tested = _known(predictor, source, part, _STUDIES)
    if not tested.studies:
        return None
    another = own is not None and own.table.digest != source.table.digest
    tuned_on = "train" if part == "dev" and not another else "dev"
    dev = _known(predictor, own if own and another else source, tuned_on, _STUDIES // 2)
    tuned_on += " of the run's own data" if another else ""
    done = itertools.count(1)

    def tell() -> None:
        if tick:
            tick(f"scoring the anatomy of {part}", next(done), _UNTRAINED + 2)

    warnings = [] if dev.studies else [f"anatomy: {tuned_on} knows no part of the chest: all maps are cut at 0.5"]
    trained, cuts = _scored(dev, tested, _maps(predictor, dev), _maps(predictor, tested))
    tell()
    beside, facts = {}, dict[str, Any]()
    mean_Rrr, of_studies = _mean_mask(own, predictor.recipe.seed) if own is not None else (None, 0)
    if mean_Rrr is None:
        warnings.append("anatomy: the floor mean_mask is missing: the masks of the training are not at hand")
    else:
        both = [np.repeat(mean_Rrr[None], len(some.studies), axis=0) for some in (dev, tested)]
        beside["mean_mask"], facts["cuts_of_mean_mask"] = _scored(dev, tested, *both)
    tell()
    untrained = []
    for number in range(_UNTRAINED):
        model = random_model(predictor, number)
        untrained.append(_scored(dev, tested, _maps(predictor, dev, model), _maps(predictor, tested, model))[0])
        tell()
    beside["untrained"] = {name: np.mean([one[name] for one in untrained], axis=0) for name in regions.METRICS}

    values = {f"anatomy_{name}": trained[name] for name in regions.METRICS}
    for floor, of_floor in beside.items():
        values |= {f"trained_minus_{floor}/anatomy_{name}": trained[name] - of_floor[name] for name in regions.METRICS}
    seed = predictor.recipe.seed
    metrics = regions.averaged(values, ANATOMY, tested.patients, resamples=resamples, seed=seed)
    metrics = {name: metric for name, metric in metrics.items() if "/trained_minus_" not in name}
    warnings += _against_the_prior(metrics, predictor.facts["anatomy_known"])
    facts |= {
        "studies": len(tested.studies),
        "parts": list(ANATOMY),
        "from_map_to_mask": RULE,
        "cuts": cuts,
        "chosen_on": tuned_on if dev.studies else None,
        "taught_on": predictor.facts["anatomy_known"],
        "mean_mask_of": of_studies,
        "untrained_models": _UNTRAINED,
        "ceiling": _ceiling(dev, tested, predictor.model.vision.grid),  # type: ignore[union-attr,arg-type]
    }
    floors = {floor: _overall(of_floor) for floor, of_floor in beside.items()}
    return ExplanationScores(metrics, floors, {}, {"anatomy": facts}, tuple(warnings))


def _known(predictor: Predictor, source: Source, part: str, most: int) -> _Known:
    """At most `most` studies of a part by a keyed draw, without those whose frontal film the source leaves out."""
    studies, views, covers = list[Study](), list[int](), list[np.ndarray]()
    for case in _drawn(source, part, most, predictor.recipe.seed):
        frontal = next((image for image in case.images if image.view != "LATERAL"), None)
        group = None if frontal is None else group_of(case, frontal, source)
        if frontal is not None and group is not None:
            studies.append(source.study(case, group))
            views.append(group.index(frontal))
            covers.append(_covers(source, case))
    covers_NRrr = np.stack(covers) if covers else np.zeros((0, len(ANATOMY), REGION_PX, REGION_PX), np.uint8)
    return _Known(tuple(studies), tuple(views), covers_NRrr >= _HALF, covers_NRrr / np.float32(255))


def _drawn(source: Source, part: str, most: int, seed: int) -> list[Case]:
    cases = [case for case in source.parts.get(part, []) if "anatomy" in case.truth]
    order = generator("anatomy", seed, part).permutation(len(cases))[:most]
    return [cases[index] for index in sorted(order.tolist())]


def _covers(source: Source, case: Case) -> np.ndarray:
    """uint8 [R, r, r]; zeros for a part that is not known."""
    assert source.table.path is not None
    known, nothing = anatomy_of(case, source.table.path.parent), np.zeros((REGION_PX, REGION_PX), np.uint8)
    return np.stack([known.get(name, nothing) for name in ANATOMY])


@torch.inference_mode()
def _maps(predictor: Predictor, known: _Known, model: torch.nn.Module | None = None) -> np.ndarray:
    """[N, R, h, w]: where the parts' queries look on the film on which the parts are known."""
    names = predictor.processor.regions  # of the queries, in order
    columns = [names.index(name) for name in ANATOMY]
    model, found = predictor.model if model is None else model, []
    for chunk in batches(range(len(known.studies)), _BATCH):
        batch = to_device(predictor.processor([known.studies[n] for n in chunk]), predictor.device)
        maps_BQVhw = model(batch).maps_BQVhw.float().cpu().numpy()
        found += [maps_BQVhw[b, columns, known.views[n]] for b, n in enumerate(chunk)]
    return np.stack(found) if found else np.zeros((0, len(ANATOMY), 1, 1), np.float32)


def _scored(
    dev: _Known, tested: _Known, on_dev: np.ndarray, on_tested: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """metric -> [N, R] of maps [N, R, h, w] on the tested studies, and the cuts that those on dev chose."""
    cuts = [0.5] * len(ANATOMY)
    if dev.studies:
        cuts = regions.best_cuts(regions.on_mask_grid(on_dev, REGION_PX), dev.masks_NRrr)
    values = regions.measure(regions.on_mask_grid(on_tested, REGION_PX), tested.masks_NRrr, cuts)
    return values, dict(zip(ANATOMY, cuts, strict=True))


def _mean_mask(own: Source, seed: int) -> tuple[np.ndarray | None, int]:
    """float32 [R, r, r] over the training studies that show a part, and how many studies there are; None for none."""
    cases = _drawn(own, "train", _MEAN_OF, seed)
    if not cases:
        return None, 0
    covers_NRrr = np.stack([_covers(own, case) for case in cases]).astype(np.float32)
    shown_R11 = np.maximum(covers_NRrr.any((2, 3)).sum(0), 1)[:, None, None]
    return covers_NRrr.sum(0) / shown_R11, len(cases)


def _ceiling(dev: _Known, tested: _Known, grid: tuple[int, int]) -> dict[str, float | None]:
    """iou of the true masks averaged over patches [h, w], as maps are scored."""
    on_dev, on_tested = (
        F.adaptive_avg_pool2d(torch.from_numpy(some.covers_NRrr), grid).numpy() for some in (dev, tested)
    )
    of_metric = _overall(_scored(dev, tested, on_dev, on_tested)[0])
    return {name: value for name, value in of_metric.items() if name.endswith("iou")}


def _overall(values: Mapping[str, np.ndarray]) -> dict[str, float | None]:
    """The floor as the score is averaged, and of each part; None where it is not known."""
    found = {}
    for name, values_NR in values.items():
        means_R = regions.mean_over(values_NR)
        found[f"anatomy_{name}"] = float(means_R.mean())
        found |= {f"{part}/anatomy_{name}": float(mean) for part, mean in zip(ANATOMY, means_R, strict=True)}
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def _against_the_prior(metrics: Mapping[str, Metric], taught_on: int | None) -> list[str]:
    """What a reader must not miss: maps that were never taught, or know no more of a film than of any film."""
    said = []
    if not taught_on:
        said.append("anatomy: this run does not say that its queries were taught where the parts lie")
    over = metrics.get("trained_minus_mean_mask/anatomy_iou")
    if over is not None and over.value is not None and (over.ci95 is None or over.ci95[0] <= 0):
        said.append(
            f"anatomy: the maps do not beat the mean mask of the training studies: {over.value:+.3f} in anatomy_iou"
        )
    return said
