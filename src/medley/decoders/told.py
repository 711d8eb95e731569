"""Findings that are told, by label and side, as tokens that a decoder reads.

What a model calls on a film is told to its decoder in this way (as prompts of diagnoses are in PromptMRG, Jin et al.
2024). In training it is told the truth: what the table knows, and where the labeler reads in the report that it lies.

Shapes: B batch, C labels, D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import nn

from medley.language.labeler import join_sections, label_text, side_text

_VALUES = {1.0: 1, -1.0: 2}  # present, uncertain; 0 for all else: nobody sees in a film what its report chose to deny
SIDES = {"left": 1, "right": 2, "bilateral": 3}  # 0: none is said


def told_findings(reports: Sequence[Mapping[str, str]], labels: Sequence[str]) -> torch.Tensor:
    """told_BC2: of each report and label whether it is told (1 present, 2 uncertain, else 0) and where (1 left, 2
    right, 3 bilateral, else 0). What is told only through its kinds, an opacity that is a consolidation, is present and
    has no place of its own: a decoder that reads a place can say a sentence of it."""
    return torch.tensor([_told(join_sections(report), tuple(labels)) for report in reports])


@lru_cache(maxsize=20_000)  # a report is read in every epoch
def _told(text: str, labels: tuple[str, ...]) -> list[tuple[int, int]]:
    values, sides = label_text(text, labels), side_text(text)
    told = {name: _VALUES.get(values[name], 0) for name in labels}
    return [(told[name], SIDES.get(sides.get(name, ""), 0) if told[name] else 0) for name in labels]


def called_findings(
    logits_BC: torch.Tensor,
    sides_BC4: torch.Tensor,
    call_at: float,
    targets_BC: torch.Tensor | None = None,
    told_BC2: torch.Tensor | None = None,
) -> torch.Tensor:
    """told_BC2 of what a model answers: present from the probability `call_at` on, on the likeliest side.

    Targets (nan where not known) and what the report tells are for training: what is known to be true is told then. Of
    false calls a decoder would learn not to say what it is told. No gradient goes through a call.
    """
    is_called_BC, sides_BC = logits_BC.detach().sigmoid() >= call_at, sides_BC4.detach().argmax(-1)
    if targets_BC is not None and told_BC2 is not None:
        is_called_BC = torch.where(targets_BC.isnan(), is_called_BC, targets_BC == 1)
        sides_BC = torch.where(told_BC2[..., 0] == 1, told_BC2[..., 1], sides_BC)
    return torch.stack([is_called_BC.long(), sides_BC * is_called_BC], dim=-1)


class ToldFindings(nn.Module):
    """A token a label: the sum of what stands for its name, its value and its side, normed."""

    def __init__(self, labels: int, dim: int):
        super().__init__()
        self.names_CD = nn.Parameter(torch.randn(labels, dim))
        self.value, self.side = nn.Embedding(3, dim), nn.Embedding(1 + len(SIDES), dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, told_BC2: torch.Tensor) -> torch.Tensor:
        """Tokens [B, C, D] of values and sides [B, C, 2], numbered as in `told_findings`."""
        return self.norm(self.names_CD + self.value(told_BC2[..., 0]) + self.side(told_BC2[..., 1]))
