"""LIME finds what a score rests on, says how sure it is, and stops when its ranking is stable."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from medley.core.errors import MedleyError
from medley.core.seeds import generator
from medley.explain.volumes.designs import DESIGNS
from medley.explain.volumes.hiding import Hider
from medley.explain.volumes.lime import agreement, explain_lime, explain_targets


def weights_of(brain) -> torch.Tensor:
    return torch.from_numpy(generator("truth").standard_normal(brain.pieces.max()))


def explain(brain, score, **options):
    chosen = {"baseline": torch.zeros_like(brain.volume), "seed": 0} | options
    return explain_lime(score, brain.volume, brain.pieces, **chosen)


def saturated(truth: torch.Tensor):
    """A log-probability whose log-odds add up: what one supervoxel adds depends on what the others have said."""
    return lambda shown: torch.nn.functional.logsigmoid(2 * (shown - 0.5) @ truth + 1.5)


@pytest.mark.parametrize("design", DESIGNS)
def test_a_linear_score_gives_its_weights_back(brain, piece_score, design):
    truth = weights_of(brain)
    found = explain(brain, piece_score(brain, lambda shown: 3 + shown @ truth), design=design)
    np.testing.assert_allclose(found.weights_F, truth, rtol=5e-3, atol=5e-3)
    assert found.intercept == pytest.approx(3, abs=0.05)
    assert found.whole == pytest.approx(3 + float(truth.sum()))
    assert found.empty == pytest.approx(3)
    assert found.r2 > 0.999
    assert found.r2_held_out > 0.999
    assert found.stability > 0.95
    assert found.stopped == "stable"
    assert len(found.history) == 1
    assert found.errors_F.max() < 0.01


def test_the_one_supervoxel_that_matters_is_found(brain, piece_score):
    found = explain(brain, piece_score(brain, lambda shown: -2.0 + 1.5 * shown[:, 6]), top=1, most=128)
    assert found.weights_F.argmax() == 6
    assert found.weights_F[6] == pytest.approx(1.5, rel=0.01)
    assert np.abs(np.delete(found.weights_F, 6)).max() < 0.01
    map_DHW = found.map(brain.pieces)
    assert map_DHW[brain.pieces == 7].min() > 1.4
    assert not map_DHW[~brain.mask].any()


def test_a_lesion_is_found_through_the_voxels_alone(brain):
    """The score knows nothing of supervoxels: how much brighter than its surroundings the lesion's place is."""
    lesion = torch.from_numpy(brain.lesion)

    def score(volumes: torch.Tensor) -> torch.Tensor:
        return torch.log_softmax(
            torch.stack([volumes[:, 0, lesion].float().mean(1) / 20, torch.full((len(volumes),), 9.0)]), 0
        )[0]

    found = explain(brain, score, top=3)
    best = brain.pieces == found.weights_F.argmax() + 1
    assert (brain.lesion & best).sum() >= 0.5 * best.sum()


def test_the_background_is_never_touched(brain):
    seen = []

    def score(volumes: torch.Tensor) -> torch.Tensor:
        seen.append(volumes[:, 0, torch.from_numpy(~brain.mask)].amax(1))
        return volumes.double().mean((1, 2, 3, 4))

    voxels = brain.voxels.copy()
    voxels[0][~brain.mask] = 7
    explain_lime(score, torch.from_numpy(voxels), brain.pieces, baseline=torch.zeros_like(brain.volume), seed=0)
    assert (torch.cat(seen) == 7).all()


def test_batches_and_their_size_change_nothing(brain, piece_score):
    score = piece_score(brain, saturated(weights_of(brain)))
    one, many = (explain(brain, score, batch=size, most=128) for size in (1, 50))
    np.testing.assert_allclose(one.weights_F, many.weights_F, rtol=1e-12)
    sizes = []
    explain(brain, lambda volumes: sizes.append(len(volumes)) or score(volumes), batch=30, most=128)
    assert max(sizes) == 30


def test_the_same_seed_gives_the_same_numbers_and_another_seed_or_study_others(brain, piece_score):
    score = piece_score(brain, saturated(weights_of(brain)))
    options = {"stable": 2.0, "most": 100}
    first, again = (explain(brain, score, **options) for _ in range(2))
    assert first.weights_F.tobytes() == again.weights_F.tobytes()
    assert first.weights_F.tobytes() != explain(brain, score, seed=1, **options).weights_F.tobytes()
    assert first.weights_F.tobytes() != explain(brain, score, key="other", **options).weights_F.tobytes()


def test_it_stops_when_the_ranking_is_stable_and_not_before(brain, piece_score):
    score = piece_score(brain, saturated(weights_of(brain)))
    told = []
    found = explain(brain, score, stable=0.97, progress=lambda samples, tau: told.append((samples, tau)))
    assert found.stopped == "stable"
    assert found.stability >= 0.97
    assert all(tau < 0.97 for _, tau in found.history[:-1])
    assert found.samples == found.history[-1][0]
    assert told == list(found.history)
    least = explain(brain, score, stable=0.5)
    assert least.samples < found.samples


def test_a_stop_means_that_another_seed_agrees(brain, piece_score):
    """The promise of `stable`: tau of two whole explanations is no lower than that of the halves that agreed."""
    score = piece_score(brain, saturated(weights_of(brain)))
    several = [explain(brain, score, seed=seed).weights_F[:, None] for seed in range(6)]
    taus = [agreement(one, other, one)[0] for i, one in enumerate(several) for other in several[:i]]
    assert np.mean(taus) >= 0.9


def test_noise_never_settles_and_says_so(brain):
    rng = generator("noise")
    found = explain(brain, lambda volumes: torch.from_numpy(rng.standard_normal(len(volumes))), most=300)
    assert found.stopped == "most samples"
    assert found.samples <= 300
    assert abs(found.r2_held_out) < 0.6
    assert found.r2 > found.r2_held_out, "on its own rows a fit flatters itself"
    assert (np.abs(found.weights_F) < 4 * found.errors_F).all()


def test_a_score_that_never_moves_is_no_ranking(brain):
    found = explain(brain, lambda volumes: torch.full((len(volumes),), -1.25))
    assert found.stopped == "nothing moves"
    assert np.isnan(found.stability)
    assert np.isnan(found.r2)
    plain = found.as_json()
    assert plain["stability"] is None
    json.dumps(plain, allow_nan=False)


def test_one_pass_serves_several_targets(brain, piece_score):
    truth, other = weights_of(brain), weights_of(brain).flip(0)
    calls = []

    def both(shown: torch.Tensor) -> torch.Tensor:
        calls.append(len(shown))
        return torch.stack([shown @ truth, saturated(other)(shown)], 1)

    baseline = torch.zeros_like(brain.volume)
    together = explain_targets(piece_score(brain, both), brain.volume, brain.pieces, baseline=baseline, seed=0)
    assert sum(calls) == together[0].samples + 2
    assert together[0].samples == together[1].samples
    alone = explain(brain, piece_score(brain, saturated(other)))
    np.testing.assert_allclose(together[1].weights_F, alone.weights_F, rtol=1e-9)


def scatter(brain, score, design: str) -> np.ndarray:
    """Standard deviation of each weight over seeds, at the same number of rows."""
    options = {"design": design, "stable": 2.0, "most": 100}
    return np.std([explain(brain, score, seed=seed, **options).weights_F for seed in range(12)], axis=0)


def test_pairs_are_steadier_than_rows_alone_and_orthogonal_pairs_steadier_still(brain, piece_score):
    score = piece_score(brain, saturated(weights_of(brain)))
    bernoulli, antithetic, hadamard = (np.sqrt((scatter(brain, score, name) ** 2).mean()) for name in DESIGNS)
    assert antithetic < 0.8 * bernoulli
    assert hadamard < 0.9 * antithetic


def test_all_designs_mean_the_same_weight(brain, piece_score):
    score = piece_score(brain, saturated(weights_of(brain)))
    options = {"stable": 2.0, "most": 1600}
    long = [explain(brain, score, design=name, **options) for name in DESIGNS]
    for one in long[:2]:
        gap = np.abs(one.weights_F - long[2].weights_F) / np.hypot(one.errors_F, long[2].errors_F)
        assert np.mean(gap < 2) > 0.85
        assert gap.max() < 5


@pytest.mark.parametrize("design", DESIGNS)
def test_standard_errors_are_as_large_as_the_scatter(brain, piece_score, design):
    score = piece_score(brain, saturated(weights_of(brain)))
    options = {"design": design, "stable": 2.0, "most": 240}
    several = [explain(brain, score, seed=seed, **options) for seed in range(10)]
    scattered = np.sqrt(np.var([one.weights_F for one in several], axis=0, ddof=1).mean())
    claimed = np.sqrt(np.mean([one.errors_F**2 for one in several]))
    assert 0.7 < claimed / scattered < 1.5


def test_volumes_hide_what_the_row_hides(brain):
    hider = Hider(lambda volumes: volumes, brain.volume, torch.full_like(brain.volume, 9), brain.pieces, 4)
    row = generator("row").random((1, brain.pieces.max())) < 0.5
    (made,) = hider.volumes(row).numpy()
    shown = np.concatenate(([True], row[0]))[brain.pieces]
    np.testing.assert_array_equal(made[0], np.where(shown, brain.voxels[0], 9))


def test_what_does_not_fit_or_is_not_finite_is_refused(brain):
    with pytest.raises(MedleyError, match="is nan or infinite"):
        explain(brain, lambda volumes: torch.full((len(volumes),), torch.nan))
    with pytest.raises(MedleyError, match=r"gave answers of shape \(\) to 2 volumes"):
        explain(brain, lambda volumes: volumes.sum())
    with pytest.raises(MedleyError, match=r"these are no \[S, D, H, W\]"):
        explain(brain, torch.sum, baseline=torch.zeros(1, 2, 2, 2))
    with pytest.raises(MedleyError, match="numbered 1 to F without a gap"):
        explain_lime(torch.sum, brain.volume, brain.pieces * 2, baseline=brain.volume, seed=0)
    with pytest.raises(MedleyError, match="unknown design 'hadamar'; did you mean 'hadamard'"):
        explain(brain, lambda volumes: torch.zeros(len(volumes)), design="hadamar")
