"""The facts of a brain study as numbers, and a head that reads them off tokens without losing which token said what.

    tokens [B, N, C]  ->  narrowed [B, N, n]  ->  flattened [B, N n]  ->  logits [B, F]

A mean, a maximum or an attention pool over tokens cannot say "left frontal" of a token that only says "lesion": the
place is in which token says it. Measured on small volumes: with such pools the place was never learned, with this it
was in a few hundred steps.

Shapes: B batch, N tokens, P patches, C width, F facts, R regions.
"""

from __future__ import annotations

import math
import re

import torch
from torch import nn

from medley.core.labels import BRAIN_LOBES, BRAIN_SIDES
from medley.core.records import Case

_SHARP = 10.0  # a call of 60 % is told as one of 98 %; a step would have no gradient
PLACES = (*BRAIN_SIDES, *(f"{side} {lobe}" for side in ("left", "right") for lobe in BRAIN_LOBES))
# words of a report that say what is where, or that nothing is
FACT_WORDS = re.compile(
    r"\b(left|right|bilateral|both|hemispher\w*|frontal|parietal|temporal|occipital|insul\w*|deep|basal|gangli\w*|thalam\w*|"
    r"capsul\w*|callos\w*|cerebell\w*|brain ?stem|pons|pontine|o?edema\w*|necro\w*|mass effect|compress\w*|effac\w*|"
    r"midline|shift\w*|no|not|without|absent|normal|unremarkable|healthy)\b",
    re.IGNORECASE,
)


def places_of(case: Case) -> list[float]:
    """1 for each of `PLACES` that is true of a case, else 0; nan where nobody knows."""
    truth = case.truth
    healthy = bool(truth.get("healthy"))
    sides = {truth["sides"]} if "sides" in truth else set()
    both = {"bilateral": ("left", "right")}
    lobes = {f"{one} {lobe}" for side, lobe in truth.get("side_lobe", ()) for one in both.get(side, (side,))}
    known = [healthy or "sides" in truth] * len(BRAIN_SIDES) + [healthy or "side_lobe" in truth] * 2 * len(BRAIN_LOBES)
    true = sides | lobes
    return [float(place in true) if knows else math.nan for place, knows in zip(PLACES, known, strict=True)]


class PlacedFacts(nn.Module):
    """Log-odds of F facts; they begin at those of `prevalence_F`."""

    def __init__(self, prevalence_F: torch.Tensor, tokens: int, dim: int, narrow: int = 16):
        super().__init__()
        self.narrow = nn.Linear(dim, narrow)
        self.facts = nn.Linear(tokens * narrow, len(prevalence_F))
        with torch.no_grad():
            self.facts.bias.copy_(torch.logit(prevalence_F, eps=0.01))

    def forward(self, tokens_BNC: torch.Tensor) -> torch.Tensor:
        """Logits [B, F]."""
        return self.facts(nn.functional.gelu(self.narrow(tokens_BNC)).flatten(1))


class SeenFacts(nn.Module):
    """What a tower must learn to see before others read it: the facts off its patches, and which patch shows what."""

    def __init__(self, prevalence_F: torch.Tensor, patches: int, dim: int, regions: int):
        super().__init__()
        self.facts, self.patch = PlacedFacts(prevalence_F, patches, dim), nn.Linear(dim, regions)

    def forward(self, patches_BPC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the facts [B, F] and of each patch's regions [B, P, R]."""
        return self.facts(patches_BPC), self.patch(patches_BPC)


class ToldFacts(nn.Module):
    """What is found, as one token that a writer reads beside those of the image (as PromptMRG tells diagnoses, Jin et
    al. 2024). In training it is told what is true: of false calls a writer would learn not to say what it is told. When
    it doubts, a greedy writer says "no": there are many ways to say what there is, each with another first word.

    Nothing is told before this is trained: it begins at 0. Towers that learn to see need what words teach, and a writer
    that is told everything asks nothing of them. Sides are not told by themselves: lobes of one or of both say them.
    """

    def __init__(self, facts: int, dim: int):
        super().__init__()
        self.read = nn.Linear(facts - len(BRAIN_SIDES), dim)
        nn.init.zeros_(self.read.weight)
        nn.init.zeros_(self.read.bias)

    def forward(self, logits_BF: torch.Tensor, true_BF: torch.Tensor | None = None) -> torch.Tensor:
        """Token [B, 1, dim] of what is called, -1 or 1 but for what is close to even, or, where it is known (not nan),
        of what is true. The truth is for training, and then no gradient goes through a call."""
        called_BF = (_SHARP * logits_BF / 2).tanh()
        if true_BF is not None:
            called_BF = torch.where(true_BF.isnan(), called_BF.detach(), 2 * true_BF - 1)
        labels = called_BF.shape[1] - len(PLACES)
        return self.read(torch.cat([called_BF[:, :labels], called_BF[:, labels + len(BRAIN_SIDES) :]], dim=1))[:, None]
