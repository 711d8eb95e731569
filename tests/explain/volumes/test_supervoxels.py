"""Supervoxels are pieces of the brain in millimetres, and nothing but the brain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from medley.core.errors import MedleyError
from medley.core.records import Volume
from medley.core.seeds import generator
from medley.explain.volumes.supervoxels import painted, spacing_of, supervoxels


def test_the_brain_is_covered_and_the_background_is_no_piece(brain):
    assert brain.pieces.dtype == np.int32
    np.testing.assert_array_equal(brain.pieces > 0, brain.voxels[0] > 0)
    np.testing.assert_array_equal(np.unique(brain.pieces), np.arange(brain.pieces.max() + 1))


@pytest.mark.parametrize("number", [8, 20, 60])
def test_as_many_as_were_asked_for_or_about(make_brain, number):
    voxels, _ = make_brain()
    assert 0.6 * number <= supervoxels(voxels, (4.0, 3.0, 3.0), number).max() <= 1.5 * number


def test_nearly_every_piece_hangs_together(brain):
    parts = [label(brain.pieces == piece)[1] for piece in range(1, brain.pieces.max() + 1)]
    assert np.mean(np.array(parts) == 1) >= 0.9


def test_the_same_voxels_give_the_same_pieces(brain):
    np.testing.assert_array_equal(supervoxels(brain.voxels, brain.spacing_mm, 20), brain.pieces)


def test_thick_slices_give_pieces_that_are_round_in_millimetres():
    noise = generator("noise").integers(90, 111, (1, 24, 48, 48)).astype(np.uint8)  # distance alone decides
    pieces = supervoxels(noise, (6.0, 2.0, 2.0), 30)
    thick, wide = [], []
    for piece in range(1, pieces.max() + 1):
        places = np.argwhere(pieces == piece) * (6.0, 2.0, 2.0)
        thick.append(places[:, 0].std())
        wide.append((places[:, 1].std() + places[:, 2].std()) / 2)
    assert 0.8 < np.mean(thick) / np.mean(wide) < 1.25, "in voxels it would be a third"


def test_a_lesion_has_pieces_of_its_own(brain):
    inside = np.bincount(brain.pieces[brain.lesion], minlength=brain.pieces.max() + 1)
    sizes = np.bincount(brain.pieces.ravel())
    assert (inside / sizes)[1:].max() > 0.8


def test_every_sequence_counts():
    """Two sequences that each show one edge: pieces follow both."""
    voxels = np.full((2, 16, 24, 24), 60, np.uint8)
    voxels[0, :, 12:] = 200
    voxels[1, :, :, 12:] = 200
    pieces = supervoxels(voxels, (2.0, 2.0, 2.0), 4, compactness=0.01, sigma_mm=0.5)
    quarters = [pieces[:, h, w] for h in (slice(0, 11), slice(13, 24)) for w in (slice(0, 11), slice(13, 24))]
    found = [set(np.unique(quarter)) for quarter in quarters]
    assert not any(found[i] & found[j] for i in range(4) for j in range(i))


def test_empty_volumes_and_impossible_numbers_are_refused(brain):
    with pytest.raises(MedleyError, match="there is no brain to cut"):
        supervoxels(np.zeros((1, 8, 8, 8), np.uint8), (1.0, 1.0, 1.0))
    with pytest.raises(MedleyError, match="1000000 supervoxels: ask for 2 to"):
        supervoxels(brain.voxels, brain.spacing_mm, 10**6)


def test_weights_are_painted_into_their_pieces(brain):
    weights = np.arange(1, brain.pieces.max() + 1, dtype=float)
    np.testing.assert_array_equal(painted(weights, brain.pieces), brain.pieces)


def test_spacing_is_read_from_the_affine():
    affine = np.array([[0, 0, 2.0, 5], [0, 3.0, 0, 6], [4.0, 0, 0, 7], [0, 0, 0, 1]])
    volume = Volume(("flair",), np.zeros((1, 2, 2, 2), np.uint8), affine, (2, 2, 2), affine)
    assert spacing_of(volume) == (4.0, 3.0, 2.0)
