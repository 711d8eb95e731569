"""Pictures of maps: which side is which, which slice is cut, and a scale that is the same either way."""

from __future__ import annotations

import io

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Volume
from medley.data.preprocess.volume.nifti import read_nifti
from medley.explain.volumes.render import cut, map_page, peak_of, slices_at
from medley.explain.volumes.source import write_map

SHAPE = (6, 8, 10)


def marked(place: tuple[int, int, int]) -> np.ndarray:
    volume = np.zeros(SHAPE)
    volume[place] = 1
    return volume


def test_left_is_left_in_one_convention_and_right_in_the_other():
    """A mark at the patient's left, front and top (low w, high h, high d)."""
    place = (5, 7, 0)
    for convention, column, sides in (("neurological", 0, ("L", "R")), ("radiological", 9, ("R", "L"))):
        axial, coronal, sagittal = slices_at(place, SHAPE, (3.0, 2.0, 1.0), convention)
        assert axial.edges == (*sides, "P", "A")
        assert coronal.edges == (*sides, "I", "S")
        assert np.argwhere(cut(marked(place), axial)).tolist() == [[7, column]], "front at the top: rows go up"
        assert np.argwhere(cut(marked(place), coronal)).tolist() == [[5, column]]
        assert sagittal.edges == ("P", "A", "I", "S")
        assert np.argwhere(cut(marked(place), sagittal)).tolist() == [[5, 7]]
        assert (axial.size_mm, coronal.size_mm, sagittal.size_mm) == ((10, 16), (10, 18), (16, 18))


def test_the_peak_is_the_maximum_in_the_brain_or_the_middle_of_many():
    brain = np.zeros(SHAPE, bool)
    brain[1:5, 1:7, 1:9] = True
    assert peak_of(marked((2, 3, 4)) + 5 * marked((0, 0, 0)), brain) == (2, 3, 4)
    block = np.zeros(SHAPE)
    block[2:5, 2:5, 2:5] = 1
    assert peak_of(block, brain) == (3, 3, 3)


def test_the_page_draws_maps_with_signs_and_says_when_there_is_nothing(brain):
    weights = np.where(brain.lesion, 0.7, -0.2)
    outlines = {"lesion": brain.lesion}
    page = map_page(
        brain.voxels[0], weights, brain.spacing_mm, "LIME", text="A lesion costs $5. " * 9, outlines=outlines
    )
    page.savefig(io.BytesIO())
    low, high = next(axes.images[1].get_clim() for axes in page.axes if len(axes.images) > 1)
    assert low == -high
    told = page.get_supxlabel()
    assert "neurological convention: the patient's left is on the left; green line: lesion" in told
    empty = map_page(brain.voxels[0], np.zeros_like(weights), brain.spacing_mm, "LIME", convention="radiological")
    empty.savefig(io.BytesIO())
    assert "nothing here speaks either way" in empty.get_supxlabel()
    with pytest.raises(MedleyError, match="unknown convention 'neuro'"):
        map_page(brain.voxels[0], weights, brain.spacing_mm, "LIME", convention="neuro")


def test_a_map_goes_back_into_the_space_of_its_source(tmp_path):
    """A source of 1 mm in LPS, a grid of 4 x 2 x 2 mm over part of it: a mark lies at the same millimetres in both."""
    source_affine = np.array([[-1.0, 0, 0, 20], [0, -1.0, 0, 20], [0, 0, 1.0, -10], [0, 0, 0, 1]])
    affine = np.array([[0, 0, 2.0, -9], [0, 2.0, 0, -7], [4.0, 0, 0, -8], [0, 0, 0, 1]])
    voxels = np.full((1, *SHAPE), 100, np.uint8)
    volume = Volume(("flair",), voxels, affine, (40, 40, 30), source_affine)
    weights = np.zeros(SHAPE, np.float32)
    weights[2, 3, 4] = -1.5
    write_map(tmp_path / "lime.nii.gz", weights, volume)
    back = read_nifti(tmp_path / "lime.nii.gz")
    assert back.values.shape == (40, 40, 30)
    np.testing.assert_allclose(back.affine, source_affine)
    assert set(np.unique(back.values)) == {-1.5, 0}
    places = np.argwhere(back.values)
    assert len(places) == 16, "one voxel of 4 x 2 x 2 mm"
    middle = source_affine @ [*places.mean(0), 1]
    np.testing.assert_allclose(middle, affine @ [2, 3, 4, 1], atol=0.51)
    write_map(tmp_path / "smooth.nii.gz", weights, volume, smooth=True)
    assert len(np.unique(read_nifti(tmp_path / "smooth.nii.gz").values)) > 3
    pieces = np.arange(voxels.size, dtype=np.int32).reshape(SHAPE)
    write_map(tmp_path / "pieces.nii", pieces, volume)
    assert read_nifti(tmp_path / "pieces.nii").values.max() == voxels.size - 1
    with pytest.raises(MedleyError, match="does not lie on a volume"):
        write_map(tmp_path / "small.nii", weights[:2], volume)
