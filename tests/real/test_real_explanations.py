"""Boxes that radiologists drew on real films come onto the square that models read, and lie in the lungs."""

from __future__ import annotations

import numpy as np
import pytest

from medley.data.preprocess.film import load_film
from medley.data.readers.folder import read
from medley.explain import score
from medley.explain.lesions import has_lesions, lesions_of


@pytest.fixture(scope="module")
def boxed(real_data):
    """The films of nih_1000 with boxes of NIH's or RSNA's readers."""
    columns = {"boxes": "nih_boxes_1024,rsna_boxes_1024:Pneumonia", "boxes_px": "1024"}
    found = read({"root": real_data / "cxr_labels/nih_1000"}, columns=columns)
    return [case for case in found.cases if has_lesions(case)]


def test_readers_boxes_become_lesions(boxed, tmp_path):
    assert len(boxed) >= 100
    labels = [lesion.label for case in boxed for lesion in lesions_of(case, tmp_path)]
    assert labels.count("Pneumonia") >= 100
    for case in boxed:
        for lesion in lesions_of(case, tmp_path):
            placement = load_film(lesion.image.path, score.SQUARE_PX).placement
            drawn = np.zeros((1000, 1000), bool)
            for x0, y0, x1, y1 in lesion.boxes:
                drawn[round(y0 * 1000) : round(y1 * 1000), round(x0 * 1000) : round(x1 * 1000)] = True
            share = placement.height * placement.width / max(placement.height, placement.width) ** 2
            assert lesion.on_square(placement).mean() == pytest.approx(drawn.mean() * share, rel=0.08, abs=1e-3)


def test_most_of_the_boxes_is_lung_on_either_side_of_the_middle(boxed, tmp_path):
    """If x and y were mixed up, or the boxes were of another frame, their mean would not look like two lungs."""
    masks = []
    for case in boxed:
        for lesion in lesions_of(case, tmp_path):
            masks.append(lesion.on_square(load_film(lesion.image.path, score.SQUARE_PX).placement))
    heat = np.mean(masks, axis=0)
    sides = [heat[:, : score.SQUARE_PX // 2].sum(), heat[:, score.SQUARE_PX // 2 :].sum()]
    assert 0.5 < sides[0] / sides[1] < 2
    assert heat[:10].max() < 0.1 * heat.max(), "not the neck"
    middle = heat[:, 60:68].mean()
    assert middle < 0.5 * max(heat[:, 30:45].mean(), heat[:, 85:100].mean()), "not the spine"
