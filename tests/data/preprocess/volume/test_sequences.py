"""What names and series descriptions say of a file."""

from __future__ import annotations

import pytest

from medley.data.preprocess.volume.sequences import is_mask, sequence_of, without_sequence


@pytest.mark.parametrize(
    ("said", "sequence"),
    [
        ("BraTS20_Training_001_flair", "flair"),
        ("BraTS20_Training_001_t1ce", "t1c"),
        ("BraTS-GLI-00001-000-t2f", "flair"),
        ("BraTS-GLI-00001-000-t1n", "t1"),
        ("t2w", "t2"),
        ("t1c", "t1c"),
        ("sub-01_ses-01_acq-highres_FLAIR", "flair"),
        ("study1_T1W", "t1"),
        ("MR_Gd", "t1c"),
        ("AX T2 FLAIR", "flair"),
        ("t2_tirm_tra_dark-fluid", "flair"),
        ("SAG 3D MPRAGE", "t1"),
        ("T1 MPRAGE POST GAD", "t1c"),
        ("ax t1 +C post", "t1c"),
        ("t2_tse_tra", "t2"),
        ("chris_PD", "unknown"),
        ("sub-01_T1map", "unknown"),
        ("t2_star_gre", "unknown"),
        ("ep2d_diff_ADC", "unknown"),
        ("scan", "unknown"),
        ("left1", "unknown"),
    ],
)
def test_sequences(said, sequence):
    assert sequence_of(said) == sequence


def test_masks_and_what_files_of_one_study_share():
    assert [is_mask(said) for said in ("x_seg", "W39_1998.09.19_Segm", "lesion_consensus_gt", "brain_mask")] == [
        True
    ] * 4
    assert not any(is_mask(said) for said in ("flair", "segovia_t1", "maskell-01_t2"))
    assert {without_sequence(f"sub-01_ses-01_{name}") for name in ("FLAIR", "T1w", "T2w")} == {"sub-01-ses-01"}
    assert without_sequence("t2f") == without_sequence("t1n") == ""
    assert without_sequence("chris_PD") == "chris-pd"
