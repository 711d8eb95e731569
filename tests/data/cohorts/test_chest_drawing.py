"""What is drawn: each finding shows, within its mask, on its side; a healthy film has no masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medley.data.cohorts.chest.draw import draw_frontal
from medley.data.cohorts.chest.lateral import draw_lateral
from medley.data.cohorts.chest.plan import Finding
from medley.data.cohorts.chest.sampling import labels_of, plan_study

PX = 112
FINDINGS = [
    Finding("Cardiomegaly", "global", "midline", "heart", 0.6),
    Finding("Enlarged Cardiomediastinum", "wide", "midline", "mediastinum", 0.6),
    Finding("Edema", "interstitial", "bilateral", "perihilar", 0.6),
    Finding("Consolidation", "patchy", "right", "lower", 0.5),
    Finding("Consolidation", "lobar", "left", "upper", 0.5),
    Finding("Pneumonia", "patchy", "left", "middle", 0.5),
    Finding("Atelectasis", "plate", "right", "lower", 0.5),
    Finding("Atelectasis", "lobar", "left", "lower", 0.5),
    Finding("Atelectasis", "lobar", "right", "upper", 0.5),
    Finding("Lung Lesion", "nodule", "right", "upper", 0.5),
    Finding("Lung Lesion", "mass", "left", "middle", 0.5),
    Finding("Lung Lesion", "cavity", "right", "middle", 0.5),
    Finding("Lung Lesion", "calcified", "left", "upper", 0.5),
    Finding("Lung Opacity", "reticular", "right", "lower", 0.5),
    Finding("Lung Opacity", "haze", "left", "middle", 0.5),
    Finding("Pneumothorax", "apical", "left", "apical", 0.5),
    Finding("Pneumothorax", "basal", "right", "base", 0.5),
    Finding("Pleural Effusion", "free", "right", "base", 0.5),
    Finding("Pleural Effusion", "layering", "left", "base", 0.5),
    Finding("Pleural Other", "thickening", "right", "lateral", 0.5),
    Finding("Pleural Other", "cap", "left", "apical", 0.5),
    Finding("Pleural Other", "plaques", "right", "scattered", 0.5),
    Finding("Fracture", "ribs", "left", "chest wall", 0.5),
    Finding("Fracture", "clavicle", "right", "chest wall", 0.5),
    Finding("Support Devices", "pacemaker", "left", "chest wall", 0.6),
    Finding("Support Devices", "central line", "right", "vein", 0.5),
    Finding("Support Devices", "endotracheal tube", "midline", "trachea", 0.5),
    Finding("Support Devices", "gastric tube", "midline", "oesophagus", 0.5),
    Finding("Support Devices", "sternal wires", "midline", "sternum", 0.5),
    Finding("Support Devices", "chest tube", "left", "pleura", 0.5),
    Finding("Support Devices", "ECG leads", "bilateral", "skin", 0.5),
]


def study_with(*findings: Finding, index: int = 5, **pose):
    """A study of one patient with just these findings, on an open film."""
    plan = plan_study(2, index, "default")
    return replace(
        plan,
        findings=findings,
        labels=labels_of(findings),
        pose=replace(plan.pose, **pose),
        exposure=replace(plan.exposure, collimation=(0.0, 0.0, 0.0, 0.0)),
    )


@pytest.fixture(scope="module")
def healthy():
    return draw_frontal(study_with(), PX)


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda f: f"{f.label}-{f.kind}-{f.side}")
def test_a_finding_changes_the_film_within_its_mask(finding, healthy):
    drawn = draw_frontal(study_with(finding), PX)
    mask = drawn.masks[finding.label]
    change = np.abs(drawn.film.astype(float) - healthy.film)
    near = ndimage.binary_dilation(mask, iterations=2)
    assert mask.sum() >= 10
    assert change[mask].mean() > 3, "it can be seen"
    assert change[near].sum() >= 0.8 * change.sum()


@pytest.mark.parametrize(
    "finding", [f for f in FINDINGS if f.side in ("right", "left")], ids=lambda f: f"{f.label}-{f.kind}"
)
@pytest.mark.parametrize("other", [False, True])
def test_the_side_is_the_patients(finding, other):
    """The patient's left is on the right of the image, for every finding and for its mirror."""
    if finding.kind == "central line":
        pytest.skip("a line is named by where it enters; most of it lies in the middle")
    if other:
        finding = replace(finding, side={"right": "left", "left": "right"}[finding.side])
    plan = study_with(finding, rotation_deg=0.0, tilt_deg=0.0, centre_cm=(0.0, 11.0))
    mask = draw_frontal(plan, 96).masks[finding.label]
    column = np.nonzero(mask)[1].mean() + 0.5
    if finding.kind == "pacemaker":  # the can lies in the chest wall, its leads reach the heart
        column = np.nonzero(mask[: 96 // 3])[1].mean()
    assert (column > 48) == (finding.side == "left")


@pytest.mark.parametrize("zone", ["upper", "middle", "lower"])
def test_the_zone_is_where_it_lies(zone):
    rows = []
    for index in range(6):
        finding = Finding("Consolidation", "patchy", "right", zone, 0.2)
        plan = study_with(finding, index=index, rotation_deg=0.0, tilt_deg=0.0)
        scene_height = plan.patient.lung_height_cm * (0.72 + 0.28 * plan.pose.inspiration)
        y_cm = (np.nonzero(draw_frontal(plan, 96).masks["Consolidation"])[0].mean() + 0.5 - 48) / 96
        rows.append((y_cm * plan.pose.field_cm + plan.pose.centre_cm[1]) / scene_height)
    low, high = {"upper": (0, 0.42), "middle": (0.3, 0.7), "lower": (0.6, 1)}[zone]
    assert all(low <= row <= high for row in rows), rows


def test_a_healthy_film_has_no_masks_and_is_a_picture(healthy):
    assert healthy.masks == {}
    assert healthy.film.dtype == np.uint8
    assert healthy.film.std() > 25


def test_parents_cover_their_children_and_a_pneumonia_holds_a_consolidation():
    drawn = draw_frontal(study_with(Finding("Pneumonia", "patchy", "right", "lower", 0.5)), PX)
    assert set(drawn.masks) == {"Pneumonia", "Consolidation", "Lung Opacity"}
    assert not (drawn.masks["Consolidation"] & ~drawn.masks["Pneumonia"]).any()
    assert (drawn.masks["Lung Opacity"] == drawn.masks["Pneumonia"]).all()


def test_masks_are_those_of_the_labels():
    for index in range(12):
        plan = plan_study(2, index, "default")
        present = {label for label, value in plan.labels.items() if value == 1 and label != "No Finding"}
        assert set(draw_frontal(plan, 64).masks) == present


def test_severity_grows_what_is_drawn():
    for label, kind, zone in [("Pleural Effusion", "free", "base"), ("Pneumothorax", "apical", "apical")]:
        areas = [
            draw_frontal(study_with(Finding(label, kind, "right", zone, severity)), 96).masks[label].sum()
            for severity in (0.05, 0.5, 0.95)
        ]
        assert areas == sorted(areas)
        assert areas[-1] > 1.5 * areas[0]


def test_a_collimated_finding_is_not_in_its_mask():
    plan = study_with(Finding("Pleural Effusion", "free", "right", "base", 0.6))
    covered = replace(plan, exposure=replace(plan.exposure, collimation=(0.3, 0.0, 0.0, 0.0)))
    assert not draw_frontal(covered, 64).masks["Pleural Effusion"][:, :19].any()


def test_easy_shows_more_than_hard():
    finding = Finding("Consolidation", "patchy", "right", "middle", 0.5)
    change = {}
    for difficulty in ("easy", "default", "hard"):
        plan = replace(study_with(finding), difficulty=difficulty)
        bare = draw_frontal(replace(plan, findings=()), 96).film.astype(float)
        change[difficulty] = np.abs(draw_frontal(plan, 96).film - bare).sum()
    assert change["easy"] > change["default"] > change["hard"]


@pytest.mark.parametrize(
    "finding",
    [
        f
        for f in FINDINGS
        if f.label in ("Cardiomegaly", "Consolidation", "Pleural Effusion", "Edema") or f.kind == "mass"
    ],
    ids=lambda f: f"{f.label}-{f.kind}",
)
def test_the_lateral_shows_what_has_a_lateral_correlate(finding):
    bare, ill = draw_lateral(study_with(), 96).astype(float), draw_lateral(study_with(finding), 96)
    assert np.abs(ill - bare).max() > 25
