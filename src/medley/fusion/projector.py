"""From the width of what sees to the width of what writes: Linear, GELU, Linear, at a scale that is learned.

Shapes: B batch, K tokens, C width of the tokens, E of the words.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from medley.core.errors import MedleyError


class Projector(nn.Module):
    """Tokens as words that no vocabulary has. Xavier with a gain of 1/2, as the system this family follows begins."""

    def __init__(self, dim: int, words_dim: int):
        super().__init__()
        self.map = nn.Sequential(nn.Linear(dim, words_dim), nn.GELU(), nn.Linear(words_dim, words_dim))
        for part in self.map:
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight, gain=0.5)
                nn.init.zeros_(part.bias)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, tokens_BKC: torch.Tensor) -> torch.Tensor:
        """Memory [B, K, E]."""
        return self.map(tokens_BKC) * self.scale

    def lay_over(self, path: Path | str) -> None:
        """Take the weights of a released `projector_vis_scale.pt`: {"vision_projector": tensors, "vis_scale": number}.

        Nothing but tensors is read from it. Raises MedleyError where it cannot be, or is of other widths.
        """
        released, scale = _released(Path(path))
        own = self.map.state_dict()
        shapes = {
            kind: [tuple(tensor.shape) for tensor in part.values()] for kind, part in (("", own), ("its", released))
        }
        if shapes[""] != shapes["its"]:
            raise MedleyError(f"{path}: a projector of {shapes['its']}, wanted {shapes['']}; it is of other backbones")
        self.map.load_state_dict(dict(zip(own, released.values(), strict=True)))
        self.scale.data.fill_(float(scale))


def _released(path: Path) -> tuple[dict[str, torch.Tensor], float]:
    import pickle

    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise MedleyError(f"{path} does not exist; give the projector_vis_scale.pt of a release") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise MedleyError(
            f"{path} is no file of tensors ({first}); give the projector_vis_scale.pt of a release"
        ) from error
    if not isinstance(saved, dict) or "vision_projector" not in saved:
        raise MedleyError(f"{path} holds no 'vision_projector'; give the projector_vis_scale.pt of a release")
    scale = saved.get("vis_scale")
    return dict(saved["vision_projector"]), 1.0 if scale is None else float(scale)
