"""What lies between lung and ribs: air, fluid, and thickened or calcified pleura. Each function returns its mask."""

from __future__ import annotations

import numpy as np

from medley.data.cohorts.chest.anatomy import Scene
from medley.data.cohorts.chest.canvas import Array, Strokes, blur, ramp, smooth_noise
from medley.data.cohorts.chest.patient import SIGN
from medley.data.cohorts.chest.plan import Difficulty, Finding

Rng = np.random.Generator


def pneumothorax(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> Array:
    """Air outside the lung: blacker, without vessels, and bounded by the thin white line of the visceral pleura.

    "apical" (upright) is widest at the top; "basal" (supine) deepens the costophrenic sulcus.
    """
    grid, side = scene.grid, finding.side
    down = scene.height()
    widest = (3.0 + 3.2 * finding.severity) * dials.size
    end = 0.55 + 0.6 * finding.severity
    toward = down if finding.kind == "apical" else 1.02 - down
    gap = widest * np.sqrt(np.clip(1 - toward / end, 0, 1)) * (1 + 0.06 * smooth_noise(rng, grid, 3.0))
    mine = grid.x * SIGN[side] > 0
    reach = scene.dome + (1.2 if finding.kind == "basal" else 0.0)
    free = mine & (scene.wall > 0) & (grid.y < reach)
    air = ramp(gap - scene.wall, 0.2) * free * (gap > 0.15)
    line = np.exp(-(((scene.wall - gap) / 0.19) ** 2)) * free * (gap > 0.25)
    scene.vessels = scene.vessels * (1 - air)
    # the lung's own density (blood and tissue, a quarter of water) is missing where there is only air
    scene.extra -= (0.21 * scene.cavity * air) * dials.contrast
    scene.extra += 2.8 * dials.contrast * line * np.clip(scene.cavity / 3, 0, 1)
    return (air > 0.3) | (line > 0.4)


def effusion(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> Array:
    """Fluid: "free" has a meniscus that climbs the chest wall, "layering" (supine) veils a hemithorax."""
    grid = scene.grid
    mask = np.zeros(scene.lung.shape, bool)
    for side in finding.sides:
        mine = ramp(grid.x * SIGN[side] - 1.5, 3.0)
        severity = float(
            np.clip(finding.severity + (rng.uniform(-0.15, 0.15) if finding.side == "bilateral" else 0), 0, 1)
        )
        lowest = scene.point(side, 1.0, 0.9)[1]
        if finding.kind == "free":
            level = lowest + 2.4 - (2.0 + 9.0 * severity**1.3) * dials.size
            out = np.clip(grid.abs_x / scene.outer, 0, 1)
            surface = level - (1.3 + 2.6 * severity) * out**5 - 0.9 * np.clip(0.3 - out, 0, 1)
            below = ramp(grid.y - surface, 0.7)
            recess = np.exp(-np.maximum(grid.y - scene.dome, 0) / 2.0)
            cover = below * mine * (scene.wall > -0.1) * recess
            depth = np.minimum(1.4 + 0.75 * np.maximum(grid.y - surface, 0), 7.5) * np.clip(scene.cavity / 5, 0.25, 1)
            scene.extra += dials.contrast * depth * cover
            mask |= cover > 0.2
        else:
            down = np.clip((scene.height() - 0.12) / 0.9, 0, 1.2)
            cover = down**1.4 * mine * scene.field_of(side) * np.clip(scene.cavity / 5, 0, 1)
            blunt = (
                mine
                * ramp(grid.y - (lowest - 1.0 - 2.0 * severity + 0.5 * (scene.wall - 1)), 0.8)
                * (scene.wall > -0.1)
            )
            blunt = blunt * (grid.y < scene.dome + 1.5)
            scene.extra += dials.contrast * ((2.2 + 2.6 * severity) * cover + 2.2 * blunt * np.exp(-scene.wall / 2.5))
            mask |= (cover > 0.15) | (blunt * np.exp(-np.maximum(scene.wall, 0) / 2.5) > 0.3)
    return mask


def pleural_other(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> Array:
    """A rind along the chest wall ("thickening") or over the apex ("cap"), or calcified holly leaves ("plaques")."""
    grid = scene.grid
    mask = np.zeros(scene.lung.shape, bool)
    for side in finding.sides:
        mine = scene.field_of(side)
        if finding.kind == "plaques":
            strokes = Strokes(grid)
            for _ in range(4 + int(4 * finding.severity)):
                x, y = scene.point(side, rng.uniform(0.3, 0.95), rng.uniform(0.5, 0.92))
                angles = np.linspace(0, 2 * np.pi, 11)[:-1]
                radius = rng.uniform(0.8, 1.35) * dials.size * (1 + 0.4 * rng.uniform(-1, 1, 10))
                leaf = np.stack([x + radius * np.cos(angles) * 0.8, y + radius * np.sin(angles) * 1.3], 1)
                strokes.polygon(leaf, 0.45)
                strokes.line([*leaf, leaf[0]], 0.22, 1.0)
            cover = strokes.array(0.04) * mine
            scene.extra += 5.5 * dials.contrast * cover
            mask |= blur(cover, 0.8) > 0.2
            continue
        middle, half = (0.0, 0.27) if finding.kind == "cap" else (rng.uniform(0.45, 0.7), rng.uniform(0.27, 0.40))
        along = np.clip(1 - ((scene.height() - middle) / half) ** 2, 0, 1)
        thick = (1.3 + 1.0 * finding.severity) * dials.size * np.sqrt(along) * (1 + 0.3 * smooth_noise(rng, grid, 1.2))
        cover = ramp(thick - scene.wall, 0.25) * mine * (thick > 0.1) * (scene.wall > 0)
        scene.extra += (4.2 + finding.severity) * dials.contrast * cover
        mask |= cover > 0.3
    return mask
