"""Who is ill with what, and how the film was taken. No pixel is drawn here.

Prevalences and links are chosen for teaching, not estimated from a population: every label is frequent enough to be
scored in a test part of 500, and findings come together as in life (a large heart brings oedema and effusions, trauma
brings pneumothorax and chest tubes, the very ill are filmed AP with lines and tubes). Pose, exposure, marker and
letters are drawn from generators of their own, so that they say nothing about the labels beyond the AP/PA view.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from medley.core.labels import CHEXPERT_14, HIERARCHY, NO_FINDING
from medley.core.seeds import generator
from medley.data.cohorts.chest.film import Exposure
from medley.data.cohorts.chest.patient import Patient, Pose, draw_patient
from medley.data.cohorts.chest.plan import DIFFICULTIES, Finding, StudyPlan

_BLOCK = 12  # studies are dealt to patients in blocks, so that study i is the same in a cohort of any size
LATERAL_SHARE = 0.25


def plan_study(seed: int, index: int, difficulty: str) -> StudyPlan:
    """All that is decided about study `index` of cohort `seed`; the same for any cohort size and any difficulty but for
    the spread of the nuisance."""
    patient_id = patient_of(seed, index)
    patient = draw_patient(seed, patient_id)
    rng = generator(seed, "study", index)
    findings = draw_findings(patient, generator(seed, patient_id, "chronic"), rng)
    ill = sum(f.severity for f in findings if f.label not in ("Fracture", "Pleural Other"))
    view = "AP" if rng.random() < 0.22 + 0.18 * min(ill, 2) else "PA"
    findings = tuple(_as_lying(f, rng) if view == "AP" else f for f in findings)
    nuisance = DIFFICULTIES[difficulty].nuisance
    return StudyPlan(
        seed=seed,
        index=index,
        patient_id=patient_id,
        patient=patient,
        pose=draw_pose(patient, view, generator(seed, "pose", index), nuisance),
        exposure=draw_exposure(
            view, generator(seed, "exposure", index), DIFFICULTIES[difficulty].noise, nuisance, seed, index
        ),
        room=tuple(generator(seed, "room", index).random(4).tolist()),
        findings=findings,
        labels=labels_of(findings),
        lateral=bool(view == "PA" and generator(seed, "lateral", index).random() < LATERAL_SHARE / 0.6),
        difficulty=difficulty,
    )


def patient_of(seed: int, index: int) -> str:
    """The patient of study `index`: one to three studies each."""
    block, place = divmod(index, _BLOCK)
    rng = generator(seed, "patients", block)
    sizes: list[int] = []
    while sum(sizes) < _BLOCK:
        sizes.append(int(rng.choice([1, 2, 3], p=[0.62, 0.25, 0.13])))
    return f"chest-{seed}-p{block * _BLOCK + int(np.searchsorted(np.cumsum(sizes), place, side='right'))}"


def labels_of(findings: Iterable[Finding]) -> dict[str, float]:
    """All 14 labels: what was drawn and what follows; No Finding is the absence of all else, devices included."""
    present = {finding.label for finding in findings}
    for label in tuple(present):
        present.update(HIERARCHY.get(label, ()))
    if not present:
        present = {NO_FINDING}
    return {label: float(label in present) for label in CHEXPERT_14}


def draw_findings(patient: Patient, chronic: np.random.Generator, acute: np.random.Generator) -> tuple[Finding, ...]:
    """The findings of one study; `chronic` is the patient's generator (anew each time), `acute` this study's."""
    found = _chronic(patient, chronic)
    if acute.random() < 0.17:
        return tuple(found)
    big_heart = any(f.label == "Cardiomegaly" for f in found)
    found += _acute(acute, big_heart)
    found += _devices(acute, {f.label: f for f in found})
    return tuple(found)


def _chronic(patient: Patient, rng: np.random.Generator) -> list[Finding]:
    found, older = [], np.clip((patient.age_years - 45) / 60, -0.3, 0.6)
    if rng.random() < 0.17 + 0.16 * older:
        found.append(Finding("Cardiomegaly", "global", "midline", "heart", rng.random()))
    if rng.random() < 0.09 + 0.05 * older:
        found.append(Finding("Enlarged Cardiomediastinum", "wide", "midline", "mediastinum", rng.random()))
    if rng.random() < 0.115:
        kind = str(rng.choice(["thickening", "cap", "plaques"], p=[0.4, 0.2, 0.4]))
        zone = {"thickening": "lateral", "cap": "apical", "plaques": "scattered"}[kind]
        found.append(Finding("Pleural Other", kind, _side(rng, 0.3 if kind == "plaques" else 0.1), zone, rng.random()))
    if rng.random() < 0.06 + 0.06 * older:
        side = "left" if rng.random() < 0.8 else "right"
        found.append(Finding("Support Devices", "pacemaker", side, "chest wall", rng.random()))
    if rng.random() < 0.05 + 0.04 * older:
        found.append(Finding("Support Devices", "sternal wires", "midline", "sternum", rng.random()))
    return found


def _acute(rng: np.random.Generator, big_heart: bool) -> list[Finding]:
    found: list[Finding] = []
    edema = rng.random() < (0.38 if big_heart else 0.11)
    if edema:
        found.append(Finding("Edema", "interstitial", "bilateral", "perihilar", rng.random()))
    pneumonia = rng.random() < 0.13
    if pneumonia:
        found.append(Finding("Pneumonia", _lobar(rng), _side(rng, 0.15), _zone(rng), rng.random()))
    elif rng.random() < 0.11:
        found.append(Finding("Consolidation", _lobar(rng), _side(rng, 0.12), _zone(rng), rng.random()))
    if rng.random() < 0.14:
        kind = str(rng.choice(["nodule", "mass", "cavity", "calcified"], p=[0.45, 0.25, 0.15, 0.15]))
        side = _side(rng, 0.15 if kind == "nodule" else 0)
        found.append(Finding("Lung Lesion", kind, side, _zone(rng, (0.4, 0.32, 0.28)), rng.random()))
    if rng.random() < 0.07:
        kind = "reticular" if rng.random() < 0.6 else "haze"
        found.append(Finding("Lung Opacity", kind, _side(rng, 0.4), _zone(rng, (0.2, 0.3, 0.5)), rng.random()))
    trauma = rng.random() < 0.13
    if trauma:
        found.append(
            Finding("Fracture", "clavicle" if rng.random() < 0.15 else "ribs", _side(rng), "chest wall", rng.random())
        )
    air = rng.random() < (0.28 if trauma else 0.105)
    if air:
        side = found[-1].side if trauma and rng.random() < 0.8 else _side(rng)
        found.append(Finding("Pneumothorax", "apical", side, "apical", rng.random()))
    fluid = rng.random() < 0.10 + 0.30 * edema + 0.16 * pneumonia + 0.08 * big_heart + 0.1 * trauma
    if fluid:
        found.append(Finding("Pleural Effusion", "free", _side(rng, 0.6 if edema else 0.15), "base", rng.random()))
    if rng.random() < 0.13 + 0.18 * fluid + 0.08 * air:
        kind = "plate" if rng.random() < 0.55 else "lobar"
        side = found[-1].side if fluid and kind == "plate" and rng.random() < 0.7 else _side(rng)
        zone = "lower" if kind == "plate" or rng.random() < 0.6 else "upper"
        found.append(Finding("Atelectasis", kind, side, zone, rng.random()))
    return found


def _devices(rng: np.random.Generator, found: dict[str, Finding]) -> list[Finding]:
    burden = 0.07 + 0.16 * ("Edema" in found) + 0.08 * ("Pneumonia" in found) + 0.08 * ("Pleural Effusion" in found)
    devices: list[Finding] = []

    def place(kind: str, side: str, zone: str, chance: float) -> None:
        if rng.random() < chance:
            devices.append(Finding("Support Devices", kind, side, zone, rng.random()))

    place("central line", "right" if rng.random() < 0.7 else "left", "vein", burden + 0.03)
    place("endotracheal tube", "midline", "trachea", 0.6 * burden)
    place("gastric tube", "midline", "oesophagus", 0.7 if devices and devices[-1].zone == "trachea" else 0.3 * burden)
    drained = found.get("Pneumothorax") or found.get("Pleural Effusion")
    if drained is not None:
        place("chest tube", _side(rng) if drained.side == "bilateral" else drained.side, "pleura", 0.3)
    if devices:
        place("ECG leads", "bilateral", "skin", 0.4)
    return devices


def _side(rng: np.random.Generator, both: float = 0.0) -> str:
    return "bilateral" if rng.random() < both else str(rng.choice(["right", "left"]))


def _zone(rng: np.random.Generator, chances: tuple[float, float, float] = (0.25, 0.30, 0.45)) -> str:
    return str(rng.choice(["upper", "middle", "lower"], p=chances))


def _lobar(rng: np.random.Generator) -> str:
    return "lobar" if rng.random() < 0.35 else "patchy"


def _as_lying(finding: Finding, rng: np.random.Generator) -> Finding:
    """Air rises and fluid falls: in a supine patient they lie elsewhere."""
    if finding.label == "Pneumothorax" and rng.random() < 0.35:
        return Finding(finding.label, "basal", finding.side, "base", finding.severity)
    if finding.label == "Pleural Effusion" and rng.random() < 0.4:
        return Finding(finding.label, "layering", finding.side, "base", finding.severity)
    return finding


def draw_pose(patient: Patient, view: str, rng: np.random.Generator, nuisance: float = 1.0) -> Pose:
    """Position, breath and field. AP (bedside): more turned, less breath, a magnified heart."""
    lying = view == "AP"
    spread = nuisance * (1.4 if lying else 1.0)
    inspiration = float(np.clip(rng.normal(0.45 if lying else 0.85, 0.2), 0, 1))
    lungs = patient.lung_height_cm * (0.72 + 0.28 * inspiration)
    return Pose(
        view=view,
        rotation_deg=float(np.clip(rng.normal(0, 3.2 * spread), -11, 11)),
        tilt_deg=float(np.clip(rng.normal(0, 2.0 * spread), -8, 8)),
        field_cm=float(max(2 * patient.half_width_cm + 5.0, lungs + 8.0) * (1 + abs(rng.normal(0, 0.10 * nuisance)))),
        centre_cm=(float(rng.normal(0, 0.9 * spread)), float(lungs * 0.52 + rng.normal(0, 1.2 * spread))),
        inspiration=inspiration,
        magnification=float(rng.uniform(1.03, 1.10) if lying else 1.0),
    )


def draw_exposure(
    view: str, rng: np.random.Generator, noise: float, nuisance: float, seed: int, index: int
) -> Exposure:
    """Physics and room of the film."""
    letters = (
        ["", "", "AP", "PORTABLE", "AP PORTABLE", "SEMI-ERECT"]
        if view == "AP"
        else ["", "", "", "", "DOE", "RM 2", "PA"]
    )
    borders = rng.random(4) < 0.14 * nuisance
    return Exposure(
        brightness=float(rng.normal(-0.08, 0.28 * nuisance)),
        latitude=float(rng.uniform(0.50, 0.80)),
        scatter=float(rng.uniform(0.12, 0.30) + (0.12 if view == "AP" else 0.0)),
        noise=float(noise * rng.uniform(0.006, 0.02)),
        blur_cm=float(rng.uniform(0.05, 0.11)),
        edge=float(rng.uniform(0.1, 0.5)),
        marker=str(rng.choice(["L", "R", ""], p=[0.6, 0.25, 0.15])),
        letters=str(rng.choice(letters)),
        collimation=tuple((borders * rng.uniform(0.01, 0.035, 4)).tolist()),
        collimator_grey=int(rng.choice([0, 0, 8, 250])),
        key=f"{seed}/{index}",
    )
