"""What has been put into or onto the patient. Each kind is drawn by one function; `draw` returns the mask.

Wires and tubes are at least one and a half pixels wide at 224 px, as a careful eye needs. All belong to the label
Support Devices; ECG leads come only with another device, so that no film without the label shows metal.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from medley.data.cohorts.chest.anatomy import Scene
from medley.data.cohorts.chest.canvas import Array, Strokes
from medley.data.cohorts.chest.patient import SIGN, lung_height_cm, sway
from medley.data.cohorts.chest.plan import Difficulty, Finding

Rng = np.random.Generator
_WIRE_PX = 1.5 / 224  # least width of a wire, share of the film


def draw(scene: Scene, finding: Finding, rng: Rng, dials: Difficulty) -> Array:
    """Add one device to the scene."""
    metal, plastic = Strokes(scene.grid), Strokes(scene.grid)
    _KINDS[finding.kind](scene, finding, rng, metal, plastic)
    hard, soft = metal.array(), plastic.array()
    on_film = np.minimum(scene.body / 2, 1)  # outside the body a wire is as white, but there is nothing to overlap
    scene.extra += (11.0 * hard + 3.6 * soft) * (0.55 + 0.45 * dials.contrast) * np.maximum(on_film, 0.4)
    return ndimage.grey_dilation(np.maximum(hard, soft), 3) > 0.15


def _curve(points: list[tuple[float, float]]) -> np.ndarray:
    """A smooth course through the points (Catmull-Rom), 12 steps a piece."""
    p = np.asarray([points[0], *points, points[-1]], float)
    t = np.linspace(0, 1, 12)[:, None]
    pieces = []
    for a, b, c, d in zip(p, p[1:], p[2:], p[3:], strict=False):
        pieces.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.concatenate(pieces)


def _wire(strokes: Strokes, points: list[tuple[float, float]], width_cm: float, value: float = 1.0) -> None:
    strokes.line(_curve(points), width_cm, value, min_px=_WIRE_PX * strokes.grid.px)


def _pacemaker(scene: Scene, finding: Finding, rng: Rng, metal: Strokes, plastic: Strokes) -> None:
    sign, w, lungs = SIGN[finding.side], scene.patient.half_width_cm, lung_height_cm(scene.patient, scene.pose)
    x, y = sign * w * rng.uniform(0.55, 0.75), rng.uniform(3.0, 5.5)
    a, b, turn = rng.uniform(1.9, 2.4), rng.uniform(1.6, 2.1), rng.uniform(-0.5, 0.5)
    angles = np.linspace(0, 2 * np.pi, 33)
    cos, sin = (
        np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** 0.6,
        np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** 0.6,
    )
    can = np.stack(
        [x + a * cos * np.cos(turn) - b * sin * np.sin(turn), y + a * cos * np.sin(turn) + b * sin * np.cos(turn)], 1
    )
    metal.polygon(can, 0.8)
    metal.line(can, 0.2, 1.0)
    svc = (sway(scene.pose, 2) - 1.9, 0.28 * lungs)
    turn_in = (sign * 0.30 * w, 2.2)
    tips = [(sway(scene.pose, 4) + rng.uniform(3.5, 5.0), lungs - rng.uniform(0.3, 1.6))]
    if finding.severity > 0.4:
        tips.append((sway(scene.pose, 4) - rng.uniform(2.0, 3.0), 0.62 * lungs))
    for tip in tips:
        low = (svc[0] - 0.6, 0.72 * lungs)
        _wire(metal, [(x - sign, y - b), turn_in, svc, low, tip], 0.16)
        metal.disc(tip, 0.2)


def _central_line(scene: Scene, finding: Finding, rng: Rng, metal: Strokes, plastic: Strokes) -> None:
    sign, w, lungs = SIGN[finding.side], scene.patient.half_width_cm, lung_height_cm(scene.patient, scene.pose)
    tip = (sway(scene.pose, 2) - rng.uniform(1.5, 2.3), rng.uniform(0.34, 0.55) * lungs)
    upper = (tip[0] - 0.1, 0.24 * lungs)
    start = (
        [(sign * 3.6, -9.0), (sign * 2.8, -3.0), (sign * 2.2, 2.0)]
        if rng.random() < 0.55
        else [(sign * 1.05 * w, 6.0), (sign * 0.75 * w, 1.6), (sign * 0.32 * w, 2.2)]
    )
    if finding.side == "left":
        start.append((0.6, 0.17 * lungs))
    _wire(metal, [*start, upper, tip], 0.2, 0.75)


def _endotracheal(scene: Scene, finding: Finding, rng: Rng, metal: Strokes, plastic: Strokes) -> None:
    x, lungs = sway(scene.pose, 1), lung_height_cm(scene.patient, scene.pose)
    tip = rng.uniform(0.10, 0.27) * lungs
    for offset in (-0.45, 0.45):
        _wire(plastic, [(x + offset, -14), (x + offset, -5), (x + offset, tip)], 0.1, 0.8)
    _wire(metal, [(x + 0.05, -14), (x + 0.1, -5), (x, tip)], 0.14, 0.75)


def _gastric(scene: Scene, finding: Finding, rng: Rng, metal: Strokes, plastic: Strokes) -> None:
    x, lungs = sway(scene.pose, -2), lung_height_cm(scene.patient, scene.pose)
    end = (rng.uniform(3.5, 8.0), lungs + rng.uniform(3.0, 6.0))
    course = [
        (x + 0.3, -14),
        (x + rng.uniform(-0.4, 0.6), 4),
        (x + 0.5, 0.6 * lungs),
        (x + 1.2, lungs),
        (3.0, lungs + 3),
        end,
    ]
    _wire(metal, course, 0.22, 0.75)


def _sternal_wires(scene: Scene, finding: Finding, rng: Rng, metal: Strokes, plastic: Strokes) -> None:
    x = sway(scene.pose, 8)
    for k in range(int(rng.integers(5, 8))):
        y = 3.6 + 2.2 * k + rng.normal(0, 0.12)
        at, half, tall = x + rng.normal(0, 0.12), rng.uniform(0.7, 1.0), rng.uniform(0.45, 0.65)
        angles = np.linspace(-0.4, 2 * np.pi - 0.1, 20) + rng.uniform(0, 6)
        loop = np.stack([at + half * np.cos(angles), y + tall * np.sin(angles)], 1)
        metal.line(loop, 0.12, 1.0, min_px=_WIRE_PX * scene.grid.px)


def _chest_tube(scene: Scene, finding: Finding, rng: Rng, metal: Strokes, plastic: Strokes) -> None:
    entry = scene.point(finding.side, rng.uniform(0.62, 0.85), 1.25)
    middle = scene.point(finding.side, rng.uniform(0.5, 0.6), 0.85)
    tip = scene.point(finding.side, rng.uniform(0.08, 0.35), rng.uniform(0.45, 0.75))
    _wire(plastic, [entry, middle, tip], 0.8, 0.6)
    _wire(metal, [entry, middle, tip], 0.16, 0.8)


def _ecg_leads(scene: Scene, finding: Finding, rng: Rng, metal: Strokes, plastic: Strokes) -> None:
    for side in rng.permutation(["right", "left", "left"])[: int(rng.integers(2, 4))]:
        at = scene.point(side, rng.uniform(0.1, 0.95), rng.uniform(0.35, 1.0))
        off = (SIGN[side] * rng.uniform(20, 26), at[1] + rng.uniform(-10, 10))
        middle = ((at[0] + off[0]) / 2 + rng.normal(0, 1.5), (at[1] + off[1]) / 2 + rng.normal(0, 2.5))
        metal.disc(at, 0.42, 0.55)
        metal.disc(at, 0.22, 1.0)
        _wire(metal, [at, middle, off], 0.16, 0.8)


_KINDS = {
    "pacemaker": _pacemaker,
    "central line": _central_line,
    "endotracheal tube": _endotracheal,
    "gastric tube": _gastric,
    "sternal wires": _sternal_wires,
    "chest tube": _chest_tube,
    "ECG leads": _ecg_leads,
}
