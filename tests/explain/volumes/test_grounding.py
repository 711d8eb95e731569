"""Scores of maps against a lesion: what a perfect, an even and a wrong map get, and what chance is, exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.explain.volumes.curves import deletion_insertion
from medley.explain.volumes.grounding import Grounded, ground_map, ground_supervoxels, lesion_mask, over_cases
from medley.explain.volumes.supervoxels import painted


def scored(brain, map_DHW) -> Grounded:
    return ground_map(map_DHW, brain.lesion, brain.mask, brain.spacing_mm)


def test_the_lesion_itself_as_a_map_scores_one(brain):
    found = scored(brain, brain.lesion.astype(np.float32))
    assert found.values == pytest.approx(dict.fromkeys(found.values, 1.0))


def test_an_even_map_scores_what_chance_scores(brain):
    found = scored(brain, np.full(brain.lesion.shape, 0.3))
    assert found.values == pytest.approx(found.chance)
    assert found.chance["mass_in_mask"] == pytest.approx(brain.lesion.sum() / brain.mask.sum())
    assert scored(brain, np.zeros(brain.lesion.shape)).values == pytest.approx(found.chance)


def test_chance_is_the_mean_over_random_maps(brain):
    """Of the pointing games and the mass: a map whose values are shuffled over the brain."""
    rng = generator("chance")
    several = []
    for _ in range(150):
        noise = np.zeros(brain.lesion.shape)
        noise[brain.mask] = rng.random(brain.mask.sum())
        several.append(scored(brain, noise))
    for name in ("pointing_game", "pointing_game_exact", "mass_in_mask", "auprc"):
        assert np.mean([one.values[name] for one in several]) == pytest.approx(several[0].chance[name], abs=0.06)


def test_a_map_elsewhere_scores_nothing_and_what_speaks_against_is_no_mass(brain):
    elsewhere = np.zeros(brain.lesion.shape)
    elsewhere[brain.mask & ~brain.lesion] = 1.0
    elsewhere[brain.lesion] = -5.0
    found = scored(brain, elsewhere)
    assert found.values["pointing_game_exact"] == 0
    assert found.values["mass_in_mask"] == 0
    assert found.values["auprc"] == pytest.approx(found.chance["auprc"]), "the last to be named"


def test_the_tolerance_is_five_millimetres(brain):
    edge = np.argwhere(brain.lesion)
    right = edge[edge[:, 2].argmax()]
    for beyond, hit in ((1, 1.0), (2, 0.0)):  # 3 and 6 mm
        point = np.zeros(brain.lesion.shape)
        place = tuple(right + np.array([0, 0, beyond]))
        assert brain.mask[place]
        point[place] = 1
        assert scored(brain, point).values["pointing_game"] == hit
        assert scored(brain, point).values["pointing_game_exact"] == 0


def test_a_painted_supervoxel_counts_by_the_share_of_it_in_the_lesion(brain):
    inside = np.bincount(brain.pieces[brain.lesion], minlength=brain.pieces.max() + 1)[1:]
    sizes = np.bincount(brain.pieces[brain.mask])[1:]
    best = int(inside.argmax())
    weights = np.zeros(len(sizes))
    weights[best] = 2.0
    found = scored(brain, painted(weights, brain.pieces))
    assert found.values["pointing_game_exact"] == pytest.approx(inside[best] / sizes[best])
    assert found.values["mass_in_mask"] == pytest.approx(inside[best] / sizes[best])


def test_the_rule_of_the_best_supervoxel_and_its_chance():
    """Eight pieces of 10 voxels. A lesion of 12: 5 voxels in the first (half of it), 4 in the second (a third of the
    lesion), 3 in the third (neither)."""
    pieces = np.repeat(np.arange(1, 9), 10).reshape(1, 8, 10)
    lesion = np.zeros(pieces.shape, bool)
    lesion[0, 0, :5] = lesion[0, 1, :4] = lesion[0, 2, :3] = True
    for best, does in ((0, 1.0), (1, 1.0), (2, 0.0), (7, 0.0)):
        weights = np.zeros(8)
        weights[best] = 1
        found = ground_supervoxels(weights, pieces, lesion)
        assert found.values["best_supervoxel"] == does
        assert found.chance["best_supervoxel"] == pytest.approx(2 / 8)
    every = [ground_supervoxels(np.eye(8)[i], pieces, lesion).values["best_supervoxel"] for i in range(8)]
    assert np.mean(every) == found.chance["best_supervoxel"], "chance is the mean over the supervoxels"
    even = ground_supervoxels(np.zeros(8), pieces, lesion)
    assert even.values == even.chance, "all tie"


def test_intervals_are_over_patients_and_chance_stands_beside():
    cases = [
        Grounded({"best_supervoxel": float(i % 5 > 0)}, {"best_supervoxel": 0.1 + 0.01 * (i % 3)}) for i in range(60)
    ]
    patients = [f"p{i // 2}" for i in range(60)]
    found = over_cases(cases, patients, resamples=400, seed=3)["best_supervoxel"]
    assert found["value"].value == pytest.approx(0.8)
    assert found["chance"].value == pytest.approx(0.11)
    assert found["above"].value == pytest.approx(0.69)
    assert found["value"].ci95[0] < 0.8 < found["value"].ci95[1]
    assert found["above"].ci95[0] > 0.5
    assert found["value"].n == 60
    twice = over_cases(cases * 2, patients * 2, resamples=400, seed=3)["best_supervoxel"]
    assert twice["value"].ci95 == pytest.approx(found["value"].ci95), "the same patients again are no new ones"


def test_what_cannot_be_scored_is_refused(brain):
    with pytest.raises(MedleyError, match="has no voxel in the brain"):
        ground_map(np.zeros(brain.lesion.shape), np.zeros_like(brain.lesion), brain.mask, brain.spacing_mm)
    with pytest.raises(MedleyError, match="has no voxel in the brain"):
        ground_supervoxels(np.zeros(brain.pieces.max()), brain.pieces, np.zeros_like(brain.lesion))
    with pytest.raises(MedleyError, match="nan or infinity"):
        scored(brain, np.where(brain.lesion, np.nan, 0))


def test_half_a_voxel_is_lesion_and_a_small_lesion_keeps_one():
    share = np.zeros((2, 2, 2), np.uint8)
    assert not lesion_mask(share).any()
    share[0, 0] = 20, 90
    assert np.argwhere(lesion_mask(share)).tolist() == [[0, 0, 1]]
    share[1] = 128
    assert np.argwhere(lesion_mask(share))[:, 0].tolist() == [1] * 4


def curves(brain, map_DHW, pieces=None, **options) -> dict[str, float]:
    lesion = torch.from_numpy(brain.lesion)

    def score(volumes: torch.Tensor) -> torch.Tensor:
        return torch.log(volumes[:, 0, lesion].double().mean(1).clamp(min=1e-3) / 255)

    options = {"baseline": torch.zeros_like(brain.volume), "unit": np.exp, "pieces_DHW": pieces} | options
    return deletion_insertion(score, brain.volume, map_DHW, brain.mask, **options)


@pytest.mark.parametrize("of_pieces", [False, True])
def test_a_true_map_falls_at_once_when_deleted_and_rises_at_once_when_inserted(brain, of_pieces):
    pieces = brain.pieces if of_pieces else None
    true = curves(brain, brain.lesion.astype(float), pieces)
    wrong = curves(brain, -brain.lesion.astype(float), pieces)
    assert true["deletion"] < 0.2 < 0.7 < true["insertion"]
    assert wrong["deletion"] > 0.7
    assert true["deletion"] < true["deletion_random"] < wrong["deletion"]
    assert wrong["insertion"] < true["insertion_random"] < true["insertion"]


def test_ties_are_broken_by_the_key_alone(brain):
    even = np.zeros(brain.lesion.shape)
    first = curves(brain, even, key=("a",))
    assert first == curves(brain, even, key=("a",), batch=3)
    assert first != curves(brain, even, key=("b",))
