"""What fills or scars the lung. Each function draws one finding into the scene and returns its mask, bool [px, px].

Depths are centimetres of water along the ray; `dials.contrast` scales them, `dials.size` the extent.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medley.data.cohorts.chest.anatomy import Scene
from medley.data.cohorts.chest.canvas import Array, Strokes, ellipsoid_squared, ramp, smooth_noise
from medley.data.cohorts.chest.patient import SIGN
from medley.data.cohorts.chest.plan import ZONES, Difficulty, Finding

Rng = np.random.Generator


def _room(scene: Scene) -> Array:
    """1 where there is lung to fill, falling to 0 at its edges; a little of it is left behind the heart."""
    return np.clip(scene.cavity / 7, 0, 1) * ramp(scene.dome - scene.grid.y, 0.4)


def _place(
    scene: Scene, side: str, zone: str, rng: Rng, out: tuple[float, float] = (0.40, 0.80)
) -> tuple[float, float]:
    low, high = ZONES[zone]
    inner = max(out[0], 0.62) if (side, zone) == ("left", "lower") else out[0]  # beside the heart, not behind it
    return scene.point(side, rng.uniform(low + 0.04, high - 0.04), rng.uniform(inner, max(out[1], inner + 0.1)))


def consolidation(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> Array:
    """Air replaced by fluid: dense, patchy-edged, vessels lost in it; "lobar" ends sharply at a fissure."""
    mask = np.zeros(scene.lung.shape, bool)
    for side in finding.sides:
        mask |= _consolidate(scene, finding, side, rng, dials)[0]
    return mask


def pneumonia(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> tuple[Array, Array]:
    """A consolidation with air bronchograms and a spray of small acinar spots about it: (mask of all, of the core)."""
    every, core = np.zeros(scene.lung.shape, bool), np.zeros(scene.lung.shape, bool)
    for side in finding.sides:
        mask, (x, y), half = _consolidate(scene, finding, side, rng, dials, bronchograms=True)
        core |= mask
        spots = Strokes(scene.grid)
        for _ in range(int(12 + 14 * finding.severity)):
            away, angle = rng.uniform(0.9, 1.9) * half, rng.uniform(0, 2 * np.pi)
            spots.disc(
                (x + away * np.cos(angle), y + away * np.sin(angle)), rng.uniform(0.25, 0.5), rng.uniform(0.6, 1)
            )
        cover = spots.array(0.12) * scene.field_of(side) * _room(scene)
        scene.extra += 2.0 * dials.contrast * cover
        every |= mask | (cover > 0.2)
    return every, core


def _consolidate(
    scene: Scene, finding: Finding, side: str, rng: Rng, dials: Difficulty, bronchograms: bool = False
) -> tuple[Array, tuple[float, float], float]:
    grid = scene.grid
    half = (2.4 + 2.2 * finding.severity) * dials.size * rng.uniform(0.9, 1.15)
    x, y = _place(scene, side, finding.zone, rng)
    d = np.hypot((grid.x - x) / (half * rng.uniform(0.85, 1.15)), (grid.y - y) / (half * rng.uniform(0.75, 1.1)))
    d += 0.22 * smooth_noise(rng, grid, 1.7) + 0.1 * smooth_noise(rng, grid, 0.6)
    cover = ramp(1 - d, 0.4)
    if finding.kind == "lobar":  # a fissure bounds it, tilted a little
        edge = y + 0.35 * half + rng.uniform(-0.12, 0.12) * (grid.x - x)
        cover *= ramp(
            (edge - grid.y) * (1 if finding.zone == "upper" else -1) + 0.7 * half * (finding.zone != "upper"), 0.3
        )
    cover *= scene.field_of(side) * _room(scene)
    filling = cover * (1 + 0.13 * smooth_noise(rng, grid, 0.5))
    if bronchograms:
        tubes = Strokes(grid)
        hilum = np.array(scene.hila[side])
        for _ in range(5):
            end = np.array([x, y]) + rng.uniform(-0.9, 0.9, 2) * half
            middle = (hilum + end) / 2 + rng.normal(0, 0.4, 2)
            tubes.line([hilum, middle, end], rng.uniform(0.28, 0.44))
        filling = filling * (1 - 0.75 * tubes.array(0.08))
    scene.extra += (3.4 + 2.2 * finding.severity) * dials.contrast * filling
    scene.vessels = scene.vessels * (1 - 0.8 * cover)
    return cover > 0.3, (x, y), half


def edema(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> Array:
    """Fluid in both lungs: haze about the hila, cuffed bronchi, full upper vessels, septal (Kerley B) lines."""
    grid = scene.grid
    mask = np.zeros(scene.lung.shape, bool)
    lines, cuffs = Strokes(grid), Strokes(grid)
    for side in ("right", "left"):
        x, y = scene.hila[side]
        sign = SIGN[side]
        reach = (3.4 + 1.6 * finding.severity) * rng.uniform(0.85, 1.15)
        d2 = ((grid.x - x - sign * 1.5) / reach) ** 2 + ((grid.y - y - 1.5) / (1.5 * reach)) ** 2
        haze = (
            np.exp(-d2)
            * (1 + 0.35 * smooth_noise(rng, grid, 1.1))
            * scene.field_of(side)
            * _room(scene)
            * np.clip(scene.lung / 7, 0.1, 1)
        )
        haze *= 1 + 0.5 * np.abs(smooth_noise(rng, grid, 0.45))
        scene.extra += (0.8 + 1.7 * finding.severity) * dials.contrast * haze
        mask |= haze > 0.3
        for _ in range(int(10 + 10 * finding.severity)):
            down, length = rng.uniform(0.45, 0.97), rng.uniform(1.2, 2.2)
            px, py = scene.point(side, down, 0.97)
            lines.line([(px, py), (px - sign * length, py + rng.uniform(-0.15, 0.25))], 0.14, 1.0, min_px=0.7)
        for _ in range(int(5 + 5 * finding.severity)):
            at = (x + sign * rng.uniform(0.5, 4.0), y + rng.uniform(-3.5, 4.0))
            cuffs.disc(at, 0.46, 0.8)
            cuffs.disc(at, 0.2, 0.2)
        for _ in range(4):  # cephalised veins
            angle = np.radians(rng.uniform(35, 80))
            end = (x + sign * 6.5 * np.cos(angle), y - 6.5 * np.sin(angle))
            lines.line([(x, y), ((x + end[0]) / 2 + 0.4, (y + end[1]) / 2), end], 0.26, 0.75)
    inside = (scene.field_of("right") | scene.field_of("left")) & (scene.wall > 0.1)
    fine = (1.5 * lines.array() + 1.7 * cuffs.array()) * inside * np.clip(scene.cavity / 4, 0, 1)
    scene.extra += dials.contrast * fine
    return mask | (ndimage.grey_dilation(fine, 3) > 0.3)


def atelectasis(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty, raised_cm: float) -> Array:
    """Lung without air: "plate" is a few thin bands near the base, "lobar" a sharp wedge; the dome has risen."""
    grid, strokes = scene.grid, Strokes(scene.grid)
    for side in finding.sides:
        sign = SIGN[side]
        if finding.kind == "plate":
            for _ in range(3 + int(3 * finding.severity)):
                x, y = _place(scene, side, finding.zone, rng, (0.45, 0.65))
                half, slope = rng.uniform(2.2, 3.8), sign * rng.uniform(-0.35, 0.45)
                t = np.linspace(-1, 1, 9)
                strokes.line(
                    np.stack([x + half * t, y + slope * half * t + 0.25 * t**2], 1), rng.uniform(0.55, 0.9), 0.9
                )
        elif finding.zone == "upper":  # collapsed upper lobe against the mediastinum, its fissure drawn up
            x1, y1 = scene.point(side, 0.30 + 0.12 * finding.severity, 0.16)
            x2, y2 = scene.point(side, 0.12, 0.85)
            bow = ((x1 + x2) / 2 - sign * 0.6, (y1 + y2) / 2 - 0.9)
            strokes.polygon([(sign * 1.5, -0.5), (x1, y1), bow, (x2, y2), (x2, -1.5)], 1.0)
        else:  # collapsed lower lobe: a sail beside the spine, behind the heart on the left
            x2, y2 = scene.point(side, 1.12, 0.52 + 0.15 * finding.severity)
            hx, hy = scene.hila[side]
            strokes.polygon(
                [(sign * 1.0, hy), (hx, hy + 1.0), ((hx + x2) / 2, (hy + y2) / 2 + 0.8), (x2, y2), (0, y2)], 1.0
            )
    inside = grid.zeros()
    for side in finding.sides:
        inside = np.maximum(inside, scene.field_of(side) * ramp(grid.x * SIGN[side] - 1.2, 2.4))
    cover = strokes.array(0.07 if finding.kind == "plate" else 0.12) * inside * np.clip(scene.cavity / 4, 0, 1)
    scene.extra += (4.3 if finding.kind == "plate" else 5.2 + finding.severity) * dials.contrast * cover
    mask = cover > 0.25
    for side in finding.sides:  # what the risen dome has covered
        strip = (grid.y >= scene.dome) & (grid.y < scene.dome + raised_cm) & (scene.wall > 0)
        mask |= strip & (grid.x * SIGN[side] > 0)
    return mask


def lesion(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> Array:
    """A mass, a cavity (a thick ring), or two to four nodules, plain or calcified; the edge is sharp and lobulated."""
    grid = scene.grid
    mask = np.zeros(scene.lung.shape, bool)
    count = 1 if finding.kind in ("mass", "cavity") else int(rng.integers(2, 5))
    for side in finding.sides:
        for _ in range(count):
            radius = (
                1.9 + 1.5 * finding.severity if finding.kind in ("mass", "cavity") else rng.uniform(1.0, 1.6)
            ) * dials.size
            x, y = _place(scene, side, finding.zone, rng, (0.42, 0.86))
            lobes = 1 + 0.07 * np.sin(rng.integers(3, 6) * np.arctan2(grid.y - y, grid.x - x) + rng.uniform(0, 6))
            ball = np.sqrt(ellipsoid_squared(grid, (x, y), (radius, radius * rng.uniform(0.85, 1.1), 1)) / 4) * lobes
            depth = np.sqrt(ball) * (2.9 + 1.15 * radius)  # flatter than a sphere: the edge stays visible
            if finding.kind == "cavity":
                depth = 0.75 * depth * (1 - 0.8 * ramp(ball - 0.82, 0.1))
            if finding.kind == "calcified":
                depth = depth * 1.4
            within = scene.field_of(side) & (scene.cavity > 1)
            scene.extra += dials.contrast * depth * within
            mask |= (ball > 0.1) & within
    return mask


def opacity(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> Array:
    """Nonspecific: "reticular" is a mesh of scars at the base or the edge, "haze" an ill-defined veil."""
    grid = scene.grid
    mask = np.zeros(scene.lung.shape, bool)
    for side in finding.sides:
        x, y = _place(scene, side, finding.zone, rng, (0.5, 0.7))
        half = (3.0 + 2.0 * finding.severity) * dials.size
        d = np.hypot((grid.x - x) / half, (grid.y - y) / half) + 0.15 * smooth_noise(rng, grid, 2.0)
        region = ramp(1 - d, 0.7) * scene.field_of(side) * _room(scene)
        if finding.kind == "reticular":
            mesh = np.exp(-((smooth_noise(rng, grid, 0.55) / 0.28) ** 2)) + np.exp(
                -((smooth_noise(rng, grid, 0.8) / 0.25) ** 2)
            )
            scene.extra += (1.5 + 0.8 * finding.severity) * dials.contrast * region * mesh
        else:
            scene.extra += (1.7 + 0.9 * finding.severity) * dials.contrast * region
        mask |= region > 0.2
    return mask
