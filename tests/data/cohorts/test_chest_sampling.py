"""Who is ill with what: labels, hierarchy, patients, and that the room says nothing about the labels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from medley.core.labels import CHEXPERT_14, NO_FINDING, hierarchy_breaks
from medley.data.cohorts.chest.sampling import plan_study

STUDIES = 300


@pytest.fixture(scope="module")
def plans():
    return [plan_study(3, index, "default") for index in range(STUDIES)]


def test_every_label_is_known_and_the_hierarchy_holds(plans):
    for plan in plans:
        assert tuple(plan.labels) == CHEXPERT_14
        assert set(plan.labels.values()) <= {0.0, 1.0}
        assert not hierarchy_breaks(plan.labels)


def test_no_finding_is_the_absence_of_all_else_devices_included(plans):
    for plan in plans:
        others = sum(value for label, value in plan.labels.items() if label != NO_FINDING)
        assert (plan.labels[NO_FINDING] == 1) == (others == 0)
        assert (plan.labels[NO_FINDING] == 1) == (not plan.findings)


def test_a_parent_without_a_child_is_drawn_itself(plans):
    for plan in plans:
        drawn = {finding.label for finding in plan.findings}
        if plan.labels["Consolidation"] and "Pneumonia" not in drawn:
            assert "Consolidation" in drawn
        if plan.labels["Enlarged Cardiomediastinum"] and "Cardiomegaly" not in drawn:
            assert "Enlarged Cardiomediastinum" in drawn


def test_every_label_is_frequent_enough_to_be_scored():
    share = np.mean([list(plan_study(8, index, "default").labels.values()) for index in range(1200)], axis=0)
    assert dict(zip(CHEXPERT_14, share >= 0.05, strict=True)) == dict.fromkeys(CHEXPERT_14, True)
    assert 0.15 <= share[CHEXPERT_14.index(NO_FINDING)] <= 0.25


def test_findings_come_together_as_in_life():
    labels = [plan_study(8, index, "default").labels for index in range(1200)]

    def chance(of: str, given: str, value: float) -> float:
        return float(np.mean([row[of] for row in labels if row[given] == value]))

    for of, given in [("Edema", "Cardiomegaly"), ("Pleural Effusion", "Edema"), ("Pneumothorax", "Fracture")]:
        assert chance(of, given, 1) > 1.5 * chance(of, given, 0), (of, given)


def test_some_patients_have_several_studies_of_one_anatomy(plans):
    studies = Counter(plan.patient_id for plan in plans)
    assert {1, 2, 3} == set(studies.values())
    by_patient = {}
    for plan in plans:
        assert by_patient.setdefault(plan.patient_id, plan.patient) == plan.patient
    poses = {}
    for plan in plans:
        poses.setdefault(plan.patient_id, set()).add(plan.pose)
    assert any(len(seen) > 1 for seen in poses.values()), "each study is filmed anew"


def test_marker_and_letters_do_not_tell_the_labels():
    plans = [plan_study(9, index, "default") for index in range(1500)]
    for view in ("PA", "AP"):
        group = [plan for plan in plans if plan.pose.view == view]
        healthy = np.array([plan.labels[NO_FINDING] for plan in group])
        lettered = np.array([bool(plan.exposure.letters) for plan in group])
        assert abs(healthy[lettered].mean() - healthy[~lettered].mean()) < 0.09


def test_a_study_does_not_depend_on_the_size_of_its_cohort_or_other_seeds():
    assert plan_study(3, 7, "default") == plan_study(3, 7, "default")
    assert plan_study(3, 7, "default") != plan_study(4, 7, "default")


def test_difficulty_changes_neither_patients_nor_findings():
    easy, hard = plan_study(3, 7, "easy"), plan_study(3, 7, "hard")
    assert (easy.patient, easy.findings, easy.labels) == (hard.patient, hard.findings, hard.labels)
    assert easy.dials.contrast > hard.dials.contrast
