"""The lateral view of a study: a plain projection of the same patient, with what of each finding shows from the side.

The patient faces the left of the image: x_cm grows from the sternum to the spine. Both lungs lie on each other, so
findings have no side here; what a lateral does not show (fractures, pneumothorax) is left out. No masks: those are of
the frontal film.
"""

from __future__ import annotations

import numpy as np

from medley.core.seeds import generator
from medley.data.cohorts.chest import film
from medley.data.cohorts.chest.canvas import Array, Grid, Strokes, ellipsoid_squared, ramp, smooth_noise
from medley.data.cohorts.chest.draw import raised_cm, shape_of
from medley.data.cohorts.chest.patient import lung_height_cm
from medley.data.cohorts.chest.plan import ZONES, Finding, StudyPlan

Rng = np.random.Generator


def draw_lateral(plan: StudyPlan, px: int) -> Array:
    """uint8 [px, px]."""
    patient, rng = plan.patient, generator(plan.seed, plan.index, "lateral view")
    lungs = lung_height_cm(patient, plan.pose)
    nuisance = plan.dials.nuisance
    centre = (float(rng.normal(0.5, 0.8 * nuisance)), lungs * 0.54 + float(rng.normal(0, 0.9 * nuisance)))
    grid = Grid(px, plan.pose.field_cm * 0.97, centre, float(rng.normal(0, 2.0 * nuisance)), 0.0)
    body, lung, domes = _chest(plan, grid, lungs)
    heart = _heart(plan, grid, lungs)
    lung = np.maximum(lung - heart, 0)
    extra = grid.zeros()
    for place, finding in enumerate(plan.findings):
        extra += _DRAW.get(finding.label, _nothing)(
            plan, finding, grid, domes, generator(plan.seed, plan.index, "lateral", finding.label, place)
        )
    bone = _bones(plan, grid, lungs)
    vessels = _vessels(plan, grid, lungs) * np.clip(lung / 6, 0, 1)
    soft = np.maximum(body - lung, np.minimum(body, 1.0))
    cm = soft + film.LUNG_DENSITY * lung + (vessels + film.BONE_DENSITY * bone) * np.minimum(body / 2, 1) + extra
    thickness = 2 * (patient.half_width_cm + 0.7 * patient.wall_cm) * 0.92
    return film.burn_in(film.expose(cm, plan.exposure, thickness, grid.pitch_cm), plan.exposure, np.asarray(plan.room))


def _chest(plan: StudyPlan, grid: Grid, lungs: float) -> tuple[Array, Array, dict[str, Array]]:
    """Body and lung depths along the side-to-side ray, and y of the two domes."""
    patient, shape = plan.patient, shape_of(plan)
    d, w, wall = patient.half_depth_cm, patient.half_width_cm, patient.wall_cm
    front = grid.of_y([(-4, -0.15), (0, -0.35), (5, -0.72), (12, -0.95), (20, -1.0), (34, -0.9)]) * d
    back = grid.of_y([(-4, 0.55), (0, 0.7), (6, 0.95), (14, 1.05), (22, 1.0), (34, 0.9)]) * d
    middle, half = (front + back) / 2, (back - front) / 2
    u = np.minimum(np.abs(grid.x - middle) / half, 1)
    apex = np.clip((grid.y + 0.3) / 5, 0, 1)
    domes = {}
    lung = grid.zeros()
    for side, lower in (("right", 0.0), ("left", patient.left_dome_cm)):
        t = (grid.x + 0.25 * d) / d  # the top of a dome lies in front of the middle
        fall = np.where(t > 0, 6.5 * (1 - np.sqrt(1 - np.clip(t / 1.3, 0, 1) ** 2)), 2.6 * np.minimum(-t, 1.4) ** 2)
        domes[side] = (lungs + lower - shape.raised_dome_cm.get(side, 0.0) + fall).astype(np.float32)
        lung += 0.82 * w * np.sqrt(1 - u**2) * np.sqrt(apex) * ramp(domes[side] - grid.y, 0.3)
    outer = half + 0.6 + 0.9 * wall
    outer = outer * grid.of_y([(-12, 0.72), (-5, 0.8), (0, 0.95), (6, 1.0), (40, 1.05)])
    v = np.minimum(np.abs(grid.x - middle) / outer, 1)
    across = grid.of_y([(-12, 6), (-5, 7), (-1, 1.15 * w), (5, 1.25 * w), (10, w + wall), (40, w + wall)])
    body = 2 * across * np.sqrt(1 - v**3)
    if patient.breast_cm:
        lump = ellipsoid_squared(
            grid, (-d - 0.4 * patient.breast_cm, 0.75 * lungs), (2 + 0.8 * patient.breast_cm, 6.0, 1)
        )
        body = body + 1.3 * patient.breast_cm * np.sqrt(lump / 4)
    arm = ellipsoid_squared(grid, (-0.2 * d, -4.0), (0.8 * d, 6.0, 5.0), -20)  # raised arms over the apices
    return (body + 0.5 * np.sqrt(arm)).astype(np.float32), lung, domes


def _heart(plan: StudyPlan, grid: Grid, lungs: float) -> Array:
    patient, shape = plan.patient, shape_of(plan)
    size = 2 * patient.half_width_cm * patient.ctr * shape.heart
    d = patient.half_depth_cm
    half = 0.40 * size
    parts = [
        ellipsoid_squared(
            grid, (-0.88 * d + half, lungs - 0.30 * size + 0.8), (half, 0.46 * size + 0.8, 0.42 * size), -28
        ),
        ellipsoid_squared(
            grid, (-0.1 * d, 0.36 * lungs), (2.0 + shape.mediastinum_cm, 4.6, 1.7 + shape.mediastinum_cm), 25
        ),
        ellipsoid_squared(grid, (-0.4 * d, 0.55 * lungs), (2.6, 5.0, 2.4), 20),  # great vessels above the heart
        ellipsoid_squared(grid, (0.17 * d, 0.45 * lungs), (1.5, 1.9, 1.4)),  # hila
    ]
    if shape.mediastinum_cm:  # fills the retrosternal space
        parts.append(ellipsoid_squared(grid, (-0.3 * d, 0.28 * lungs), (2.4 * shape.mediastinum_cm, 5.5, 3.6)))
    air = Strokes(grid)
    air.line([(0.05 * d, -12), (0.12 * d, 0), (0.25 * d, 0.42 * lungs)], 1.6)
    return np.sqrt(np.sqrt(sum(part * part for part in parts))) - 1.6 * air.array(0.2)


def _bones(plan: StudyPlan, grid: Grid, lungs: float) -> Array:
    patient, d = plan.patient, plan.patient.half_depth_cm
    spine, ribs = Strokes(grid), Strokes(grid)
    y = -14.0
    while y < 38:
        tall = 1.75 + 0.022 * (y + 15)
        x = d * float(np.interp(y, [-14, 0, 12, 24, 38], [0.3, 0.62, 0.98, 0.85, 0.55]))
        spine.polygon([(x - 1.5, y), (x + 1.4, y + 0.1), (x + 1.4, y + tall), (x - 1.5, y + tall)], 0.5)
        spine.line([(x - 1.5, y), (x + 1.4, y + 0.1)], 0.2, 0.85)
        spine.line([(x - 1.5, y + tall), (x + 1.4, y + tall)], 0.2, 0.85)
        spine.line([(x + 1.6, y + 0.4), (x + 3.4, y + 1.6)], 0.8, 0.4)
        y += tall + 0.35
    spacing = (lungs + 1) / 10.2
    t = np.linspace(0, 1, 14)
    for rib in range(1, 11):
        for other in (0.0, 0.6):
            reach = float(np.interp(rib, [1, 4, 10], [0.7, 1.5, 1.75])) * d
            course = 0.95 * d - reach * t + other
            y_rib = -1 + spacing * (rib - 1) + patient.rib_drop_cm * t**1.2 + other
            ribs.line(np.stack([course, y_rib], 1), 0.9, 0.3)
            ribs.line(np.stack([course, y_rib + 0.4], 1), 0.14, 0.55)
    sternum = Strokes(grid)
    sternum.line([(-0.45 * d, 2.5), (-0.85 * d, 8.0), (-1.02 * d, 16.0)], 0.9, 0.6)
    return patient.bone * (2.6 * spine.array(0.1) + 0.9 * ribs.array(0.08) + 1.4 * sternum.array(0.1))


def _vessels(plan: StudyPlan, grid: Grid, lungs: float) -> Array:
    rng, strokes = generator(plan.patient.key, "lateral vessels"), Strokes(grid)
    hilum = np.array([0.15 * plan.patient.half_depth_cm, 0.44 * lungs])
    for _ in range(46):
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(4, 10)
        end = hilum + length * np.array([0.7 * np.cos(angle), np.sin(angle)])
        middle = (hilum + end) / 2 + rng.normal(0, 0.7, 2)
        strokes.line([hilum + rng.normal(0, 0.6, 2), middle], rng.uniform(0.3, 0.5), 0.5)
        strokes.line([middle, end], rng.uniform(0.14, 0.26), 0.35)
    return 1.8 * strokes.array(0.08)


def _spot(plan: StudyPlan, finding: Finding, rng: Rng) -> tuple[float, float]:
    low, high = ZONES.get(finding.zone, (0.4, 0.6))
    lungs = lung_height_cm(plan.patient, plan.pose)
    return float(rng.uniform(-0.35, 0.65)) * plan.patient.half_depth_cm, rng.uniform(low, high) * (lungs + 1.5)


def _inside(grid: Grid, domes: dict[str, Array]) -> Array:
    return ramp(np.maximum(domes["right"], domes["left"]) - grid.y, 0.4)


def _cloud(plan: StudyPlan, finding: Finding, grid: Grid, domes: dict[str, Array], rng: Rng) -> Array:
    """A consolidation, pneumonia or nonspecific opacity."""
    out, thin = grid.zeros(), 0.45 if finding.label == "Lung Opacity" else 1.0
    for _ in finding.sides:
        x, y = _spot(plan, finding, rng)
        half = (2.0 + 2.0 * finding.severity) * plan.dials.size
        d = np.hypot((grid.x - x) / half, (grid.y - y) / half) + 0.3 * smooth_noise(rng, grid, 1.5)
        out += thin * (3.4 + 2.2 * finding.severity) * plan.dials.contrast * ramp(1 - d, 0.45)
    return out * _inside(grid, domes)


def _nodule(plan: StudyPlan, finding: Finding, grid: Grid, domes: dict[str, Array], rng: Rng) -> Array:
    x, y = _spot(plan, finding, rng)
    radius = (1.6 + 1.5 * finding.severity if finding.kind in ("mass", "cavity") else 1.0) * plan.dials.size
    ball = np.sqrt(np.sqrt(ellipsoid_squared(grid, (x, y), (radius, radius, 1)) / 4))
    return (2.0 + 1.1 * radius) * plan.dials.contrast * ball * _inside(grid, domes)


def _haze(plan: StudyPlan, finding: Finding, grid: Grid, domes: dict[str, Array], rng: Rng) -> Array:
    x, y = 0.15 * plan.patient.half_depth_cm, 0.46 * lung_height_cm(plan.patient, plan.pose)
    d2 = ((grid.x - x) / 5.5) ** 2 + ((grid.y - y) / 7.5) ** 2
    haze = np.exp(-d2) * (1 + 0.35 * smooth_noise(rng, grid, 1.1)) * _inside(grid, domes)
    return (1.2 + 2.0 * finding.severity) * plan.dials.contrast * haze


def _fluid(plan: StudyPlan, finding: Finding, grid: Grid, domes: dict[str, Array], rng: Rng) -> Array:
    """A meniscus in the posterior sulcus, one a side."""
    out, d = grid.zeros(), plan.patient.half_depth_cm
    for side in finding.sides:
        level = lung_height_cm(plan.patient, plan.pose) + 5.0 - (2.0 + 8.5 * finding.severity**1.3) * plan.dials.size
        surface = level - 3.0 * np.clip(grid.x / d, 0, 1) ** 4 - 1.5 * np.clip(-grid.x / d, 0, 1) ** 4
        inside = ramp(domes[side] - grid.y, 0.4) * (np.abs(grid.x) < 1.05 * d)
        out += 4.0 * plan.dials.contrast * ramp(grid.y - surface, 0.7) * inside
    return out


def _collapse(plan: StudyPlan, finding: Finding, grid: Grid, domes: dict[str, Array], rng: Rng) -> Array:
    strokes, d = Strokes(grid), plan.patient.half_depth_cm
    for _ in finding.sides:
        x, y = _spot(plan, finding, rng)
        if finding.kind == "plate":
            for k in range(2 + int(2.5 * finding.severity)):
                strokes.line([(x - 2.5, y + 0.8 * k), (x + 2.5, y + 0.8 * k + rng.uniform(-0.8, 0.8))], 0.4, 0.7)
        else:
            top, end = (0.2 * d, y - 4.0), (0.9 * d, y + 4.0 + raised_cm(finding))
            strokes.polygon([top, (0.5 * d, y), end, (1.0 * d, y - 1.0)], 1.0)
    return 3.2 * plan.dials.contrast * strokes.array(0.1) * _inside(grid, domes)


def _plaques(plan: StudyPlan, finding: Finding, grid: Grid, domes: dict[str, Array], rng: Rng) -> Array:
    strokes, lungs = Strokes(grid), lung_height_cm(plan.patient, plan.pose)
    if finding.kind == "plaques":
        for _ in range(4):
            at = np.array([rng.uniform(-0.8, 0.9) * plan.patient.half_depth_cm, rng.uniform(0.4, 1.0) * lungs])
            strokes.polygon(at + rng.uniform(-1, 1, (7, 2)) * 0.8, 0.7)
    return 2.5 * plan.dials.contrast * strokes.array(0.05) * _inside(grid, domes)


def _device(plan: StudyPlan, finding: Finding, grid: Grid, domes: dict[str, Array], rng: Rng) -> Array:
    strokes, d = Strokes(grid), plan.patient.half_depth_cm
    lungs, least = lung_height_cm(plan.patient, plan.pose), 1.5 / 224 * grid.px
    courses: dict[str, list[tuple[float, float]]] = {
        "pacemaker": [
            (-0.75 * d, 5),
            (-0.4 * d, 2),
            (-0.1 * d, 0.3 * lungs),
            (-0.1 * d, 0.7 * lungs),
            (-0.7 * d, 0.9 * lungs),
        ],
        "central line": [(-0.3 * d, -8), (-0.3 * d, 1), (-0.05 * d, 0.4 * lungs)],
        "endotracheal tube": [(0.05 * d, -14), (0.15 * d, 0.2 * lungs)],
        "gastric tube": [(0.2 * d, -14), (0.4 * d, 0.5 * lungs), (0.1 * d, lungs + 2), (-0.3 * d, lungs + 5)],
        "chest tube": [(0.3 * d, 0.95 * lungs), (0.7 * d, 0.6 * lungs), (0.3 * d, 0.25 * lungs)],
    }
    if finding.kind in courses:
        strokes.line(courses[finding.kind], 0.2, 0.9, min_px=least)
    if finding.kind == "pacemaker":
        strokes.polygon([(-1.0 * d, 3.5), (-0.86 * d, 3.3), (-0.84 * d, 7.0), (-0.98 * d, 7.2)], 0.9)
    if finding.kind == "sternal wires":
        for k in range(6):
            x = np.interp(3.6 + 2.2 * k, [2.5, 8, 16], [-0.5 * d, -0.9 * d, -1.06 * d])
            strokes.line([(x - 0.3, 3.6 + 2.2 * k), (x + 0.5, 3.9 + 2.2 * k)], 0.15, 1.0, min_px=least)
    return 5.0 * strokes.array()


def _nothing(plan: StudyPlan, finding: Finding, grid: Grid, domes: dict[str, Array], rng: Rng) -> Array:
    """Shown by the shape of the heart (`_heart`), or not at all from the side."""
    return grid.zeros()


_DRAW = {
    "Consolidation": _cloud,
    "Pneumonia": _cloud,
    "Lung Opacity": _cloud,
    "Lung Lesion": _nodule,
    "Edema": _haze,
    "Pleural Effusion": _fluid,
    "Atelectasis": _collapse,
    "Pleural Other": _plaques,
    "Support Devices": _device,
}
