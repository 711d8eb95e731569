"""Who is ill with what: keyed to seed and study, balanced in sides, and told by nothing but the lesion."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from medley.data.cohorts.brain.plan import DIFFICULTIES
from medley.data.cohorts.brain.sampling import HEALTHY_SHARE, patient_of, plan_study

COUNT = 600


@pytest.fixture(scope="module")
def plans():
    return [plan_study(9, index, "default") for index in range(COUNT)]


def test_a_study_depends_on_seed_and_number_only(plans):
    assert plan_study(9, 17, "default") == plans[17]
    assert plan_study(8, 17, "default") != plans[17]


def test_shares_of_the_healthy_and_of_each_part(plans):
    ill = [plan.lesions for plan in plans if plan.lesions]
    assert 1 - len(ill) / COUNT == pytest.approx(HEALTHY_SHARE, abs=0.06)
    first = [lesions[0] for lesions in ill]
    sides = Counter(lesion.side for lesion in first)
    assert 0.85 < sides["left"] / sides["right"] < 1.18
    assert 5 < sides["midline"] < 0.1 * len(first)
    assert 0.07 < np.mean([len(lesions) > 1 for lesions in ill]) < 0.25
    for name, part in (
        ("oedema", [lesion.reach_mm > 0 for lesion in first]),
        ("necrosis", [lesion.necrosis > 0 for lesion in first]),
        ("enhancement", [lesion.enhances for lesion in first]),
        ("mass effect", [lesion.push_mm > 0 for lesion in first]),
    ):
        assert 0.25 < np.mean(part) < 0.88, name
    assert all(lesion.enhances or lesion.reach_mm for lesion in first)  # something of it can be seen
    assert {lesion.lobe for lesion in first} >= {"frontal", "parietal", "temporal", "occipital", "deep", "cerebellum"}


def test_head_pose_and_scanner_do_not_tell_who_is_ill(plans):
    def numbers(plan):
        anatomy, pose, scanner = plan.anatomy, plan.pose, plan.scanner
        return [
            *anatomy.scale,
            anatomy.age_years,
            anatomy.ventricle_mm,
            anatomy.hyperintensity,
            *pose.turn_deg,
            pose.voxel,
            scanner.bias,
            scanner.noise,
            scanner.gamma,
            np.log(scanner.gain),
            scanner.strip_mm,
        ]

    table, ill = np.array([numbers(plan) for plan in plans]), np.array([bool(plan.lesions) for plan in plans])
    gap = (table[ill].mean(0) - table[~ill].mean(0)) / table.std(0)
    assert np.abs(gap).max() < 4 / np.sqrt(0.21 * COUNT)


def test_two_visits_of_a_patient_show_one_head_and_one_disease(plans):
    by_patient: dict = {}
    for plan in plans:
        by_patient.setdefault(plan.patient_id, []).append(plan)
    pairs = [visits for visits in by_patient.values() if len(visits) > 1]
    assert len(pairs) > 15
    for first, second in pairs:
        assert first.anatomy.scale == second.anatomy.scale
        assert [lesion.centre for lesion in first.lesions] == [lesion.centre for lesion in second.lesions]
        assert first.pose != second.pose
        assert first.scanner != second.scanner


def test_patients_do_not_depend_on_the_size_of_the_cohort():
    assert [patient_of(3, index) for index in range(40)] == [patient_of(3, index) for index in range(80)][:40]


def test_difficulty_changes_what_is_seen_not_who_is_ill(plans):
    for index in range(20):
        easy, hard = (plan_study(9, index, name) for name in ("easy", "hard"))
        assert [lesion.centre for lesion in easy.lesions] == [lesion.centre for lesion in plans[index].lesions]
        for large, small in zip(easy.lesions, hard.lesions, strict=True):
            assert large.radius_mm >= small.radius_mm
    easy, default, hard = (DIFFICULTIES[name] for name in ("easy", "default", "hard"))
    assert easy.contrast > default.contrast > hard.contrast
    assert easy.noise < default.noise < hard.noise
