"""A mirrored study names the other side everywhere, and is itself again when mirrored twice."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.records import Case, Study, Volume
from medley.data.mirror import mirrored

TRUTH = {
    "healthy": False,
    "sides": "left",
    "lobes": ["frontal", "insula"],
    "side_lobe": [["left", "frontal"], ["left", "insula"]],
    "components": ["edema"],
    "lesions": [{"side": "left", "centre_mm": [-30.0, 12.0, 8.0]}],
}
REPORT = "Left-sided lesion in the left frontal lobe; the right hemisphere is spared. Bilateral white matter is normal."


@pytest.fixture
def study() -> Study:
    rng = np.random.default_rng(3)
    voxels = rng.integers(0, 256, (2, 4, 5, 6), dtype=np.uint8)
    regions = {"lesion": np.zeros((4, 5, 6), np.uint8)}
    regions["lesion"][:, :, 0] = 255
    volume = Volume(("flair", "t1"), voxels, np.eye(4), (4, 5, 6), np.eye(4), regions)
    case = Case("a", "p", "a", text={"report": REPORT}, truth=TRUTH)
    return Study(case, note="weakness of the right arm", volume=volume)


def test_everything_that_names_a_side_changes_together(study):
    other = mirrored(study)
    assert "right-sided lesion in the right frontal lobe; the left" in other.case.text["report"].lower()
    assert "Bilateral white matter" in other.case.text["report"]
    assert other.case.truth["sides"] == "right"
    assert other.case.truth["side_lobe"] == [["right", "frontal"], ["right", "insula"]]
    assert other.case.truth["lesions"][0]["centre_mm"] == [30.0, 12.0, 8.0]
    assert other.note == "weakness of the left arm"
    assert other.volume is not None
    assert other.volume.regions["lesion"][:, :, -1].all()
    assert not other.volume.regions["lesion"][:, :, 0].any()
    assert np.array_equal(other.volume.voxels, study.volume.voxels[..., ::-1])


def test_twice_is_the_study_itself(study):
    again = mirrored(mirrored(study))
    assert again.case == study.case
    assert again.note == study.note
    assert np.array_equal(again.volume.voxels, study.volume.voxels)
    assert np.array_equal(again.volume.regions["lesion"], study.volume.regions["lesion"])
