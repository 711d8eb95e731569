"""Masks and boxes come onto the square that models read at the place where they were marked."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.records import Case, ImageRef
from medley.data.cohorts.chest.cohort import write_masks
from medley.data.preprocess.geometry import fit, place, unfit
from medley.explain.lesions import Lesion, has_lesions, lesions_of

FRONTAL, LATERAL = ImageRef("PA", "films/a.png"), ImageRef("LATERAL", "films/b.png")


def case(truth: dict, labels: dict | None = None, images=(LATERAL, FRONTAL)) -> Case:
    return Case("c", "p", "s", images, {}, labels or {}, truth)


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (128, 128), (97, 301)])
def test_a_lesion_of_a_film_that_is_not_square_lies_where_the_films_pixels_lie(shape):
    """The mask on the square is where the film itself is bright after it went onto the square."""
    height, width = shape
    mask = np.zeros(shape, bool)
    mask[height // 5 : height // 2, width // 3 : width // 3 * 2] = True
    square, placement = fit(mask.astype(np.float32), 128)
    as_mask = Lesion("Fracture", FRONTAL, mask_HW=mask).on_square(placement)
    np.testing.assert_array_equal(as_mask, square >= 128)
    box = (width // 3 / width, height // 5 / height, width // 3 * 2 / width, height // 2 / height)
    as_box = Lesion("Fracture", FRONTAL, boxes=(box,)).on_square(placement)
    assert (as_box != as_mask).mean() < 0.01
    back = unfit(as_mask.astype(np.float32), placement)
    assert back.shape == shape
    assert ((back >= 0.5) == mask).mean() > 0.97, "and back onto the original film"


def test_a_lesion_too_small_for_a_pixel_keeps_one():
    mask = np.zeros((1000, 1000), bool)
    mask[500:503, 200:203] = True
    on_square = Lesion("Fracture", FRONTAL, mask_HW=mask).on_square(place(1000, 1000, 64))
    assert np.argwhere(on_square).tolist() == [[32, 12]]


def test_masks_are_of_the_first_frontal_film_and_of_labels_that_are_present(tmp_path):
    mask = np.zeros((20, 20), bool)
    mask[3:6] = True
    write_masks(tmp_path / "m.npz", {"Fracture": mask, "Edema": mask, "Lung Lesion": np.zeros((20, 20), bool)})
    labels = {"Fracture": 1.0, "Edema": 0.0, "Lung Lesion": 1.0}
    found = lesions_of(case({"masks": "m.npz"}, labels), tmp_path)
    assert [(one.label, one.image) for one in found] == [("Fracture", FRONTAL)]
    assert lesions_of(case({"masks": "m.npz"}, labels, (LATERAL,)), tmp_path) == []
    with pytest.raises(MedleyError, match=r"gone\.npz does not exist"):
        lesions_of(case({"masks": "gone.npz"}, labels), tmp_path)
    with pytest.raises(MedleyError, match="has 40 x 30 pixels, its mask of Fracture 20 x 20"):
        found[0].on_square(place(40, 30, 16))


def test_boxes_of_one_label_and_image_are_one_lesion(tmp_path):
    boxes = [
        {"label": "Pneumonia", "image": "a.png", "box": [0.1, 0.2, 0.3, 0.4]},
        {"label": "Pneumonia", "image": "a.png", "box": [0.6, 0.2, 0.8, 0.4]},
        {"label": "Effusion", "image": "a.png", "box": [0.1, 0.2, 0.3, 0.4]},
        {"label": "Mass", "image": "a.png", "box": [0.1, 0.2, 0.3, 0.4]},
        {"label": "Nodule", "image": "b.png", "box": [0.1, 0.2, 0.3, 0.4]},
    ]
    labels = {"Pneumonia": 1.0, "Pleural Effusion": 1.0, "Mass": 0.0, "Nodule": math.nan}
    found = lesions_of(case({"boxes": boxes}, labels), tmp_path)
    assert [(one.label, one.image.view, len(one.boxes)) for one in found] == [
        ("Nodule", "LATERAL", 1),
        ("Pleural Effusion", "PA", 1),
        ("Pneumonia", "PA", 2),
    ], "what the table calls absent is left out, what it does not know is what the reader marked"
    pneumonia = found[2].on_square(place(100, 100, 10))
    assert np.flatnonzero(pneumonia.any(0)).tolist() == [1, 2, 6, 7]
    assert np.flatnonzero(pneumonia.any(1)).tolist() == [2, 3]


@pytest.mark.parametrize("corners", [[0.3, 0.2, 0.1, 0.4], [0.1, 0.2, 120, 0.4], [0.1, 0.2, math.nan, 0.4]])
def test_a_box_that_is_none_is_named(tmp_path, corners):
    boxes = [{"label": "Mass", "image": "a.png", "box": corners}]
    with pytest.raises(MedleyError, match=r"case 'c': the box .* of Mass is no"):
        lesions_of(case({"boxes": boxes}), tmp_path)


def test_a_box_on_another_image_is_named(tmp_path):
    boxes = [{"label": "Mass", "image": "other.png", "box": [0, 0, 1, 1]}]
    with pytest.raises(MedleyError, match=r"case 'c' has a box on 'other\.png', which is none of its images"):
        lesions_of(case({"boxes": boxes}), tmp_path)


def test_who_has_lesions_is_known_without_opening_a_file(tmp_path):
    assert has_lesions(case({"masks": "gone.npz"}))
    assert not has_lesions(case({"boxes": [], "findings": []}))
    assert lesions_of(case({}), tmp_path) == []
