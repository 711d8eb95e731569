"""Grad-CAM (Selvaraju et al. 2017) and HiResCAM (Draelos & Carin 2020): a label's gradient at a layer of the tower.

Both ask how the log-odds change with the layer's features. Grad-CAM averages each channel's gradient over the film
before it weighs the channel: right for a head that averages the film, as the CNNs had for which it was made. A head
that attends reads a channel differently at each place; there the average mixes what speaks for the label here with what
speaks against it there, and HiResCAM, which weighs each place by its own gradient, is the one that can be right.

Shapes: F films, K labels asked for, D channels, h w the grid of the layer, B studies, V films of a study.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from medley.explain.layers import as_grid, cam_layer
from medley.explain.surface import FilmBatch, FilmModel, by_study, log_odds, pick

Weigh = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def grad_cam(features_FDhw: torch.Tensor, gradients_FDhw: torch.Tensor) -> torch.Tensor:
    """relu(sum_d mean_hw(gradient) * feature): [F, h, w], what speaks for the label."""
    return (gradients_FDhw.mean((2, 3), keepdim=True) * features_FDhw).sum(1).relu()


def hires_cam(features_FDhw: torch.Tensor, gradients_FDhw: torch.Tensor) -> torch.Tensor:
    """relu(sum_d gradient * feature): [F, h, w], each place by its own gradient."""
    return (gradients_FDhw * features_FDhw).sum(1).relu()


def gradient_maps(
    model: FilmModel, batch: FilmBatch, columns_BK: torch.Tensor, weigh: Weigh, layer: nn.Module | None = None
) -> torch.Tensor:
    """Maps [B, K, V, h, w] of each study's K labels: K backward passes for the whole batch.

    A study's log-odds depend on its own films alone, so the sum over studies has each study's own gradient. `layer`
    is `cam_layer` of the tower unless another is given.
    """
    tower = model.vision
    features: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: object, output: torch.Tensor) -> torch.Tensor:
        kept = output.detach().requires_grad_()  # the passes below go no further back than here
        features.append(kept)
        return kept.clone()  # what comes next may write into it

    handle = (layer or cam_layer(tower)).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            logits_BK = pick(log_odds(model, batch), columns_BK)
    finally:
        handle.remove()
    maps = []
    for place, logits_B in enumerate(logits_BK.unbind(1)):
        more = place + 1 < logits_BK.shape[1]
        (gradients,) = torch.autograd.grad(logits_B.sum(), features[0], retain_graph=more)
        maps.append(weigh(as_grid(features[0].detach(), tower), as_grid(gradients, tower)))
    return by_study(torch.stack(maps, dim=1), batch)
