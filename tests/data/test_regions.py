"""Where things lie reaches the film that it was drawn on, moves with it, and is not known where nobody said."""

from __future__ import annotations

import numpy as np
import pytest

from medley.core.errors import MedleyError
from medley.core.labels import ANATOMY
from medley.core.records import Case, Film, Placement
from medley.data.augment import Augmentation
from medley.data.cohorts.chest import generate, read_masks
from medley.data.preprocess.film import load_film
from medley.data.regions import REGION_PX, moved, with_regions


def test_a_generated_case_knows_its_anatomy_and_its_findings(tmp_path):
    table = generate(tmp_path / "cohort", 6, seed=7, px=64, workers=1)
    for case in table.cases:
        films = [load_film(image.path, 48, image.view) for image in case.images]
        names = (*table.labels, *ANATOMY)
        first, *others = with_regions(case, films, names, table.path.parent)
        assert not any(film.regions for film in others)
        assert all(mask.shape == (REGION_PX, REGION_PX) for mask in first.regions.values())
        right, left = first.regions["right_lung"].astype(float), first.regions["left_lung"].astype(float)
        columns = np.arange(REGION_PX)
        assert (right.sum(0) @ columns) / right.sum() < (left.sum(0) @ columns) / left.sum()  # the patient's right
        for label, value in case.labels.items():
            if value == 0:
                assert not first.regions[label].any()
        drawn = read_masks(tmp_path / "cohort" / case.truth["masks"]) if "masks" in case.truth else {}
        assert {name for name in drawn if drawn[name].any()} <= set(first.regions)


def test_what_nobody_marked_is_not_known_and_a_lost_file_is_told(tmp_path):
    film = Film("PA", np.zeros((48, 48), np.uint8), Placement(48, 48, 48, 1.0, 0, 0))
    plain = Case("a", "p", "s", labels={"Edema": 0.0})
    assert with_regions(plain, [film], ("Edema",), tmp_path)[0].regions == {}
    lost = Case("b", "p", "s", truth={"anatomy": "gone.npz"})
    with pytest.raises(MedleyError, match=r"gone\.npz"):
        with_regions(lost, [film], ANATOMY, tmp_path)


def test_regions_move_with_their_film():
    mask = np.zeros((REGION_PX, REGION_PX), np.uint8)
    mask[8:16, 8:16] = 255
    film = Film("PA", np.zeros((64, 64), np.uint8), Placement(64, 64, 64, 1.0, 0, 0), {"cardiac": mask})
    shifted = moved(Augmentation(shift_x=0.25), film)["cardiac"]
    assert (shifted[8:16, 16:24] == 255).all()
    assert not shifted[:, :14].any()
