"""Which dataset is it? Can health, or the source, be told from the file of a brain volume instead of the brain?

Healthy volunteers mostly come from another dataset than patients: other voxels, other axes, another tool that stripped
the skull, or none. Where a linear probe on `facts` (grid, storage, background, outline, grain; no intensity that a
lesion could change) tells the healthy, so can a network, and its sensitivity and specificity say nothing of lesions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medley.core.counts import counted
from medley.core.records import SEQUENCES, Case
from medley.core.seeds import generator
from medley.data.cases import CaseTable
from medley.data.checks.looks import Look
from medley.data.checks.probes import FEW, FOLDS, auroc, probe, weights
from medley.data.checks.result import OK, WARNING, Check, not_applicable

# Lower end of the interval. With answers shuffled, among generated brains, 3 of 100 tables of 20 studies reach it, 1 of
# 100 of 40, none of 200 of 100 studies (docs/brain_mri.md); and what tells less is little beside a model's 0.95.
TELLS_AUROC = 0.6
SOURCE_TELLS_AUROC = 0.65  # of the source alone on health
NAMES = ("healthy-from-file", "source-from-file")
_MOST_STUDIES, _SHOWN = 5000, 8
_NO_VOLUME = "the table has no volume that can be read"


def check_healthy_from_file(table: CaseTable, looks: Sequence[Look], seed: int = 0) -> Check:
    """A warning where the files alone tell healthy from ill; the features that tell most are its examples."""
    name = NAMES[0]
    cases, names, features = study_features(table, looks, seed)
    if not cases:
        return not_applicable(name, _NO_VOLUME)
    rows = [row for row, case in enumerate(cases) if is_healthy(case) is not None]
    healthy = np.array([is_healthy(cases[row]) for row in rows], bool)
    patients = [cases[row].patient_id for row in rows]
    found = probe(features[rows], healthy, patients, seed)
    if found is None:
        few = f"{int(healthy.sum())} healthy and {int((~healthy).sum())} with a lesion"
        return not_applicable(name, f"{few}; it takes {FEW} studies of {FOLDS} patients of either")
    told = _telling(names, features[rows], healthy, ("healthy", "lesion"))
    numbers = {
        "auroc": [found.value, found.low, found.high],
        "healthy": int(healthy.sum()),
        "lesion": int((~healthy).sum()),
        "features": told,
    }
    said = f"a probe of {len(names)} features of the file alone tells healthy from lesion with AUROC {found}"
    if found.low < TELLS_AUROC:
        return Check(name, OK, 0, f"{said}: no better than chance tells, or hardly", numbers=numbers)
    todo = (
        "a model may learn the dataset: send all volumes through `medley preprocess brains`, index what it wrote, ask "
        "again; while files tell, take healthy cases of the patients' own scanners and believe no specificity from here"
    )
    return Check(name, WARNING, 1, f"{said}: the dataset, not the brain", todo, _lines(told), numbers)


def check_source_from_file(table: CaseTable, looks: Sequence[Look], seed: int = 0) -> Check:
    """A warning where files tell the source and the source tells health; told alone, it is said and no more."""
    name = NAMES[1]
    cases, names, features = study_features(table, looks, seed)
    if not cases:
        return not_applicable(name, _NO_VOLUME)
    sources = np.array([case.source for case in cases])
    patients = [case.patient_id for case in cases]
    large = [str(source) for source in np.unique(sources) if (sources == source).sum() >= FEW]
    if len(large) < 2:
        return not_applicable(
            name, f"{counted(len(large), 'source')} with {FEW} readable studies and more; it takes two"
        )
    told = {source: one for source in large if (one := probe(features, sources == source, patients, seed))}
    if not told:
        return not_applicable(name, f"the sources have too few patients for a probe; it takes {FOLDS} of each")
    best = max(told, key=lambda source: told[source].low)
    healthy = _healthy_by_source(cases)
    telling = _telling(names, features, sources == best, (best, "others"))
    numbers: dict[str, Any] = {
        "source_auroc": {source: [one.value, one.low, one.high] for source, one in told.items()},
        "health_auroc_of_source": healthy,
        "features": telling,
    }
    said = f"'{best}' is told from the other sources by the file alone with AUROC {told[best]}"
    if told[best].low < TELLS_AUROC:
        return Check(name, OK, 0, f"the sources' files look alike: {said}", numbers=numbers)
    if healthy is None or healthy < SOURCE_TELLS_AUROC:
        share = "health is not known" if healthy is None else f"the source tells no health (AUROC {healthy:.3f})"
        return Check(name, OK, 0, f"{said}, but {share}: report scores by source", numbers=numbers)
    todo = "train and score within one source, or take healthy and ill from each; report scores by source"
    wrong = f"{said}, and the source tells health with AUROC {healthy:.3f}"
    return Check(name, WARNING, 1, wrong, todo, _lines(telling), numbers)


def is_healthy(case: Case) -> bool | None:
    """By the truth, else by the label Lesion; None where neither says."""
    if isinstance(case.truth.get("healthy"), bool):
        return bool(case.truth["healthy"])
    value = case.labels.get("Lesion")
    return value == 0 if value in (0.0, 1.0) else None


def study_features(
    table: CaseTable, looks: Sequence[Look], seed: int = 0
) -> tuple[list[Case], tuple[str, ...], np.ndarray]:
    """The cases with a readable volume, the names of features, and float [N, F]: means over the files of a study, which
    sequences it has, and whether they lie on one grid. At most 5000 studies: more would not change the answer."""
    files: dict[str, list[Look]] = {}
    for look in looks:
        if look.volume is not None:
            files.setdefault(look.case_id, []).append(look)
    ids = list(files)
    if len(ids) > _MOST_STUDIES:
        chosen = generator("check-data probe", seed, len(ids)).choice(len(ids), _MOST_STUDIES, replace=False)
        ids = [ids[row] for row in sorted(chosen.tolist())]
    rows = [_features(files[case_id]) for case_id in ids]
    names = tuple(rows[0]) if rows else ()
    return [table.by_id[case_id] for case_id in ids], names, np.array([[row[name] for name in names] for row in rows])


def _features(files: Sequence[Look]) -> dict[str, float]:
    volumes = [look.volume for look in files if look.volume is not None]
    out = {name: float(np.mean([one.features[name] for one in volumes])) for name in volumes[0].features}
    out |= {f"has {sequence}": float(any(look.view == sequence for look in files)) for sequence in SEQUENCES}
    grids = {(one.shape, tuple(round(mm, 3) for mm in one.size_mm), one.axes) for one in volumes}
    return out | {"sequences on unlike grids": float(len(grids) > 1)}


def _telling(
    names: Sequence[str], features: np.ndarray, positive: np.ndarray, classes: tuple[str, str]
) -> list[dict[str, Any]]:
    """The features that tell most by themselves: AUROC (either way round), coefficient in the probe, medians."""
    coefficients = weights(features, positive)
    areas = {
        place: auroc(positive, features[:, place]) for place in np.flatnonzero(np.ptp(features, axis=0) > 0).tolist()
    }
    told = sorted(areas, key=lambda place: (-max(areas[place], 1 - areas[place]), -abs(coefficients[place])))
    return [
        {
            "feature": names[place],
            "auroc": round(max(areas[place], 1 - areas[place]), 4),
            "coefficient": round(float(coefficients[place]), 4),
            "medians": {
                classes[0]: round(float(np.median(features[positive, place])), 4),
                classes[1]: round(float(np.median(features[~positive, place])), 4),
            },
        }
        for place in told[:_SHOWN]
    ]


def _lines(told: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(
        f"{one['feature']}: AUROC {one['auroc']:.3f} alone, coefficient {one['coefficient']:+.2f}; medians "
        + ", ".join(f"{of} {value:g}" for of, value in one["medians"].items())
        for one in told
    )


def _healthy_by_source(cases: Sequence[Case]) -> float | None:
    """AUROC of "the share of healthy in my source" on health; None where a class is too small."""
    known = [(case.source, healthy) for case in cases if (healthy := is_healthy(case)) is not None]
    values = np.array([healthy for _, healthy in known], bool)
    if not FEW <= values.sum() <= len(values) - FEW:
        return None
    of = np.array([source for source, _ in known])
    share = {source: values[of == source].mean() for source in set(of.tolist())}
    return round(auroc(values, np.array([share[source] for source in of])), 4)
