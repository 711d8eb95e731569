"""Draws one study: the template's tissue in this person's form, a tumour where there is one, and the scanner's view.

Healthy and ill go the same way; the tumour is one optional step in the middle. The labels that come with the image are
BraTS's: 1 necrotic core, 2 oedema, 4 enhancing tumour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medley.core.records import SEQUENCES
from medley.core.seeds import generator
from medley.data.cohorts.brain.growth import MM, Field, grow
from medley.data.cohorts.brain.lobes import lobe_at
from medley.data.cohorts.brain.plan import StudyPlan
from medley.data.cohorts.brain.signal import Tissue, compose, scan
from medley.data.cohorts.brain.template import Array, Template, load
from medley.data.cohorts.brain.warp import Grid, Push, grid_of, midline_shift, pull_back, push_of, smooth_noise

NECROSIS, OEDEMA, ENHANCING = 1, 2, 4
LEAST_ML = {NECROSIS: 1.0, OEDEMA: 1.0}  # below it a part is not drawn at all: nobody would name it
_EDGE_MM = {"core": 1.6, "oedema": 4.0, "necrosis": 2.0}


@dataclass(frozen=True)
class Drawn:
    """One study in voxels [D, H, W] of `grid`: the sequences (int16), and what is known of them."""

    grid: Grid
    images: dict[str, Array]
    brain: Array  # bool
    labels: Array  # uint8, BraTS's
    lesion: Array  # int8: which lesion of the plan, -1 none
    lobe: Array  # int8: index into BRAIN_LOBES where a lesion lies
    left: Array  # bool: anatomically left, whatever was pushed where
    shift_mm: float  # of the midline
    pushed: bool


def draw(plan: StudyPlan, px: int, sequences: Sequence[str] = SEQUENCES, mass_effect: bool = True) -> Drawn:
    """Draw a study with `px` voxels across. `mass_effect` False leaves the tumour but nothing pushed by it."""
    grid = grid_of(px, plan.pose.voxel)
    template = load(_template_mm(px))
    pushes = [push_of(lesion, template) for lesion in plan.lesions] if mass_effect else [None] * len(plan.lesions)
    acting = [push for push in pushes if push is not None]
    points = pull_back(grid, template, plan.anatomy, plan.pose, acting, plan.dials.nuisance).reshape(3, -1)
    outline = template.sample(template.depth, points)
    inside = np.flatnonzero(outline > -plan.scanner.strip_mm)
    points, depth = points[:, inside], outline[inside]
    fields = [grow(lesion, _own(push)) for lesion, push in zip(plan.lesions, pushes, strict=True)]
    noises = generator(plan.anatomy.key, "texture")
    texture, patches = (smooth_noise(noises, grid, cell_mm).ravel()[inside] for cell_mm in (6.5, 13.0))
    bare, wall = _healthy(plan, template, points, acting, texture, patches)
    tissue, labels, owner = _with_lesions(bare, fields, points, wall, depth, grid)
    images = {}
    for sequence in sequences:
        values = np.zeros(int(np.prod(grid.shape)), np.float32)
        values[inside] = compose(tissue, sequence, plan.scanner, plan.dials.contrast)
        brain = np.zeros(values.size, bool)
        brain[inside] = True
        images[sequence] = scan(values.reshape(grid.shape), brain.reshape(grid.shape), sequence, plan.scanner, grid)
    ill = np.flatnonzero(labels)
    lobe = np.zeros(len(inside), np.int8)
    lobe[ill] = lobe_at(points[:, ill])

    def whole(values: Array, outside: int) -> Array:
        volume = np.full(int(np.prod(grid.shape)), outside, values.dtype)
        volume[inside] = values
        return volume.reshape(grid.shape)

    return Drawn(
        grid=grid,
        images=images,
        brain=whole(np.ones(len(inside), bool), False),
        labels=whole(labels, 0),
        lesion=whole(owner, -1),
        lobe=whole(lobe, 0),
        left=whole(points[0] < 0, False),
        shift_mm=midline_shift(acting, template),
        pushed=bool(acting),
    )


def _template_mm(px: int) -> float:
    """Resolution of the template that is fine enough for an image of this size."""
    return 1.5 if px > 96 else 2.5


def _own(push: Push | None) -> float:
    """By how much a push widens the core it comes from."""
    return 0.0 if push is None else push.amount_mm * (1 - push.across)


def _healthy(
    plan: StudyPlan, template: Template, points: Array, pushes: Sequence[Push], texture: Array, patches: Array
) -> tuple[dict[str, Array], Array]:
    """Shares of the tissues of this person, and mm to the walls of their ventricles."""
    anatomy = plan.anatomy
    grey, white, detail, wall = (
        template.sample(field, points) for field in (template.grey, template.white, template.detail, template.ventricle)
    )
    side = np.clip(points[0] / 4, -1, 1)  # -1 left, 1 right
    wider = anatomy.ventricle_mm - np.float32(anatomy.asymmetry_mm) * side
    for push in pushes:
        wider = wider - _collapse(push, points, side)
    wall = wall - wider
    # the template's chamber closes where the wall moves in, and tissue yields to fluid where it moves out
    chamber = np.clip(0.5 - wall / 1.8, 0, 1)
    was = np.clip(0.5 - (wall + wider) / 1.8, 0, 1)
    fluid = np.clip(1 - grey - white, 0, 1)
    closed = np.clip(was - chamber, 0, 1)
    white = white + np.minimum(fluid, closed)
    fluid = np.maximum(fluid - closed, chamber)
    rest = np.maximum(1 - fluid, 0) / np.maximum(grey + white, 1e-3)
    grey, white = grey * rest, white * rest
    # sulci: where grey matter meets fluid, age takes of the grey
    sulcus = np.clip(4 * fluid * grey, 0, 1) * np.float32(0.7 * anatomy.atrophy)
    sulcus = sulcus - np.float32(0.35) * _effaced(pushes, points) * np.clip(4 * fluid * grey, 0, 1)
    moved = np.clip(sulcus, -fluid, grey)
    grey, fluid = grey - moved, fluid + moved
    rim = np.exp(-(((wall - 1.5) / (2.0 + 4.5 * anatomy.hyperintensity)) ** 2)) * (wall > -1)
    spots = np.clip((texture - (3.1 - 1.7 * anatomy.hyperintensity)) / 0.5, 0, 1) * (wall > 3)
    rim = rim * np.clip(0.1 + 1.1 * anatomy.hyperintensity + 0.3 * patches + 0.15 * texture, 0, 1)
    hyper = np.maximum(rim, spots) * np.clip(1.6 * white - 0.3, 0, 1)
    shares = {"fluid": fluid, "grey": grey, "white": white, "detail": detail, "hyperintensity": hyper}
    return shares | {"texture": texture, "patches": patches}, wall


def _collapse(push: Push, points: Array, side: Array) -> Array:
    """How far the walls of a ventricle move in near a mass, mm: on its own side; the far side widens a little."""
    distance = np.sqrt(((points - push.centre[:, None]) ** 2).sum(0))
    amount = np.float32(min(6.5, 3.6 + 0.3 * push.amount_mm)) * np.exp(-((distance / 75) ** 2))
    if push.sign == 0 or push.across == 0:
        return amount
    own = np.clip(0.5 - 0.5 * push.sign * side, 0, 1)
    return amount * own - np.float32(0.08 * push.amount_mm * push.across) * (1 - own)


def _effaced(pushes: Sequence[Push], points: Array) -> Array:
    """How flat the sulci are pressed, 0 to 1."""
    pressed = np.zeros(points.shape[1], np.float32)
    for push in pushes:
        distance = np.sqrt(((points - push.centre[:, None]) ** 2).sum(0))
        pressed = np.maximum(pressed, np.exp(-(((distance - push.radius_mm) / 28).clip(0) ** 2)))
    return pressed


def _with_lesions(
    bare: dict[str, Array], fields: Sequence[Field], points: Array, wall: Array, depth: Array, grid: Grid
) -> tuple[Tissue, Array, Array]:
    """The tissue with the lesions over it, their labels, and which lesion each voxel belongs to."""
    count = points.shape[1]
    labels, owner = np.zeros(count, np.uint8), np.full(count, -1, np.int8)
    shares = {name: np.zeros(count, np.float32) for name in ("oedema", "solid", "enhancing", "necrosis")}
    coarse = load(MM)
    millilitres = float(np.prod(grid.size_mm)) / 1000
    tissue = np.clip((wall + 0.6) / 1.2, 0, 1) * np.clip(1.5 - 1.6 * bare["fluid"], 0, 1)
    for number, field in enumerate(fields):
        lesion = field.lesion
        near = np.flatnonzero(_box(points, lesion.centre, lesion.radius_mm * 1.8 + lesion.reach_mm * 1.3 + 12))
        core = coarse.sample(field.core, points[:, near])
        core_share = _ramp(-core, _EDGE_MM["core"]) * tissue[near]
        uneven = np.clip(1 + 0.25 * bare["patches"][near] + 0.1 * bare["texture"][near], 0.4, 1.6)
        rim = (1 - lesion.necrosis) * lesion.radius_mm * uneven
        within = np.minimum(-core, depth[near] - 1)
        dead = _ramp(within - rim, _EDGE_MM["necrosis"]) * core_share if lesion.necrosis else np.zeros_like(core)
        way = coarse.sample(field.way, points[:, near]) if lesion.reach_mm else np.full_like(core, 99)
        wet = _ramp(lesion.reach_mm - way, _EDGE_MM["oedema"]) * (1 - core_share) * tissue[near]
        wet *= np.clip(bare["white"][near] * 1.3 + 0.3, 0, 1)  # the cortex swells less: fingers of white matter
        if (dead > 0.5).sum() * millilitres < LEAST_ML[NECROSIS]:
            dead = np.zeros_like(dead)
        if (wet > 0.5).sum() * millilitres < LEAST_ML[OEDEMA]:
            wet = np.zeros_like(wet)
        alive = core_share - dead
        if not lesion.enhances:  # infiltrating: to the eye, and by BraTS's rule, its core is of a piece with oedema
            wet, alive = wet + 0.8 * alive, 0.2 * alive
        rest = 1 - np.clip(wet + alive + dead, 0, 1)
        for share in shares.values():
            share[near] *= rest
        shares["necrosis"][near] += dead
        shares["enhancing" if lesion.enhances else "solid"][near] += alive
        shares["oedema"][near] += wet * (1 - 0.3 * np.clip(way / max(lesion.reach_mm, 1.0), 0, 1))  # fades outwards
        own = np.zeros(len(near), np.uint8)
        own[wet > 0.5] = OEDEMA
        own[core_share > 0.5] = ENHANCING if lesion.enhances else OEDEMA
        own[dead > 0.5] = NECROSIS
        drawn = own > 0
        labels[near[drawn]] = own[drawn]
        owner[near[drawn]] = number
    return Tissue(**bare, **shares), labels, owner


def _ramp(inside_mm: Array, edge_mm: float) -> Array:
    return np.clip(inside_mm / edge_mm + 0.5, 0, 1)


def _box(points: Array, centre: Sequence[float], half_mm: float) -> Array:
    gap = np.abs(points - np.array(centre, np.float32)[:, None])
    return gap.max(0) < half_mm
