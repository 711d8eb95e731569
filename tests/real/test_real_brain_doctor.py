"""The data doctor on real brain volumes: nothing is wrong with them, and their copies are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import zoom

from medley.core.records import Case, ImageRef
from medley.data.cases import write_cases
from medley.data.checks.doctor import examine
from medley.data.checks.volumes.alike import SAME_VOLUME, SURE_VOLUME, describe
from medley.data.checks.volumes.facts import facts_of
from medley.data.preprocess.volume.nifti import read_nifti


@pytest.fixture(scope="module")
def checks(real_data, tmp_path_factory):
    folder = real_data / "brain_mri"
    tumour, sclerosis = folder / "BraTS-GLI-00001-000", folder / "MS_patient26_MNI"
    rows = [
        (
            "tumour",
            {"flair": tumour / "t2f.nii.gz", "t1c": tumour / "t1c.nii.gz"},
            tumour / "seg-BraTS23_1_algorithmic.nii.gz",
        ),
        (
            "sclerosis",
            {"flair": sclerosis / "t2f.nii.gz", "t1": sclerosis / "t1n.nii.gz"},
            sclerosis / "lesion_consensus_gt.nii.gz",
        ),
        ("head", {"t1": folder / "niivue/chris_t1.nii.gz"}, None),
    ]
    cases = [
        Case(
            name,
            name,
            name,
            tuple(ImageRef(view, str(path)) for view, path in files.items()),
            truth={"healthy": mask is None} | ({"segmentation": str(mask)} if mask else {}),
        )
        for name, files, mask in rows
    ]
    path = tmp_path_factory.mktemp("doctor") / "cases.parquet"
    write_cases(path, cases, ())
    return {check.name: check for check in examine(path, workers=1).checks}


def test_nothing_is_wrong_with_real_volumes_and_what_cannot_be_asked_says_why(checks):
    assert [name for name, check in checks.items() if check.status == "failed"] == []
    for name in ("damaged-images", "volume-geometry", "sequences-in-one-space", "masks-fit-volumes"):
        assert checks[name].status == "ok", checks[name]
    assert checks["looks-like-a-brain"].numbers["skull"] == {"stripped": 2, "on": 1}
    assert checks["missing-sequences"].status == "warning"
    assert "it takes 10 studies" in checks["healthy-from-file"].says


def copies(values: np.ndarray):
    seen = values[values > 0]
    yield (values - seen.mean()) / seen.std()
    yield np.rint(255 * (values / np.percentile(values, 99.8)).clip(0, 1))
    yield (values.clip(0) / values.max()) ** 0.6
    yield zoom(values, 0.5, order=1)


def test_copies_of_a_real_volume_are_found_and_another_patient_is_not(real_data):
    folder = real_data / "brain_mri"
    raw = read_nifti(folder / "BraTS-GLI-00001-000/t2f.nii.gz")
    own = facts_of(raw, {})[0].thumb
    thumbs = [
        own,
        *(facts_of(replace(raw, values=copy.astype(np.float32)), {})[0].thumb for copy in copies(raw.values)),
    ]
    thumbs += [facts_of(read_nifti(folder / "MS_patient26_MNI/t2f.nii.gz"), {})[0].thumb]
    fine = describe(np.stack(thumbs)).reshape(len(thumbs), -1).astype(np.float32)
    alike = fine[1:] @ fine[0]
    assert (alike[:3] >= SURE_VOLUME).all(), alike
    assert (alike[:4] >= SAME_VOLUME).all(), alike
    assert alike[4] < 0.5, alike
