"""What a report tells of its patient is more than nothing only where the reports follow the brains."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case, Study, Volume
from medley.training.diagnostics import INPUTS, changed, told_of_the_patient

PLACES = ("left frontal", "right frontal", "left parietal", "right temporal", "left occipital", "right insula")
OWN = [f"There is a {place} lesion, and this is study {number}." for number, place in enumerate(PLACES)]
PATIENTS = [f"p{number}" for number in range(len(OWN))]
SAME = ["The brain is normal."] * len(OWN)


def test_reports_that_follow_the_brain_tell_of_the_patient_and_constant_ones_tell_nothing():
    told = told_of_the_patient({"real": OWN, "zero": SAME, "noise": [OWN[0]] * len(OWN)}, PATIENTS, seed=0)
    assert told["real"].ci95[0] > 0.1
    assert told["zero"].value == pytest.approx(0, abs=1e-12)
    assert told["noise"].value == pytest.approx(0, abs=1e-12), "one patient's report for everybody tells of nobody"


def test_what_is_left_of_the_patient_in_a_volume_without_a_brain_is_seen():
    half = [own if number % 2 else "The brain is normal." for number, own in enumerate(OWN)]
    told = told_of_the_patient({"real": OWN, "shuffled": half}, PATIENTS, seed=0)
    assert 0 < told["shuffled"].value < told["real"].value


def test_a_model_that_says_the_same_of_everybody_tells_nothing_of_anybody():
    told = told_of_the_patient({"real": SAME, "shuffled": SAME}, PATIENTS, seed=0)
    assert told["real"].value == 0
    with pytest.raises(MedleyError, match="the dev part has 1"):
        told_of_the_patient({"real": OWN[:1]}, PATIENTS[:1], seed=0)


def test_reports_without_a_word_tell_nothing_and_end_no_training():
    told = told_of_the_patient({"real": [""] * len(OWN), "zero": SAME}, PATIENTS, seed=0)
    assert {(metric.value, metric.ci95) for metric in told.values()} == {(0, (0, 0))}
    some = ["", *OWN[1:]]
    assert 0 < told_of_the_patient({"real": some}, PATIENTS, seed=0)["real"].value < 1


def test_inputs_are_what_their_names_say_and_the_same_each_time():
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 255, (2, 6, 8, 8)).astype(np.uint8)
    volume = Volume(("flair", "t1"), voxels, np.eye(4), (6, 8, 8), np.eye(4), {})
    case = Case(case_id="a", patient_id="a", study_id="a", images=())
    found = {name: changed(Study(case, volume=volume), name, 3).volume.voxels for name in INPUTS}
    assert np.array_equal(found["real"], voxels)
    assert not found["zero"].any()
    assert not np.array_equal(found["shuffled"], voxels)
    for was, now in zip(voxels, found["shuffled"], strict=True):
        assert np.array_equal(np.sort(was, axis=None), np.sort(now, axis=None))
    assert found["noise"].mean() == pytest.approx(127.5, abs=4)
    assert found["noise"].std() == pytest.approx(0.1 * 255, abs=3)
    again = changed(Study(case, volume=volume), "noise", 3).volume.voxels
    assert np.array_equal(again, found["noise"])
