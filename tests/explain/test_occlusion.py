"""Occlusion finds what the answer rests on, and agrees with captum where both do the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from medley.core.errors import MedleyError
from medley.explain.methods import film_maps
from medley.explain.occlusion import blurred, occlude

WEIGHTS = torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(0))


def linear(films_RHW: torch.Tensor) -> torch.Tensor:
    return torch.einsum("rhw,chw->rc", films_RHW, WEIGHTS).sin()


def test_windows_that_do_not_overlap_give_captums_map():
    film = torch.rand(24, 24, generator=torch.Generator().manual_seed(1))
    ours = occlude(linear, film, torch.zeros(24, 24), window=8, stride=8)
    for column in range(2):
        theirs = Occlusion(linear).attribute(film[None], (8, 8), (8, 8), target=column, baselines=0)
        np.testing.assert_allclose(ours[column], theirs[0].numpy(), rtol=1e-4, atol=1e-5)


def test_the_place_that_matters_is_found_and_the_edge_is_covered():
    film = torch.rand(30, 30, generator=torch.Generator().manual_seed(1))

    def corner(films_RHW: torch.Tensor) -> torch.Tensor:
        return films_RHW[:, 26:, 26:].sum((1, 2))[:, None]

    falls = occlude(corner, film, torch.zeros(30, 30), window=8, stride=4)[0]
    assert np.isfinite(falls).all()
    assert falls[28, 28] == falls.max() > 0
    assert falls[:20, :20].max() == 0


def test_the_fill_is_the_film_without_detail():
    film = torch.zeros(64, 64)
    film[::2] = 1
    dull = blurred(film)[16:-16]  # at the edge the outermost row is repeated
    assert dull.std() < 0.02
    assert dull.mean() == pytest.approx(0.5, abs=0.02)
    torch.testing.assert_close(blurred(torch.full((20, 20), 0.3)), torch.full((20, 20), 0.3))


@pytest.mark.parametrize(("window", "stride"), [(0, 0), (31, 4), (4, 5)])
def test_windows_that_leave_gaps_are_refused(window, stride):
    with pytest.raises(MedleyError, match="do not cover 30 x 30 px"):
        occlude(linear, torch.zeros(30, 30), torch.zeros(30, 30), window, stride)


def test_through_the_model_each_study_has_its_own_labels(averager, films):
    model, batch = averager("test_resnet", 32), films(32)
    labels = torch.tensor([[2, 0], [1, 2]])
    maps = film_maps("occlusion", model, batch, labels)
    assert maps.shape == (2, 2, 2, 32, 32)
    assert maps.min() == 0
    assert maps[1, :, 1].abs().max() == 0
    swapped = film_maps("occlusion", model, batch, labels.flip(1))
    torch.testing.assert_close(swapped.flip(1), maps)
