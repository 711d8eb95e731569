"""Small models that explaining can ask: a vision tower and a head that averages or attends."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from medley.encoders.vision2d import VisionTower, build_vision, describe_vision


@dataclass(frozen=True)
class Films:
    films_BV1HW: torch.Tensor
    is_film_BV: torch.Tensor

    def __len__(self) -> int:
        return len(self.films_BV1HW)


@dataclass(frozen=True)
class Logits:
    logits_BC: torch.Tensor
    maps_BCVhw: torch.Tensor

    def binary(self, head: str) -> torch.Tensor:
        assert head == "fused"
        return self.logits_BC


class Averager(nn.Module):
    """The mean of the patches of a study's films, then a linear map: the head that Grad-CAM was made for."""

    def __init__(self, vision: VisionTower, labels: int = 3):
        super().__init__()
        self.vision, self.head = vision, nn.Linear(vision.dim, labels)

    def forward(self, batch: Films) -> Logits:
        seen_FPD = self.vision(batch.films_BV1HW[batch.is_film_BV])
        patches_BVPD = seen_FPD.new_zeros(*batch.is_film_BV.shape, *seen_FPD.shape[1:])
        patches_BVPD[batch.is_film_BV] = seen_FPD
        views, (height, width) = patches_BVPD.shape[1], self.vision.grid
        logits_BC = self.head(patches_BVPD.mean((1, 2)))
        even = torch.full((len(batch), logits_BC.shape[1], views, height, width), 1 / (height * width * views))
        return Logits(logits_BC, even)


@pytest.fixture(scope="session")
def averager():
    """Builds an Averager on a small timm architecture, with the same random weights each time."""

    def build(name: str, px: int, level: int = -1) -> Averager:
        with torch.random.fork_rng():
            torch.manual_seed(5)
            return Averager(build_vision(describe_vision(name), px, False, level)).eval()

    return build


@pytest.fixture(scope="session")
def films():
    """Two studies of [2, 1] films of noise, px wide."""

    def build(px: int) -> Films:
        noise = torch.rand(2, 2, 1, px, px, generator=torch.Generator().manual_seed(3))
        return Films(noise, torch.tensor([[True, True], [True, False]]))

    return build
