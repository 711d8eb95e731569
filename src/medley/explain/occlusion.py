"""Occlusion (Zeiler & Fergus 2014): how much the log-odds fall when a window of the film is hidden.

Needs nothing of the model but its answers. The window shows the film blurred, not black: black is air, and to a model
of chest films a black square over a lung may be a finding of its own. Windows that overlap are averaged; all windows of
a film go through the model in batches, and one pass serves every label.

Shapes: R perturbed films, H W pixels, C labels, K labels asked for, h w windows down and across.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from medley.core.errors import MedleyError
from medley.explain.surface import FilmBatch, FilmModel, log_odds, with_film

LogOdds = Callable[[torch.Tensor], torch.Tensor]  # films [R, H, W] -> [R, C]
WINDOW, STRIDE = 1 / 8, 1 / 16  # of the side of the film
BLUR = 1 / 12  # standard deviation as a share of the side
_AT_ONCE = 64


def blurred(film_HW: torch.Tensor, share: float = BLUR) -> torch.Tensor:
    """The film [H, W] blurred so far that no finding is left: Gaussian, `share` of the side, edges repeated."""
    sigma = share * max(film_HW.shape)
    reach = min(round(3 * sigma), min(film_HW.shape) - 1)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=film_HW.device) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).to(film_HW)
    image = F.pad(film_HW[None, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(image, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))[0, 0]


def occlude(log_odds_of: LogOdds, film_HW: torch.Tensor, fill_HW: torch.Tensor, window: int, stride: int) -> np.ndarray:
    """float32 [C, H, W]: the mean fall of each label's log-odds over the windows that hide a pixel.

    `window` and `stride` are in pixels; the last window of a row reaches the edge. Raises MedleyError where a window
    does not fit.
    """
    height, width = film_HW.shape
    if not 1 <= stride <= window <= min(height, width):
        raise MedleyError(f"occlusion: window {window} px and stride {stride} px do not cover {height} x {width} px")
    corners = [(top, left) for top in _starts(height, window, stride) for left in _starts(width, window, stride)]
    whole_C = log_odds_of(film_HW[None])[0]
    falls = torch.zeros(len(whole_C), height, width)
    times = torch.zeros(height, width)
    for some, films_RHW in _hidden(film_HW, fill_HW, corners, window):
        fall_RC = (whole_C - log_odds_of(films_RHW)).float().cpu()
        for (top, left), fall_C in zip(some, fall_RC, strict=True):
            falls[:, top : top + window, left : left + window] += fall_C[:, None, None]
            times[top : top + window, left : left + window] += 1
    return (falls / times).numpy()


def _starts(side: int, window: int, stride: int) -> list[int]:
    return sorted({*range(0, side - window + 1, stride), side - window})


def _hidden(
    film_HW: torch.Tensor, fill_HW: torch.Tensor, corners: Sequence[tuple[int, int]], window: int
) -> Iterator[tuple[Sequence[tuple[int, int]], torch.Tensor]]:
    for at in range(0, len(corners), _AT_ONCE):
        some = corners[at : at + _AT_ONCE]
        films_RHW = film_HW.repeat(len(some), 1, 1)
        for film, (top, left) in zip(films_RHW, some, strict=True):
            here = np.s_[top : top + window, left : left + window]
            film[here] = fill_HW[here]
        yield some, films_RHW


def occlusion_maps(model: FilmModel, batch: FilmBatch, columns_BK: torch.Tensor) -> torch.Tensor:
    """Maps [B, K, V, H, W] of each study's K labels: what spoke for the label; what spoke against it is 0."""
    px = batch.films_BV1HW.shape[-1]
    window, stride = max(2, round(WINDOW * px)), max(1, round(STRIDE * px))
    maps_BKVHW = torch.zeros(*columns_BK.shape, batch.is_film_BV.shape[1], px, px)
    with torch.inference_mode():
        for b, v in batch.is_film_BV.nonzero().tolist():
            film_HW = batch.films_BV1HW[b, v, 0]

            def answers(films_RHW: torch.Tensor, b: int = b, v: int = v) -> torch.Tensor:
                return log_odds(model, with_film(batch, b, v, films_RHW))[:, columns_BK[b].to(films_RHW.device)]

            falls_KHW = occlude(answers, film_HW, blurred(film_HW), window, stride)
            maps_BKVHW[b, :, v] = torch.from_numpy(falls_KHW).relu()
    return maps_BKVHW
