"""How far a tumour and its oedema reach, as distances over a coarse grid of the template.

Oedema is a shortest way from the core: quick along white matter, slow in grey, never through a ventricle, and from one
hemisphere to the other only through the corpus callosum (the falx), from the cerebrum to the cerebellum only through
the brainstem (the tentorium). The mass effect comes later: it carries these distances along with the tissue.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from medley.core.labels import BRAIN_LOBES
from medley.core.seeds import generator
from medley.data.cohorts.brain.lobes import lobe_at
from medley.data.cohorts.brain.plan import Lesion
from medley.data.cohorts.brain.template import Array, Template, load

MM = 4.0
_GREY_SPEED = 0.28  # of oedema, relative to white matter
_FAR_MM = 12.0  # beyond the reach; nothing is worked out further off
_CALLOSUM = 0.6  # white matter at the midline from here on is callosum (or brainstem)


@dataclass(frozen=True)
class Roads:
    """The coarse template as a graph of tissue: its voxels in order, and the cost in mm between neighbours."""

    template: Template
    points: Array  # float32 [3, n] MNI
    lobe: Array  # int8 [n], index into BRAIN_LOBES
    white: Array  # float32 [n]
    depth: Array  # mm below the surface of the brain
    margin: Array  # mm to the nearest tissue of another lobe or the other side
    place: Array  # int64 [n], flat index into the template's grid
    cost: sparse.csr_array


@dataclass(frozen=True)
class Field:
    """One lesion over the coarse template's grid: mm to the core's surface (< 0 inside), and mm that the oedema had to
    go along white matter from there."""

    lesion: Lesion
    core: Array
    way: Array


@lru_cache(maxsize=1)
def roads() -> Roads:
    """The graph, built once a process."""
    template = load(MM)
    tissue = (template.grey + template.white > 0.45) & (template.ventricle > 0.5)
    place = np.flatnonzero(tissue)
    points = template.points().reshape(3, -1)[:, place]
    lobe = lobe_at(points)
    white = template.white.ravel()[place]
    number = np.full(tissue.size, -1)
    number[place] = np.arange(len(place))
    number = number.reshape(tissue.shape)
    speed = white + _GREY_SPEED * (1 - white)
    below = np.isin(lobe, [BRAIN_LOBES.index("cerebellum")])
    stem = lobe == BRAIN_LOBES.index("brainstem")
    starts, ends, costs = [], [], []
    for step in np.ndindex(3, 3, 3):
        offset = np.array(step) - 1
        if tuple(offset) <= (0, 0, 0):
            continue  # each pair of neighbours once
        inner = tuple(slice(max(0, -o), size - max(0, o)) for o, size in zip(offset, tissue.shape, strict=True))
        outer = tuple(slice(max(0, o), size - max(0, -o)) for o, size in zip(offset, tissue.shape, strict=True))
        a, b = number[inner].ravel(), number[outer].ravel()
        both = (a >= 0) & (b >= 0)
        a, b = a[both], b[both]
        crosses = np.sign(points[0, a]) != np.sign(points[0, b])  # what lies in the midline is of neither side
        fibres = (np.minimum(white[a], white[b]) > _CALLOSUM) | (stem[a] & stem[b]) | (below[a] & below[b])
        tentorium = (below[a] != below[b]) & ~(stem[a] | stem[b])
        free = (~crosses | fibres) & ~tentorium
        a, b = a[free], b[free]
        starts.append(a)
        ends.append(b)
        costs.append(MM * np.linalg.norm(offset) * 2 / (speed[a] + speed[b]))
    start, end, cost = np.concatenate(starts), np.concatenate(ends), np.concatenate(costs)
    shape = (len(place), len(place))
    graph = sparse.csr_array(
        (np.concatenate([cost, cost]), (np.concatenate([start, end]), np.concatenate([end, start]))), shape=shape
    )
    depth = template.depth.ravel()[place]
    return Roads(template, points, lobe, white, depth, _margins(points, lobe, number), place, graph)


def _margins(points: Array, lobe: Array, number: Array) -> Array:
    """How far each point of tissue lies inside its lobe, mm."""
    code = lobe * 2 + (points[0] < 0)
    of_grid = np.where(number >= 0, code[number], -1)
    margins = np.zeros(len(code), np.float32)
    for one in np.unique(code):
        inside = ndimage.distance_transform_edt((of_grid == one) | (number < 0), sampling=MM)
        margins[code == one] = inside.ravel()[np.flatnonzero(number.ravel() >= 0)[code == one]]
    return margins


def grow(lesion: Lesion, pushed_mm: float) -> Field:
    """The distances of one lesion, whose core the mass effect will yet widen by `pushed_mm`."""
    net = roads()
    template = net.template
    rng = generator(lesion.key, "shape")
    radius = max(lesion.radius_mm - 0.6 * pushed_mm, 0.6 * lesion.radius_mm)
    grid = template.points()
    away: Array = grid - np.array(lesion.centre, np.float32)[:, None, None, None]
    turn = _random_turn(rng)
    away = np.tensordot(turn, away, 1) / np.array(lesion.stretch, np.float32)[:, None, None, None]
    core = np.sqrt((away**2).sum(0))
    core += lesion.rough * radius * _blobs(rng, core.shape, max(0.8 * radius, 7.0)) - radius
    falx = np.full_like(core, -np.inf)
    if lesion.side in ("left", "right") and lesion.lobe != "brainstem":
        falx = grid[0] * (1 if lesion.side == "left" else -1)
    # where fluid, falx or skull leave it no room on one side it grows on the others
    room = int(0.9 * 4.19 * (radius / MM) ** 3)
    core -= max(0.0, float(np.partition(np.maximum(core, falx).ravel()[net.place], room)[room]))
    core = np.maximum(core, falx)
    core = core.astype(np.float32)
    far = np.float32(lesion.reach_mm + _FAR_MM)
    way = np.full(core.size, far, np.float32)
    if lesion.reach_mm:
        start = np.flatnonzero(core.ravel()[net.place] < 1.0)
        if not len(start):
            start = np.array([int(((net.points - np.array(lesion.centre)[:, None]) ** 2).sum(0).argmin())])
        reached = csgraph.dijkstra(net.cost, indices=start, min_only=True, limit=float(far))
        way[net.place] = np.minimum(reached, far)
        way = way.reshape(core.shape)
        filled = ndimage.minimum_filter(way, 3) + np.float32(0.6 * MM / _GREY_SPEED)
        bare = np.ones(core.size, bool)
        bare[net.place] = False  # what is no tissue takes its neighbours' way, so that edges are smooth; the falx holds
        way = np.where((way < far) | ~bare.reshape(core.shape), way, np.minimum(filled, far))
        way = ndimage.gaussian_filter(way, 0.5)
        way += np.float32(0.16 * lesion.reach_mm) * _blobs(rng, core.shape, 11.0)
    return Field(lesion, core, way.reshape(core.shape).astype(np.float32))


def _random_turn(rng: np.random.Generator) -> Array:
    q, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return q.astype(np.float32)


def _blobs(rng: np.random.Generator, shape: tuple[int, ...], cell_mm: float) -> Array:
    """Smooth noise of unit variance over the coarse grid."""
    sigma = 0.4 * cell_mm / MM
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    return noise / (noise.std() + 1e-6)
