"""What explaining asks of a family: films in its Batch, a vision tower, log-odds a label. Nothing else of it is known.

Shapes: B studies, V films of a study, F real films of the batch, C labels, K labels asked for, H W pixels, h w patches.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import torch

from medley.encoders.pooled import Tower


class FilmBatch(Protocol):
    """A family's Batch, a frozen dataclass whose tensors all have the studies in their first dimension."""

    films_BV1HW: torch.Tensor
    is_film_BV: torch.Tensor

    def __len__(self) -> int: ...


class FilmOutput(Protocol):
    """A family's Output."""

    maps_BCVhw: torch.Tensor  # where the label queries looked

    def binary(self, head: str) -> torch.Tensor:
        """Log-odds [B, C] of a head."""


class FilmModel(Protocol):
    """A family's model. The tower meets the real films alone, in the order of `films_BV1HW[is_film_BV]`."""

    vision: Tower

    def __call__(self, batch: Any) -> Any: ...


def log_odds(model: FilmModel, batch: FilmBatch, head: str = "fused") -> torch.Tensor:
    """Log-odds [B, C] of the system's answer."""
    return model(batch).binary(head)


def rows(batch: Any, index_R: torch.Tensor) -> Any:
    """The batch of these studies, which may repeat: one row for each."""
    picked = {
        field.name: value[index_R.to(value.device)]
        for field in dataclasses.fields(batch)
        if isinstance(value := getattr(batch, field.name), torch.Tensor)
    }
    return dataclasses.replace(batch, **picked)


def with_film(batch: Any, row: int, view: int, films_RHW: torch.Tensor) -> Any:
    """R copies of one study, in each of which one of its films is another."""
    many = rows(batch, torch.full((len(films_RHW),), row))
    films_RV1HW = many.films_BV1HW.clone()
    films_RV1HW[:, view, 0] = films_RHW.to(films_RV1HW)
    return dataclasses.replace(many, films_BV1HW=films_RV1HW)


def by_study(maps_FKhw: torch.Tensor, batch: FilmBatch) -> torch.Tensor:
    """Maps of the real films -> [B, K, V, h, w], zeros where there is no film."""
    maps_BVKhw = maps_FKhw.new_zeros(*batch.is_film_BV.shape, *maps_FKhw.shape[1:])
    maps_BVKhw[batch.is_film_BV] = maps_FKhw
    return maps_BVKhw.transpose(1, 2)


def pick(values_BC: torch.Tensor, columns_BK: torch.Tensor) -> torch.Tensor:
    """The values [B, K, ...] of each study's own labels out of [B, C, ...]."""
    rows_B1 = torch.arange(len(columns_BK), device=values_BC.device)[:, None]
    return values_BC[rows_B1, columns_BK.to(values_BC.device)]
