"""What a report tells of each finding, as states that a decoder can read: how a small decoder learns to write before it
is shown a film, as a pretrained one learned from text.

The labeler reads the report: one state a label, of its name, whether it is told, and on which side. They stand where
the states of a model's queries will stand, so that what is left to learn of films is to bring states like these.

Shapes: B batch, C labels, Q queries (the labels and others, of which nothing is told), D width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import nn

from medley.language.labeler import join_sections, label_text, side_text

_VALUES = {1.0: 1, -1.0: 2}  # present, uncertain; 0 for all else: nobody sees in a film what its report chose to deny
_SIDES = {"left": 1, "right": 2, "bilateral": 3}


def told_findings(reports: Sequence[Mapping[str, str]], labels: Sequence[str]) -> torch.Tensor:
    """told_BC2: of each report and label whether it is told (1 present, 2 uncertain, else 0) and where (1 left, 2
    right, 3 bilateral, else 0)."""
    return torch.tensor([_told(join_sections(report), tuple(labels)) for report in reports])


@lru_cache(maxsize=20_000)  # a report is read in every epoch
def _told(text: str, labels: tuple[str, ...]) -> list[tuple[int, int]]:
    values, sides = label_text(text, labels), side_text(text)
    return [(_VALUES.get(values[name], 0), _SIDES.get(sides.get(name, ""), 0)) for name in labels]


class ToldFindings(nn.Module):
    """States of what is told: the sum of the query's own, the value and the side, normed as a query's state is."""

    def __init__(self, queries: int, dim: int):
        super().__init__()
        self.queries_QD = nn.Parameter(torch.randn(queries, dim))
        self.value, self.side = nn.Embedding(3, dim), nn.Embedding(4, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, told_BC2: torch.Tensor) -> torch.Tensor:
        """States [B, Q, D]; the first C queries are the labels."""
        states_BQD = self.queries_QD.repeat(len(told_BC2), 1, 1)
        labels = told_BC2.shape[1]
        told_BCD = self.value(told_BC2[..., 0]) + self.side(told_BC2[..., 1])
        states_BQD = torch.cat([states_BQD[:, :labels] + told_BCD, states_BQD[:, labels:]], dim=1)
        return self.norm(states_BQD)
