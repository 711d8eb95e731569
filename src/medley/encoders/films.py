"""Films of several studies as one tensor, for any family that reads chest films.

Shapes: B studies, V films of the study that has most of them, H W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from medley.core.errors import MedleyError
from medley.core.records import VIEWS, Study


def stack_films(studies: Sequence[Study], px: int, most: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """films_BV1HW in [0, 1], zeros where there is none; views_BV, index into VIEWS; is_film_BV.

    Raises MedleyError for a study without a film or with more than `most`, and for a film that is not px x px.
    """
    views = max(len(study.films) for study in studies)
    films_BV1HW = torch.zeros(len(studies), views, 1, px, px)
    views_BV = torch.zeros(len(studies), views, dtype=torch.long)
    is_film_BV = torch.zeros(len(studies), views, dtype=torch.bool)
    for b, study in enumerate(studies):
        if not 1 <= len(study.films) <= most:
            what = f"{len(study.films)} films, the model reads 1 to {most}"
            raise MedleyError(f"case '{study.case.case_id}' has {what}")
        for v, film in enumerate(study.films):
            if film.pixels.shape != (px, px):
                raise MedleyError(f"case '{study.case.case_id}': film of {film.pixels.shape}, wanted {px} x {px}")
            films_BV1HW[b, v, 0] = torch.from_numpy(np.array(film.pixels)).float() / 255
            views_BV[b, v] = VIEWS.index(film.view)
            is_film_BV[b, v] = True
    return films_BV1HW, views_BV, is_film_BV


def stack_regions(studies: Sequence[Study], views: int, names: Sequence[str]) -> torch.Tensor:
    """places_BVRrr: the share of each cell of a film that region R covers, in [0, 1]; nan where that is not known."""
    side = max((len(mask) for study in studies for film in study.films for mask in film.regions.values()), default=1)
    places_BVRrr = torch.full((len(studies), views, len(names), side, side), torch.nan)
    for b, study in enumerate(studies):
        for v, film in enumerate(study.films):
            for r, name in enumerate(names):
                if name in film.regions:
                    places_BVRrr[b, v, r] = torch.from_numpy(film.regions[name]).float() / 255
    return places_BVRrr


def without_a_view(is_film_BV: torch.Tensor, share: float) -> torch.Tensor:
    """View dropout: of a random `share` of the studies that have two films, one film is not read."""
    views = is_film_BV.shape[1]
    drops_B = is_film_BV.all(1) & (torch.rand(len(is_film_BV), device=is_film_BV.device) < share) & (views > 1)
    which_B = torch.randint(views, (len(is_film_BV),), device=is_film_BV.device)
    return is_film_BV & ~(drops_B[:, None] & torch.nn.functional.one_hot(which_B, views).bool())
