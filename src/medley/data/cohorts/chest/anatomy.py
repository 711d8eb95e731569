"""The chest of a `Patient` in a `Pose`: how much soft tissue, lung and blood a frontal ray crosses, in centimetres.

`stand` puts the two together into a `Scene`: path-length maps (cm, float32 [px, px]) that findings add to and
`film.expose` turns into grey values. The right dome stands above the left, the carina near T5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medley.core.seeds import generator
from medley.data.cohorts.chest.canvas import Array, Grid, Strokes, blur, ellipsoid_squared, ramp, smooth_noise
from medley.data.cohorts.chest.patient import LEFT, RIGHT, SIGN, Patient, Pose, Shape, lung_height_cm, sway

# the rib cage: (y_cm, share of its half width)
_OUTER = [(-2, 0.5), (1, 0.66), (4, 0.79), (8, 0.9), (13, 0.965), (19, 1), (27, 1.01), (35, 0.96)]


@dataclass
class Scene:
    """The maps of one frontal film; findings add to `extra` and take away from `vessels` and `lung`."""

    grid: Grid
    patient: Patient
    pose: Pose
    outer: Array  # half width of the rib cage at this height, cm
    apex: Array  # y of the lung's upper edge at this x
    dome: Array  # y of the diaphragm at this x
    wall: Array  # about how far inside the rib cage, cm
    cavity: Array  # depth of the rib cage, cm
    heart: Array  # depth of the heart, cm
    silhouette: Array  # depth of heart and mediastinum together, cm
    lung: Array  # depth of aerated lung, cm
    body: Array  # depth of the body, cm
    vessels: Array  # cm of blood
    bone: Array  # cm of bone
    extra: Array  # water-equivalent cm that findings and devices add
    hila: dict[str, tuple[float, float]]

    def field_of(self, side: str) -> Array:
        """The projected lung of a side: inside the rib cage and above the dome (also what lies behind the heart)."""
        inside = (self.wall > 0) & (self.grid.y < self.dome)
        return inside & (self.grid.x * SIGN[side] > 0)

    def clear_lung(self, side: str) -> Array:
        """The part of `field_of` that heart and mediastinum do not cover."""
        return self.field_of(side) & (self.silhouette < 1)

    def height(self) -> Array:
        """0 at the lung's upper edge, 1 at the dome."""
        return (self.grid.y - self.apex) / (self.dome - self.apex)

    def point(self, side: str, down: float, out: float) -> tuple[float, float]:
        """A place in a lung: `down` from apex (0) to dome (1), `out` from the midline (0) to the ribs (1)."""
        y = down * (lung_height_cm(self.patient, self.pose) + 0.6)
        ys, shares = zip(*_OUTER, strict=True)
        return SIGN[side] * out * float(np.interp(y, ys, shares)) * self.patient.half_width_cm, y


def stand(patient: Patient, pose: Pose, shape: Shape, px: int) -> Scene:
    """The patient in front of the film, before any bone is drawn (`skeleton.draw`) and any finding is added."""
    grid = Grid(px, pose.field_cm, pose.centre_cm, pose.tilt_deg, patient.bend_cm)
    width, depth, lungs = patient.half_width_cm, patient.half_depth_cm, lung_height_cm(patient, pose)
    outer = grid.of_y(_OUTER) * width
    u = np.minimum(grid.abs_x / outer, 1)
    apex_u = np.minimum(np.abs(grid.abs_x - 0.36 * width) / (0.46 * width), 1)
    apex = 5.5 * (1 - np.sqrt(1 - apex_u**2)) - 0.3
    dome = _dome(grid, patient, pose, shape, lungs)
    wall = np.minimum(outer - grid.abs_x, 0.8 * (grid.y - apex))
    cavity = 2 * depth * np.sqrt(1 - u * u) * np.sqrt(np.clip((grid.y - apex) / 4, 0, 1))
    cavity *= 1 - 0.38 * np.exp(-(((grid.x - sway(pose, -5.0)) / 3.4) ** 2))  # the spine takes its part of the depth
    heart, silhouette, hila = _mediastinum(grid, patient, pose, shape, lungs)
    recess = 0.3 * np.exp(-np.maximum(grid.y - dome, 0) / 2.2)  # lung behind and in front of the dome
    above = ramp(dome - grid.y, 0.3)
    lung = np.maximum(cavity * (above + (1 - above) * recess) - silhouette, 0)
    lung *= 1 + 0.05 * smooth_noise(generator(patient.key, pose.view, "texture"), grid, 2.5)
    scene = Scene(
        grid=grid,
        patient=patient,
        pose=pose,
        outer=outer,
        apex=apex,
        dome=dome,
        wall=wall,
        cavity=cavity,
        heart=heart,
        silhouette=silhouette,
        lung=lung,
        body=_body(grid, patient, pose, lungs),
        vessels=grid.zeros(),
        bone=grid.zeros(),
        extra=grid.zeros(),
        hila=hila,
    )
    scene.vessels = _vessels(scene)
    _airways_and_gas(scene, lungs)
    return scene


def _dome(grid: Grid, patient: Patient, pose: Pose, shape: Shape, lungs: float) -> Array:
    out = grid.zeros()
    for side, lower in (("right", 0.0), ("left", patient.left_dome_cm)):
        mine = ramp(grid.x * SIGN[side] - 0.8, 5.0)  # the two domes meet behind the heart
        centre = 0.5 * patient.half_width_cm
        d = grid.abs_x - centre
        lateral = np.minimum(np.abs(d) / (0.53 * patient.half_width_cm), 0.999)
        medial = np.minimum(np.abs(d) / (1.25 * centre), 0.999)
        fall = np.where(d > 0, 5.6 * (1 - np.sqrt(1 - lateral**2)), 3.8 * (1 - np.sqrt(1 - medial**2)))
        out += mine * (fall + (lungs + lower - shape.raised_dome_cm.get(side, 0.0)))
    middle = ramp(grid.x - 0.8, 5.0) + ramp(-grid.x - 0.8, 5.0)  # the weights of both sides, below 1 at the midline
    return (out / middle).astype(np.float32)


def _mediastinum(
    grid: Grid, patient: Patient, pose: Pose, shape: Shape, lungs: float
) -> tuple[Array, Array, dict[str, tuple[float, float]]]:
    """Depths of the heart, and of heart and mediastinum together; the two hila."""
    full = 2 * patient.half_width_cm * patient.ctr * pose.magnification * shape.heart  # width of the heart on the film
    x0, top = sway(pose, 4.0), 0.33 * lungs + 1.0
    heart2 = _heart_squared(grid, (x0 + 0.12 * full, lungs - 0.20 * full + 0.8), full, top)
    wide = shape.mediastinum_cm
    knob_y = 0.33 * lungs
    x_vessels, x_spine = sway(pose, 2.0), sway(pose, -6.0)
    band = grid.of_y([(-8, 3.2), (-1, 2.6 + wide * 0.5), (4, 2.5 + wide), (9, 2.7 + wide), (14, 2.6), (40, 2.6)])
    u = np.minimum(np.abs(grid.x - np.float32(0.5 * (x_vessels + x_spine))) / band, 1)
    aorta_x = x_vessels + 1.5 + 0.6 * wide + 0.25 * (patient.aorta_cm - 1.5)
    r = patient.aorta_cm
    more = [
        (1 - u * u) * np.float32(4 * 3.9**2),
        ellipsoid_squared(grid, (aorta_x + 0.5, knob_y), (r + 0.5 * wide, r * 1.1, 3.2)),
        ellipsoid_squared(grid, (aorta_x + 0.2, knob_y + 4.2), (2.0, 3.6, 2.8), 24),  # pulmonary trunk
        ellipsoid_squared(grid, (x_vessels - 1.7 - 0.8 * wide, knob_y - 0.5), (1.3 + 0.5 * wide, 6.0, 2.2), -3),  # SVC
        ellipsoid_squared(grid, (x_spine + 1.2, knob_y + 9), (1.3, 11.0, 1.6)),  # descending aorta
    ]
    both = np.sqrt(np.sqrt(heart2**2 + sum(part * part for part in more)))
    hilum_y = knob_y + 4.0
    hila = {"right": (x_vessels - 3.3, hilum_y + 0.7), "left": (x_vessels + 3.6, hilum_y)}
    return np.sqrt(heart2), both, hila


def _heart_squared(grid: Grid, centre: tuple[float, float], full: float, top: float) -> Array:
    """Squared depth of the heart: one body whose outline is a radius for each direction (0 to the left, 90 down).

    The right atrium bulges at 180 degrees, the left ventricle ends in the apex near 30, the vessels leave at 270.
    """
    up = (centre[1] - top) / full  # radius towards the great vessels
    radii = [(0, 0.50), (28, 0.545), (60, 0.43), (90, 0.38), (120, 0.41), (150, 0.47), (180, 0.475), (212, 0.43)]
    radii += [
        (238, 0.55 * up + 0.06),
        (257, 0.85 * up),
        (270, up),
        (284, 0.92 * up),
        (303, 0.62 * up + 0.05),
        (330, 0.455),
    ]
    angles, values = zip(*radii, (360, 0.50), strict=True)
    table = np.interp(np.arange(720) / 2, angles, values)
    for _ in range(2):
        table = ndimage.uniform_filter1d(table, 26, mode="wrap")
    dx, dy = grid.x - np.float32(centre[0]), grid.y - np.float32(centre[1])
    step = (np.arctan2(dy, dx) * np.float32(360 / np.pi)).astype(np.int32) % 720
    rho2 = (dx * dx + dy * dy) / (table.astype(np.float32)[step] * np.float32(full)) ** 2
    return np.maximum(1 - rho2 * np.sqrt(rho2), 0) * np.float32((7.0 + 0.25 * full) ** 2)


def _body(grid: Grid, patient: Patient, pose: Pose, lungs: float) -> Array:
    """Depth of the body: trunk, neck, shoulders, arms, breasts."""
    w, d, wall = patient.half_width_cm, patient.half_depth_cm, patient.wall_cm
    arms_down = pose.view == "AP"
    shoulder = 1.35 * w + 0.5 * wall
    half = grid.of_y(
        [
            *((-13, 5.5), (-8, 5.8 + 0.2 * wall), (-5, 7.5 + 0.3 * wall)),  # neck
            *((-3, 0.75 * shoulder), (-1, 0.95 * shoulder), (2, shoulder), (5, shoulder), (9, 0.88 * shoulder)),
            *((13, w + 1.5 + wall), (22, w + 0.6 + wall), (32, w + 0.3 + 1.1 * wall)),  # trunk
        ],
        smooth_cm=2.0,
    )
    thick = grid.of_y([(-13, 5.2), (-6, 5.5), (-2, 6.0), (4, d * 0.93), (12, d), (24, d + 0.1), (36, d + 0.1)])
    thick = thick + np.float32(0.62 * wall + 0.7)
    u = np.minimum(grid.abs_x / half, 1)
    body = 2 * thick * np.sqrt(1 - u**3)
    if patient.breast_cm:
        by = 0.72 * lungs + 0.25 * patient.breast_cm + (1.0 if arms_down else 0.0)
        for sign in (RIGHT, LEFT):
            x = sign * (0.56 * w + (0.6 if arms_down else 0) * patient.breast_cm / 2)
            lump = ellipsoid_squared(
                grid, (x, by), (0.40 * w + 0.25 * patient.breast_cm, 4.0 + 0.5 * patient.breast_cm, 1)
            )
            body = body + 0.9 * patient.breast_cm * np.sqrt(lump / 4) * np.clip((grid.y - by) / 6 + 0.75, 0, 1)
    for sign in (RIGHT, LEFT):  # upper arms: by the side in AP, away from the chest in PA
        top = np.array([sign * (shoulder - 3.0), 2.0])
        end = top + (np.array([sign * 3.0, 30.0]) if arms_down else np.array([sign * 9.0, 14.0]))
        radius = 3.3 + 0.5 * wall
        along = np.clip(
            ((grid.x - top[0]) * (end - top)[0] + (grid.y - top[1]) * (end - top)[1]) / ((end - top) ** 2).sum(), 0, 1
        )
        gap2 = (grid.x - top[0] - along * (end - top)[0]) ** 2 + (grid.y - top[1] - along * (end - top)[1]) ** 2
        body = np.maximum(body, 1.7 * np.sqrt(np.maximum(radius**2 - gap2, 0)))
    return body.astype(np.float32)


def _vessels(scene: Scene) -> Array:
    """Arteries and veins, cm of blood: a tree from each hilum that thins as it branches, fuller at the base."""
    rng, strokes = generator(scene.patient.key, "vessels"), Strokes(scene.grid)
    courses, widths = zip(*(_tree(scene, side, rng) for side in SIGN), strict=True)
    course, width = np.concatenate(courses), np.concatenate(widths)
    order = np.argsort(width, kind="stable")  # the wide ones cover the thin ones
    strokes.lines(course[order], width[order], np.minimum(0.12 + width[order], 1))
    tree = strokes.array(0.05)
    lumps = Strokes(scene.grid)
    for side, sign in SIGN.items():
        x, y = scene.hila[side]
        lumps.disc((x, y), 1.1, 0.6)
        lumps.line([(x - sign * 0.8, y - 1.6), (x + sign * 0.5, y + 0.6), (x + sign * 0.9, y + 3.4)], 1.3, 0.9)
    inside = np.clip(scene.wall / 1.5, 0, 1) * ramp(scene.dome - scene.grid.y, 0.4) * np.clip(scene.lung / 9, 0.25, 1)
    return (1.6 * tree + 1.5 * lumps.array(0.3)) * inside


def _tree(scene: Scene, side: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """The vessels of one lung, generation by generation: courses [n, 5, 2] in cm, and widths [n] in cm."""
    angle = np.radians(np.array([-78, -52, -25, 2, 22, 42, 58, 72, 84]) + rng.normal(0, 6, 9))
    start = np.array(scene.hila[side]) + rng.normal(0, 0.5, (9, 2))
    length = scene.patient.half_width_cm * np.where(angle < 0, 0.42, 0.5) * rng.uniform(0.75, 1.1, 9)
    width = rng.uniform(0.42, 0.72, 9)
    courses, widths = [], []
    for _ in range(5):
        n = len(angle)
        turns = angle[:, None] + rng.normal(0, 0.16, (n, 1)) * np.arange(4) + rng.normal(0, 0.07, (n, 4))
        moves = np.stack([SIGN[side] * np.cos(turns), np.sin(turns)], 2) * (length / 4)[:, None, None]
        course = np.concatenate([start[:, None], start[:, None] + np.cumsum(moves, 1)], 1)
        courses.append(course)
        widths.append(width)
        # each ends in a fork and gives off a thinner branch half way
        start = np.concatenate([course[:, 4], course[:, 4], course[:, 2]])
        aside = rng.choice((-1, 1), n) * rng.uniform(0.5, 0.9, n)
        angle = np.concatenate(
            [turns[:, 3] + rng.uniform(0.25, 0.6, n), turns[:, 3] - rng.uniform(0.25, 0.6, n), turns[:, 2] + aside]
        )
        length = np.concatenate([length * rng.uniform(0.6, 0.85, n), length * rng.uniform(0.6, 0.85, n), length * 0.55])
        width = np.concatenate([width * 0.74, width * 0.66, width * 0.5])
        keep = width > 0.1
        start, angle, length, width = start[keep], angle[keep], length[keep], width[keep]
    return np.concatenate(courses), np.concatenate(widths)


def _airways_and_gas(scene: Scene, lungs: float) -> None:
    """Trachea and main bronchi as air in the mediastinum; stomach bubble and bowel gas below the left dome."""
    rng = generator(scene.patient.key, "gas", scene.pose.inspiration)
    strokes, x = Strokes(scene.grid), sway(scene.pose, 1.0)
    carina = 0.36 * lungs
    strokes.line([(x, -14), (x, 0), (x + 0.2 * RIGHT, carina)], 1.7, 1.0)
    for side, slope in (("right", 2.6), ("left", 1.9)):
        hx, hy = scene.hila[side]
        strokes.line([(x, carina - 0.2), (0.6 * hx + 0.4 * x, carina + slope * 0.8), (hx, hy + 0.6)], 1.1, 0.55)
    scene.body = scene.body - 2.2 * strokes.array(0.2) * np.minimum(scene.body, 1)
    gas = scene.grid.zeros()
    if rng.random() < 0.6:
        dome_left = lungs + scene.patient.left_dome_cm
        a, b = rng.uniform(2.0, 4.5), rng.uniform(1.2, 2.4)
        bubble = ellipsoid_squared(scene.grid, (rng.uniform(4.5, 8), dome_left + b + rng.uniform(0.7, 1.6)), (a, b, 1))
        gas = gas + np.sqrt(bubble / 4) * rng.uniform(3, 7)
    for _ in range(rng.integers(0, 5)):
        at = (rng.uniform(-9, 11), lungs + rng.uniform(6, 12))
        spot = ellipsoid_squared(scene.grid, at, (rng.uniform(1, 2.5), rng.uniform(0.8, 1.5), 1), rng.uniform(-40, 40))
        gas = gas + np.sqrt(spot / 4) * rng.uniform(1, 3)
    scene.body = scene.body - blur(gas, 0.2 / scene.grid.pitch_cm) * ramp(scene.grid.y - scene.dome, 0.8)
