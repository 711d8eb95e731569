"""The bones of a frontal film: ribs as tilted hoops in space, clavicles, scapulae, arms, spine. Centimetres of bone.

A rib leaves the spine level, runs round the side and falls towards its front end; projected, its back half is the dense
"posterior rib" and its front half the faint one that crosses it. A fracture displaces a rib's course beyond a point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medley.core.seeds import generator
from medley.data.cohorts.chest.anatomy import Scene
from medley.data.cohorts.chest.canvas import Array, Strokes
from medley.data.cohorts.chest.patient import RIGHT, SIGN, lung_height_cm, sway

RIBS = range(1, 12)
_ANGLES = np.linspace(0.12, 2.45, 30)  # along the hoop: 0 at the spine, pi / 2 at the side, pi at the sternum


@dataclass(frozen=True)
class Break:
    """A fracture of a rib (1 to 11) at an angle of its hoop, or of the clavicle (rib 0) at a share of its length."""

    side: str
    rib: int
    at: float
    step_cm: float  # displacement of the far fragment across the bone; > 0 downwards
    gap_cm: float


def draw(scene: Scene, breaks: tuple[Break, ...] = ()) -> Array:
    """All bone of the film, cm."""
    patient, pose = scene.patient, scene.pose
    back, front, other, ends = (Strokes(scene.grid) for _ in range(4))
    for side in SIGN:
        for rib in RIBS:
            broken = next((b for b in breaks if b.side == side and b.rib == rib), None)
            for course in _pieces(rib_course(scene, side, rib), broken):
                _draw_rib(back, front, course, patient.rib_cm * (0.85 if rib == 1 else 1))
            if broken is not None:
                _draw_ends(ends, rib_course(scene, side, rib), broken, patient.rib_cm)
        broken = next((b for b in breaks if b.side == side and b.rib == 0), None)
        _clavicle(other, scene, side, broken)
    shoulder = Strokes(scene.grid)
    for side in SIGN:
        _shoulder(shoulder, scene, side)
    inside = np.clip(1.4 - scene.silhouette / 14, 0.55, 1)  # ribs are harder to see through the heart
    ribs = (0.78 * back.array(0.06) + 0.50 * front.array(0.08)) * inside
    bone = ribs + 1.25 * other.array(0.06) + 2.0 * ends.array(0.06) + 1.6 * shoulder.array(0.1) + _spine(scene)
    return (patient.bone * bone * (1 if pose.view == "PA" else 0.95)).astype(np.float32)


def rib_course(scene: Scene, side: str, rib: int) -> np.ndarray:
    """[n, 3]: x_cm, y_cm on the film and the angle of the hoop, from the spine to the front end."""
    patient, pose = scene.patient, scene.pose
    rng = generator(patient.key, "rib", side, rib)
    lungs = lung_height_cm(patient, pose)
    spacing = (lungs + 1.0) / 10.2
    start = -1.2 + spacing * (rib - 1) * (1 + 0.012 * (rib - 5)) + rng.normal(0, 0.08)
    reach = np.interp(rib, [1, 2, 3, 5, 8, 11], [0.50, 0.70, 0.83, 0.96, 1.02, 1.03]) * patient.half_width_cm + 0.35
    drop = np.interp(rib, [1, 3, 8, 11], [0.55, 0.85, 1.05, 1.0]) * patient.rib_drop_cm
    drop *= 0.75 if pose.view == "AP" else 1.0
    depth = patient.half_depth_cm * 0.95
    front_end = 2.35 if rib < 8 else 2.2 - 0.2 * (rib - 8)
    angles = _ANGLES[front_end > _ANGLES]
    x = SIGN[side] * (1.4 + (reach - 1.4) * np.sin(angles) ** 0.9) + sway(pose, 1.0) * -np.cos(angles) * depth
    rise = 0.5 * np.sin(np.minimum(angles, 1.2) / 1.2 * np.pi)  # the neck of the rib climbs a little first
    y = start + drop * (1 - np.cos(angles)) / 2 - rise
    return np.stack([x, y, angles], 1)


def _pieces(course: np.ndarray, broken: Break | None) -> list[np.ndarray]:
    """The rib whole, or its two fragments: the far one is displaced at the break and rejoins its course beyond it."""
    if broken is None:
        return [course]
    fine = np.stack([np.interp(np.linspace(0, 1, 90), np.linspace(0, 1, len(course)), c) for c in course.T], 1)
    where = int(np.argmin(np.abs(fine[:, 2] - broken.at)))
    run = np.hypot(*np.diff(fine[:, :2], axis=0).T)
    arc = np.concatenate([[0], np.cumsum(run)]) - np.cumsum(run)[where - 1]
    tangent = np.gradient(fine[:, :2], axis=0)
    tangent /= np.hypot(*tangent.T)[:, None]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1) * np.sign(tangent[:, :1] + 1e-9)
    shift = np.where(arc > 0, broken.step_cm, -0.35 * broken.step_cm) * np.exp(-((arc / 3.0) ** 2))
    fine[:, :2] += normal * shift[:, None]
    near, far = fine[arc < -broken.gap_cm / 2], fine[arc > broken.gap_cm / 2]
    return [piece for piece in (near, far) if len(piece) > 2]


def _draw_ends(strokes: Strokes, course: np.ndarray, broken: Break, height_cm: float) -> None:
    """The turned-up ends of the fragments: seen end-on they are the densest spots of the rib."""
    for piece, end in zip(_pieces(course, broken), (-1, 0), strict=False):
        at, next_to = piece[end, :2], piece[end - 1 if end else 1, :2]
        along = (at - next_to) / (np.hypot(*(at - next_to)) + 1e-9)
        across = np.array([-along[1], along[0]]) * height_cm * 0.55
        strokes.line([at - across, at + across], 0.7, 1.0)


def _draw_rib(back: Strokes, front: Strokes, course: np.ndarray, height_cm: float) -> None:
    points, angles = course[:, :2], course[:, 2]
    across = np.gradient(points, axis=0)
    across = np.stack([-across[:, 1], across[:, 0]], 1) / (np.hypot(*across.T)[:, None] + 1e-9)
    height = height_cm * np.interp(angles, [0.1, 0.5, 1.57, 2.4], [0.8, 1.0, 0.75, 1.1])
    upper, lower = points - across * height[:, None] / 2, points + across * height[:, None] / 2
    path = 0.46 + 0.42 * np.sin(angles) ** 6  # a ray along the side of the hoop crosses more bone
    turn = int(np.searchsorted(angles, 1.6))
    for strokes, first, last in ((front, max(turn - 1, 0), len(points) - 1), (back, 0, min(turn, len(points) - 1))):
        fade = 1.0 if strokes is back else 0.85
        for i in range(first, last):
            end = 1 if strokes is back else np.clip((2.45 - angles[i]) / 0.3, 0.3, 1)
            strokes.polygon([upper[i], upper[i + 1], lower[i + 1], lower[i]], fade * end * path[i])
        for edge in (upper, lower):  # cortex
            if last > first:
                strokes.line(edge[first : last + 1], 0.15, fade * min(1.0, 0.42 + path[first : last + 1].mean()))


def _clavicle(strokes: Strokes, scene: Scene, side: str, broken: Break | None) -> None:
    patient, sign = scene.patient, SIGN[side]
    rng = generator(patient.key, "clavicle", side)
    lift = -0.5 if scene.pose.view == "PA" else -2.2
    t = np.linspace(0, 1, 40)
    x = sign * (1.6 + t * 1.12 * patient.half_width_cm) + sway(scene.pose, 8.0) * (1 - t)
    y = 3.4 + lift - (3.0 + rng.normal(0, 0.3)) * t + 0.9 * np.sin(2 * np.pi * t)
    y += -sign * 0.05 * scene.pose.rotation_deg
    width = np.interp(t, [0, 0.15, 0.5, 0.85, 1], [2.0, 1.4, 1.05, 1.3, 1.7])
    pieces = [np.ones_like(t, bool)]
    if broken is not None:
        arc = (t - broken.at) * 1.12 * patient.half_width_cm
        y = y + np.where(arc > 0, broken.step_cm, -0.4 * broken.step_cm) * np.exp(-((arc / 3.0) ** 2))
        pieces = [arc < -broken.gap_cm / 2, arc > broken.gap_cm / 2]
    for piece in pieces:
        upper = np.stack([x, y - width / 2], 1)[piece]
        lower = np.stack([x, y + width / 2], 1)[piece]
        strokes.polygon(np.vstack([upper, lower[::-1]]), 0.72)
        strokes.line(upper, 0.16, 1.0)
        strokes.line(lower, 0.16, 1.0)


def _shoulder(strokes: Strokes, scene: Scene, side: str) -> None:
    """Scapula and humerus: rotated off the lung in PA, over its outer third in AP."""
    patient, sign, w = scene.patient, SIGN[side], scene.patient.half_width_cm
    rng = generator(patient.key, "shoulder", side)
    inward = rng.uniform(2.4, 4.2) if scene.pose.view == "AP" else rng.uniform(-1.2, 0.8)
    x0, x1 = w + 0.8 - inward, w + 4.5
    blade = [
        (x1 - 1, 1.2),
        (x0 + 0.6, 2.2),
        (x0, 5.0),
        (x0 + 0.3, 9.0),
        (x0 + 1.3, 13.5),
        (x0 + 2.3, 13.2),
        (x1 - 0.6, 6.0),
    ]
    blade = [(sign * x, y) for x, y in blade]
    strokes.polygon(blade, 0.26)
    strokes.line([*blade[1:6]], 0.25, 0.5)
    strokes.line([*blade[5:]], 0.5, 0.6)
    strokes.line(
        [(sign * (x0 + 0.5), 4.2), (sign * (x1 - 0.5), 0.6), (sign * (x1 + 2.5), -0.8)], 0.8, 0.55
    )  # spine, acromion
    head = np.array([sign * (x1 + 2.6), 2.6])
    away = np.array([sign * 1.2, 15.0]) if scene.pose.view == "AP" else np.array([sign * 9.0, 11.0])
    strokes.line([head, head + away], 2.3, 0.75)
    strokes.disc(head, 2.3, 0.85)
    for cortex in (np.array([0.9, 0]), np.array([-0.9, 0])):
        strokes.line([head + cortex, head + away + cortex], 0.3, 1.0)


def _spine(scene: Scene) -> Array:
    x = sway(scene.pose, -6.5)
    strokes = Strokes(scene.grid)
    y, half = -15.0, 1.35
    while y < 38:
        tall = 1.75 + 0.022 * (y + 15)
        half = 1.35 + 0.018 * (y + 15)
        box = [(x - half, y), (x - half * 0.86, y + tall / 2), (x - half, y + tall), (x + half, y + tall)]
        box += [(x + half * 0.86, y + tall / 2), (x + half, y)]
        strokes.polygon(box, 0.52)
        for edge in (0.0, tall):
            strokes.line([(x - half, y + edge), (x + half, y + edge)], 0.2, 0.8)
        for sign in (RIGHT, 1):
            strokes.disc((x + sign * half * 0.62, y + tall * 0.42), 0.36, 0.85)  # pedicles
            strokes.line(
                [(x + sign * half, y + 0.5), (x + sign * (half + 1.5), y + 0.3)], 0.7, 0.4
            )  # transverse process
        strokes.line([(x, y + tall * 0.5), (x, y + tall * 1.05)], 0.5, 0.9)  # spinous process
        y += tall + 0.32
    sternum = Strokes(scene.grid)
    at = sway(scene.pose, 8.0)
    sternum.line([(at, 2.4), (at, 16.0)], 3.0, 0.35)
    return 1.2 * strokes.array(0.1) + 0.35 * sternum.array(0.15)
