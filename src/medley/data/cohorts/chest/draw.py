"""From a plan to the frontal film and the mask of every label: anatomy, then findings, then bones and devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medley.core.labels import HIERARCHY
from medley.core.seeds import generator
from medley.data.cohorts.chest import devices, film, findings_lung, findings_pleura, skeleton
from medley.data.cohorts.chest.anatomy import Scene, stand
from medley.data.cohorts.chest.canvas import Array
from medley.data.cohorts.chest.patient import Shape, sway
from medley.data.cohorts.chest.plan import Finding, StudyPlan


@dataclass(frozen=True)
class Drawn:
    """One frontal film: uint8 [px, px], the mask of each present label, the mask of each finding of the plan, and where
    the parts of the chest lie."""

    film: Array
    masks: dict[str, Array]
    by_finding: tuple[Array, ...]
    anatomy: dict[str, Array]


def shape_of(plan: StudyPlan) -> Shape:
    """What the findings of the plan do to the anatomy itself."""
    heart, wide, raised = 1.0, 0.0, {}
    for finding in plan.findings:
        if finding.label == "Cardiomegaly":
            heart = (0.545 + 0.12 * finding.severity * plan.dials.size) / plan.patient.ctr
        elif finding.label == "Enlarged Cardiomediastinum":
            wide = (1.3 + 1.4 * finding.severity) * plan.dials.size
        elif finding.label == "Atelectasis":
            raised.update(dict.fromkeys(finding.sides, raised_cm(finding)))
    return Shape(heart, wide, raised)


def raised_cm(finding: Finding) -> float:
    """How far an atelectasis lifts the dome of its side."""
    return 0.4 + 1.4 * finding.severity if finding.zone == "lower" else 0.0


def draw_frontal(plan: StudyPlan, px: int) -> Drawn:
    """Draw the frontal film of a plan at `px` x `px`."""
    scene = stand(plan.patient, plan.pose, shape_of(plan), px)
    masks: dict[int, Array] = {}
    core: dict[str, Array] = {}  # the consolidation inside a pneumonia
    breaks: tuple[skeleton.Break, ...] = ()
    for i in sorted(range(len(plan.findings)), key=lambda i: _ORDER.index(plan.findings[i].label)):
        finding, rng = plan.findings[i], generator(plan.seed, plan.index, plan.findings[i].label, i)
        if finding.label == "Fracture":
            breaks = draw_breaks(finding, rng, plan)
            masks[i] = _break_mask(skeleton.draw(scene, breaks) - skeleton.draw(scene))
        elif finding.label == "Pneumonia":
            masks[i], core["Consolidation"] = findings_lung.pneumonia(scene, finding, rng, plan.dials)
        else:
            masks[i] = _draw(scene, finding, rng, plan)
    scene.bone = skeleton.draw(scene, breaks)
    thickness = 2 * (plan.patient.half_depth_cm + 0.6 * plan.patient.wall_cm)
    image = film.expose(film.water(scene), plan.exposure, thickness, scene.grid.pitch_cm)
    image = film.burn_in(image, plan.exposure, np.asarray(plan.room))
    seen = _uncovered(plan, px)
    by_finding = tuple(masks[i] & seen for i in range(len(plan.findings)))
    by_label = _by_label(plan, by_finding, {label: mask & seen for label, mask in core.items()})
    return Drawn(image, by_label, by_finding, {part: mask & seen for part, mask in _anatomy(scene).items()})


_ORDER = (  # later ones lie on top: devices last, air before what may lie in the lung that is left
    "Pneumothorax",
    "Cardiomegaly",
    "Enlarged Cardiomediastinum",
    "Edema",
    "Lung Opacity",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Lung Lesion",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)


def _anatomy(scene: Scene) -> dict[str, Array]:
    """Where the parts of the chest lie (`core.labels.ANATOMY`). A lung is its projection, behind the heart as well;
    the diaphragm is a band of 2.4 cm along both domes, the spine one of 4 cm."""
    grid = scene.grid
    above, inside = grid.y < scene.dome + 1.0, scene.wall > -1.0
    heart = (scene.heart > 1.0) & above
    return {
        "cardiac": heart,
        "left_lung": scene.field_of("left"),
        "right_lung": scene.field_of("right"),
        "mediastinum": (scene.silhouette > 2.0) & (grid.y > 0) & above & ~heart,
        "diaphragm": (np.abs(grid.y - scene.dome) < 1.2) & inside,
        "spine": np.abs(grid.x - np.float32(sway(scene.pose, -5.0))) < 2.0,
    }


def _draw(scene: Scene, finding: Finding, rng: np.random.Generator, plan: StudyPlan) -> Array:
    """The mask of one finding. The shape of heart and mediastinum is in the scene already."""
    above = scene.grid.y < scene.dome + 1.0
    match finding.label:
        case "Cardiomegaly":
            return (scene.heart > 1.0) & above
        case "Enlarged Cardiomediastinum":
            return (scene.silhouette > 2.0) & (scene.grid.y > 0) & above
        case "Atelectasis":
            return findings_lung.atelectasis(scene, finding, rng, plan.dials, raised_cm(finding))
        case label:
            return _PLAIN[label](scene, finding, rng, plan.dials)


_PLAIN = {
    "Edema": findings_lung.edema,
    "Consolidation": findings_lung.consolidation,
    "Lung Lesion": findings_lung.lesion,
    "Lung Opacity": findings_lung.opacity,
    "Pneumothorax": findings_pleura.pneumothorax,
    "Pleural Effusion": findings_pleura.effusion,
    "Pleural Other": findings_pleura.pleural_other,
    "Support Devices": devices.draw,
}


def draw_breaks(finding: Finding, rng: np.random.Generator, plan: StudyPlan) -> tuple[skeleton.Break, ...]:
    """Where the bones of a fracture finding are broken: the clavicle, or three to five neighbouring ribs."""
    step = (1.45 + 0.6 * finding.severity) * (0.3 + 0.7 * plan.dials.contrast)
    if finding.kind == "clavicle":
        return (skeleton.Break(finding.side, 0, rng.uniform(0.4, 0.65), step * 1.3, rng.uniform(0.6, 1.1)),)
    first, at = int(rng.integers(3, 8)), rng.uniform(0.75, 1.25)
    count = 3 + int(3 * finding.severity)
    return tuple(
        skeleton.Break(
            finding.side, rib, at + rng.normal(0, 0.07), step * rng.uniform(0.85, 1.15), rng.uniform(0.9, 1.5)
        )
        for rib in range(first, first + count)
    )


def _break_mask(difference: Array) -> Array:
    touched = np.abs(difference) > 0.12
    return ndimage.binary_closing(np.pad(touched, 3), iterations=2)[3:-3, 3:-3] | touched


def _uncovered(plan: StudyPlan, px: int) -> Array:
    """The part of the film that the collimator leaves open: what it covers is not to be seen, so not in a mask."""
    left, top, right, bottom = (round(share * px) for share in plan.exposure.collimation)
    open_field = np.zeros((px, px), bool)
    open_field[top : px - bottom, left : px - right] = True
    return open_field


def _by_label(plan: StudyPlan, by_finding: tuple[Array, ...], core: dict[str, Array]) -> dict[str, Array]:
    """One mask a present label: the union of its findings; a parent label covers what its children cover."""
    masks: dict[str, Array] = dict(core)
    for finding, mask in zip(plan.findings, by_finding, strict=True):
        masks[finding.label] = masks.get(finding.label, False) | mask
    for child, mask in tuple(masks.items()):
        for parent in HIERARCHY.get(child, ()):
            if parent != "Consolidation":  # of a pneumonia: drawn on its own, without the spots about it
                masks[parent] = masks.get(parent, False) | mask
    return masks
