"""Who is ill with what, where, and how the head was scanned. No voxel is drawn here.

Frequencies are chosen for teaching, not estimated from a population: each side, lobe and part of a tumour is frequent
enough to be scored in a test part of 200, and each part is there or not by a draw of its own, so that it has to be
seen. Pose, scanner and anatomy are drawn from generators of their own and say nothing about the lesion.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medley.core.labels import BRAIN_LOBES
from medley.core.seeds import generator
from medley.data.cohorts.brain.growth import roads
from medley.data.cohorts.brain.plan import DIFFICULTIES, Anatomy, Lesion, Pose, Scanner, StudyPlan, Triple

HEALTHY_SHARE = 0.3
_BLOCK = 12  # studies are dealt to patients in blocks, so that study i is the same in a cohort of any size
_AXES = ("RAS", "LPS", "LAS", "RPS", "LPI", "ASR")  # as files of different scanners and tools come
_LOBE_SHARE = {
    "frontal": 0.29,
    "temporal": 0.22,
    "parietal": 0.20,
    "occipital": 0.11,
    "insula": 0.05,
    "deep": 0.06,
    "cerebellum": 0.05,
    "brainstem": 0.02,
}
_MOST_MM = {"insula": 13.0, "deep": 16.0, "cerebellum": 17.0, "brainstem": 12.0}  # radius of a core there
# where one that grows through the corpus callosum begins: genu, body, splenium
_CALLOSAL = ((0.0, 27.0, 9.0), (0.0, 4.0, 25.0), (0.0, -38.0, 14.0))


def plan_study(seed: int, index: int, difficulty: str) -> StudyPlan:
    """All that is decided about study `index` of cohort `seed`: the same for any cohort size, and the same lesions for
    any difficulty but for their size."""
    dials = DIFFICULTIES[difficulty]
    patient_id, visit = patient_of(seed, index)
    ill = generator(seed, patient_id, "ill").random() >= HEALTHY_SHARE
    lesions = draw_lesions(f"{seed}/{patient_id}", generator(seed, patient_id, "lesions")) if ill else ()
    growth = generator(seed, "growth", index).uniform(0.85, 1.25) if visit else 1.0
    return StudyPlan(
        seed=seed,
        index=index,
        patient_id=patient_id,
        anatomy=draw_anatomy(f"{seed}/{patient_id}", visit, dials.nuisance),
        pose=draw_pose(generator(seed, "pose", index), dials.nuisance),
        scanner=draw_scanner(f"{seed}/{index}", generator(seed, "scanner", index), dials.noise, dials.nuisance),
        lesions=tuple(_grown(lesion, growth * dials.size) for lesion in lesions),
        difficulty=difficulty,
    )


def patient_of(seed: int, index: int) -> tuple[str, int]:
    """The patient of study `index`, and which of their visits it is, from 0: one or two studies each."""
    block, place = divmod(index, _BLOCK)
    rng = generator(seed, "patients", block)
    sizes: list[int] = []
    while sum(sizes) < _BLOCK:
        sizes.append(int(rng.choice([1, 2], p=[0.88, 0.12])))
    ends = np.cumsum(sizes)
    patient = int(np.searchsorted(ends, place, side="right"))
    return f"brain-{seed}-p{block * _BLOCK + patient}", int(place - (ends[patient] - sizes[patient]))


def draw_anatomy(key: str, visit: int, nuisance: float) -> Anatomy:
    """The head of this patient: ventricles, sulci and white-matter hyperintensities grow with age."""
    rng = generator(key, "anatomy")
    sex = "F" if rng.random() < 0.48 else "M"
    age_years = float(np.clip(rng.normal(56, 16), 20, 90).round())
    old = (age_years - 50) / 40
    scale = 1 + (0.025 if sex == "M" else -0.025) + np.clip(rng.normal(0, 0.03 * nuisance, 3), -0.06, 0.06)
    x, y, z = scale.tolist()
    return Anatomy(
        key=key,
        sex=sex,
        age_years=age_years + visit,
        scale=(x, y, min(z, 1.06)),
        ventricle_mm=float(np.clip(0.3 + 1.3 * max(old, -0.5) + rng.normal(0, 0.9 * nuisance), -0.9, 4.0)),
        asymmetry_mm=float(rng.normal(0, 0.3 * nuisance)),
        atrophy=float(np.clip(0.15 + 0.5 * old + rng.normal(0, 0.3), 0, 1)),
        hyperintensity=float(np.clip(0.08 + 0.5 * old + rng.gamma(1.0, 0.15 * nuisance), 0, 1)),
    )


def draw_pose(rng: np.random.Generator, nuisance: float) -> Pose:
    """A few degrees and millimetres; the array's axes as some scanner or tool writes them."""
    x, y, z = (rng.normal(0, 2.3 * nuisance, 3).clip(-7, 7)).tolist()
    shift = (rng.normal(0, 2.5 * nuisance, 3).clip(-6, 6)).tolist()
    origin = rng.normal(0, 9, 3).round(2).tolist()
    return Pose(
        turn_deg=(x, y, z),
        shift_mm=(shift[0], shift[1], shift[2]),
        voxel=float(1 + rng.uniform(0.0, 0.06)),
        axes=str(rng.choice(_AXES, p=[0.3, 0.3, 0.2, 0.08, 0.08, 0.04])),
        origin_mm=(origin[0], origin[1], origin[2]),
    )


def draw_scanner(key: str, rng: np.random.Generator, noise: float, nuisance: float) -> Scanner:
    """Field, coil, resolution and style of one examination; one axis is mostly thicker than the others."""
    blur = rng.uniform(0.3, 0.9, 3)
    blur[int(rng.choice([2, 0, 1], p=[0.7, 0.15, 0.15]))] += rng.uniform(0, 1.4)
    x, y, z = blur.tolist()
    return Scanner(
        key=key,
        bias=float(rng.uniform(0.08, 0.36) * nuisance),
        noise=float(noise * rng.uniform(0.008, 0.028)),
        blur_mm=(x, y, z),
        gamma=float(np.exp(rng.normal(0, 0.15 * nuisance))),
        gain=float(np.exp(rng.uniform(np.log(250), np.log(3000)))),
        contrast=float(np.clip(rng.normal(1, 0.33 * nuisance), 0.3, 1.6)),
        strip_mm=float(rng.normal(-0.3, 0.7)),
    )


def draw_lesions(key: str, rng: np.random.Generator) -> tuple[Lesion, ...]:
    """One tumour, or one through the corpus callosum, or two or three of which the first is the largest."""
    kind = rng.random()
    if kind < 0.05:
        return (_callosal(f"{key}/0", rng),)
    first = _lesion(f"{key}/0", rng, _side(rng), _lobe(rng), 1.0)
    lesions = [first]
    if kind > 0.86:
        for number in range(1, 2 + int(rng.random() < 0.3)):
            side = _side(rng) if rng.random() < 0.6 else first.side
            lesions.append(_lesion(f"{key}/{number}", rng, side, _lobe(rng), 0.68))
    return tuple(lesions)


def _lesion(key: str, rng: np.random.Generator, side: str, lobe: str, size: float) -> Lesion:
    radius = float(np.clip(np.exp(rng.normal(np.log(16.5), 0.25)) * size, 12.0, 26))
    oedema, enhances = rng.random() < 0.76, rng.random() < 0.72
    radius = max(radius, 12.0 if oedema else 14.0)  # without oedema there must be more of it to be seen
    radius = min(radius, _MOST_MM.get(lobe, radius))
    first = size == 1.0
    pushes = first and rng.random() < np.clip((radius - 3) / 16, 0.25, 0.8)
    shifts = pushes and lobe not in ("cerebellum", "brainstem") and radius > 11 and rng.random() < 0.85
    stretch = np.exp(rng.normal(0, 0.16, 3))
    stretch /= np.prod(stretch) ** (1 / 3)
    x, y, z = stretch.tolist()
    return Lesion(
        key=key,
        side=side,
        lobe=lobe,
        centre=_centre(rng, side, lobe, radius),
        radius_mm=radius,
        stretch=(x, y, z),
        rough=float(rng.uniform(0.08, 0.26)),
        reach_mm=float(np.clip(np.exp(rng.normal(np.log(11), 0.3)), 6, 20)) if oedema else 0.0,
        necrosis=float(rng.uniform(0.65, 0.85)) if radius > 10.6 and rng.random() < 0.65 else 0.0,
        enhances=bool(enhances or not oedema),
        push_mm=float(rng.uniform(4.5, 9)) if pushes else 0.0,
        shift_mm=float(rng.uniform(6, 14)) if shifts else 0.0,
    )


def _callosal(key: str, rng: np.random.Generator) -> Lesion:
    lesion = _lesion(key, rng, "left", "deep", 1.0)
    _, y, z = _CALLOSAL[int(rng.choice(3, p=[0.5, 0.2, 0.3]))]
    return replace(
        lesion,
        side="midline",
        centre=(float(rng.normal(0, 3)), y + float(rng.normal(0, 3)), z + float(rng.normal(0, 2))),
        radius_mm=max(lesion.radius_mm, 12.0),
        stretch=(1.5, 0.8, 0.83),
        reach_mm=max(lesion.reach_mm, 14.0) if lesion.reach_mm else 0.0,
        push_mm=0.0,
        shift_mm=0.0,
    )


def _grown(lesion: Lesion, by: float) -> Lesion:
    return replace(lesion, radius_mm=min(lesion.radius_mm * by, 34.0), reach_mm=lesion.reach_mm * by)


def _side(rng: np.random.Generator) -> str:
    return "left" if rng.random() < 0.5 else "right"


def _lobe(rng: np.random.Generator) -> str:
    return str(rng.choice(list(_LOBE_SHARE), p=list(_LOBE_SHARE.values())))


def _centre(rng: np.random.Generator, side: str, lobe: str, radius: float) -> Triple:
    """A point of this lobe's white matter, not so near the surface that the tumour would lie outside."""
    net = roads()
    sign = -1 if side == "left" else 1
    here = (net.lobe == BRAIN_LOBES.index(lobe)) & (net.points[0] * sign > (1 if lobe == "brainstem" else 7))
    for least_white, least_depth in ((0.5, min(0.7 * radius, 12)), (0.3, 5), (0.0, 0.0)):
        where = np.flatnonzero(here & (net.white >= least_white) & (net.depth >= least_depth))
        if len(where) >= 8:
            break
    chance = np.maximum(net.margin[where], 1.0) ** 2  # mostly well within a lobe, now and then between two
    x, y, z = (net.points[:, int(rng.choice(where, p=chance / chance.sum()))] + rng.uniform(-2, 2, 3)).tolist()
    return x, y, z
