"""The methods by name. Each gives one map for each film and each of a study's K labels, 0 where nothing speaks for
the label: model, batch, columns_BK (places among the model's labels) -> float32 [B, K, V, h, w].

queries    where the label's query looked (the model's own attention)
gradcam    Grad-CAM: right for a head that averages the film
hirescam   HiResCAM at a feature map twice as fine as the last, where the tower has one: each place by its own gradient
rollout    the query's attention followed back through a ViT's blocks; no CNN has any
occlusion  how far the log-odds fall when a window is hidden: slow, and asks nothing but answers of the model
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from medley.core.errors import choose
from medley.explain.gradcam import grad_cam, gradient_maps, hires_cam
from medley.explain.layers import cam_layer, is_cnn
from medley.explain.occlusion import occlusion_maps
from medley.explain.rollout import rollout_maps
from medley.explain.surface import FilmBatch, FilmModel, pick

Method = Callable[[FilmModel, FilmBatch, torch.Tensor], torch.Tensor]


def _queries(model: FilmModel, batch: FilmBatch, columns_BK: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return pick(model(batch).maps_BCVhw.float(), columns_BK)


def _gradcam(model: FilmModel, batch: FilmBatch, columns_BK: torch.Tensor) -> torch.Tensor:
    return gradient_maps(model, batch, columns_BK, grad_cam)


def _hirescam(model: FilmModel, batch: FilmBatch, columns_BK: torch.Tensor) -> torch.Tensor:
    layer = cam_layer(model.vision, finer=1 if is_cnn(model.vision) else 0)
    return gradient_maps(model, batch, columns_BK, hires_cam, layer)


METHODS: dict[str, Method] = {
    "queries": _queries,
    "gradcam": _gradcam,
    "hirescam": _hirescam,
    "rollout": rollout_maps,
    "occlusion": occlusion_maps,
}
QUICK = ("queries", "gradcam", "hirescam")  # a pass or two of the model; what a scorecard compares by default


def film_maps(method: str, model: FilmModel, batch: FilmBatch, columns_BK: torch.Tensor) -> torch.Tensor:
    """Maps [B, K, V, h, w] by a method of the table. Raises MedleyError naming the nearest for an unknown one."""
    return choose(method, METHODS, "method")(model, batch, columns_BK)
