"""The facts of a brain study as numbers, and a head that reads them off tokens without losing which token said what.

    tokens [B, N, C]  ->  narrowed [B, N, n]  ->  flattened [B, N n]  ->  logits [B, F]

A mean, a maximum or an attention pool over tokens cannot say "left frontal" of a token that only says "lesion": the
place is in which token says it. Measured on small volumes: with such pools the place was never learned, with this it
was in a few hundred steps.

Shapes: B batch, N tokens, P patches on a grid d h w, C width, F facts, R regions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from medley.core.labels import BRAIN_LOBES, BRAIN_SIDES, LOBE_SHARE, SIDE_SHARE
from medley.core.records import Case, Study

_NEAR = 0.05  # of a lesion: a lobe that holds this much more than it must counts as wholly involved
_SHARP = 10.0  # a call of 60 % is told as one of 98 %; a step would have no gradient
_CALLED = 0.4, 0.5, 0.3  # from which probability a lesion, its parts and its places are told: better one too many
REGIONS = ("lesion", "edema", "necrosis")  # whose place in the volume a tower learns
WRITING = ("words", "told")  # how reports are learned: by the image, or by what is told too (`ToldFacts.taught`)
PLACES = (*BRAIN_SIDES, *(f"{side} {lobe}" for side in ("left", "right") for lobe in BRAIN_LOBES))
# words of a report that say what is where, or that nothing is
FACT_WORDS = re.compile(
    r"\b(left|right|bilateral|both|hemispher\w*|frontal|parietal|temporal|occipital|insul\w*|deep|basal|gangli\w*|thalam\w*|"
    r"capsul\w*|callos\w*|cerebell\w*|brain ?stem|pons|pontine|o?edema\w*|necro\w*|mass effect|compress\w*|effac\w*|"
    r"midline|shift\w*|no|not|without|absent|normal|unremarkable|healthy)\b",
    re.IGNORECASE,
)


def places_of(case: Case) -> list[float]:
    """1 for each of `PLACES` that is true of a case, else 0; nan where nobody knows.

    Where the truth has the lobes' shares of the lesion, a place that is nearly involved, or only just, lies between:
    below 0.5 if it is not. Of a lobe with 14 % a 0 would teach that there is nothing.
    """
    truth = case.truth
    healthy = bool(truth.get("healthy"))
    sides = {truth["sides"]} if "sides" in truth else set()
    both = {"bilateral": ("left", "right")}
    lobes = {f"{one} {lobe}" for side, lobe in truth.get("side_lobe", ()) for one in both.get(side, (side,))}
    known = [healthy or "sides" in truth] * len(BRAIN_SIDES) + [healthy or "side_lobe" in truth] * 2 * len(BRAIN_LOBES)
    hard = [float(place in sides | lobes) if knows else math.nan for place, knows in zip(PLACES, known, strict=True)]
    if "shares" not in truth or any(math.isnan(value) for value in hard):
        return hard
    share = {f"{side} {lobe}": value for side, lobe, value in truth["shares"]}
    left, right = (sum(value for side, _, value in truth["shares"] if side == one) for one in ("left", "right"))
    astride = _near(min(left, right), SIDE_SHARE)
    soft = [1 - astride if left > right else 0.0, 1 - astride if right > left else 0.0, astride]
    soft += [_near(share.get(place, 0.0), LOBE_SHARE) for place in PLACES[len(BRAIN_SIDES) :]]
    return [max(s, 0.501) if h > 0.5 else min(s, 0.499) for s, h in zip(soft, hard, strict=True)]


def _near(share: float, least: float) -> float:
    """0 well below `least`, a half at it, 1 well above."""
    return min(1.0, max(0.0, 0.5 + (share - least) / (2 * _NEAR)))


def facts_of(studies: Sequence[Study], labels: Sequence[np.ndarray]) -> torch.Tensor:
    """facts_BF: the labels of each study, and its `places_of`."""
    places_BF = torch.tensor([places_of(study.case) for study in studies])
    return torch.cat([torch.from_numpy(np.stack(labels)).float(), places_BF], dim=1)


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
    """What a tower must learn to see before others read it: the facts off its patches, and what shows in each eighth
    of a patch. (A patch is 24 mm across: told of the whole of it, it need not know on which side of the midline.)"""

    def __init__(self, prevalence_F: torch.Tensor, grid: tuple[int, int, int], dim: int):
        super().__init__()
        self.grid = grid
        self.facts, self.patch = PlacedFacts(prevalence_F, math.prod(grid), dim), nn.Linear(dim, 8 * len(REGIONS))

    @property
    def cells(self) -> tuple[int, int, int]:
        """Cells (2d, 2h, 2w) of the maps."""
        depth, height, width = self.grid
        return 2 * depth, 2 * height, 2 * width

    def forward(self, patches_BPC: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the facts [B, F] and of the regions, in eighths of patches [B, R, 2d, 2h, 2w]."""
        cells = self.patch(patches_BPC).unflatten(2, (-1, 2, 2, 2)).unflatten(1, self.grid)  # B d h w R 2 2 2
        return self.facts(patches_BPC), cells.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(len(cells), -1, *self.cells)


class ToldFacts(nn.Module):
    """What is found, as a token for each fact that a writer reads beside those of the image (as PromptMRG tells
    diagnoses, Jin et al. 2024). In training it is told what is true: of false calls a writer would learn not to say
    what it is told. When it doubts, a greedy writer says "no": there are many ways to say what there is, each with
    another first word. A side is called with its lobes: a writer that is told two lobes of two sides, and no word of
    both, has seen too few of such reports to name both.
    """

    def __init__(self, facts: int, dim: int):
        super().__init__()
        self.name_embed = nn.Parameter(0.02 * torch.randn(facts, dim))
        self.called_embed = nn.Parameter(0.02 * torch.randn(facts, dim))

    def forward(self, logits_BF: torch.Tensor, true_BF: torch.Tensor | None = None) -> torch.Tensor:
        """Tokens [B, F, dim] of what is called, -1 or 1 but for what is close to the line, or, where it is known (not
        nan), of what is true. The truth is for training, and then no gradient goes through a call."""
        labels = logits_BF.shape[1] - len(PLACES)
        lesion, part, place = _CALLED
        least_F = torch.tensor(
            [lesion, *[part] * (labels - 1), *[place] * len(PLACES)], device=logits_BF.device
        ).logit()
        called_BF = coherent((_SHARP * (logits_BF - least_F) / 2).tanh(), logits_BF)
        if true_BF is not None:
            called_BF = torch.where(true_BF.isnan(), called_BF.detach(), (true_BF - 0.5).sign())
        return self.name_embed + called_BF[:, :, None] * self.called_embed

    def taught(self, memory_BKE: torch.Tensor) -> torch.Tensor:
        """What a writer learns from, every second study with the image of the one before it: of the studies that it
        learns from, image tokens know the facts too, and it would believe them where on new studies they err. The last
        F of K tokens are told."""
        facts, mixed_BKE = len(self.name_embed), memory_BKE.detach().roll(1, 0)
        mixed_BKE[:, -facts:] = memory_BKE[:, -facts:]
        mixed_BKE[1::2] = memory_BKE[1::2]
        return mixed_BKE


def coherent(called_BF: torch.Tensor, logits_BF: torch.Tensor) -> torch.Tensor:
    """Calls between -1 and 1 that can be true together: nothing without a lesion (the first fact), no lesion without
    its likeliest lobe, and sides as the lobes have them, bilateral also where that is called by itself."""
    first = called_BF.shape[1] - 2 * len(BRAIN_LOBES)
    lesion_B1, labels_BN, _ = called_BF[:, :first].split([1, first - 1 - len(BRAIN_SIDES), len(BRAIN_SIDES)], dim=1)
    likeliest_BL = F.one_hot(logits_BF[:, first:].argmax(1), 2 * len(BRAIN_LOBES)).bool()
    lobes_BL = torch.where(likeliest_BL, lesion_B1, torch.minimum(called_BF[:, first:], lesion_B1))
    left_B, right_B = lobes_BL[:, : len(BRAIN_LOBES)].amax(1), lobes_BL[:, len(BRAIN_LOBES) :].amax(1)
    both_B = torch.maximum(torch.minimum(left_B, right_B), torch.minimum(called_BF[:, first - 1], lesion_B1[:, 0]))
    sides_B3 = torch.stack([torch.minimum(left_B, -both_B), torch.minimum(right_B, -both_B), both_B], dim=1)
    return torch.cat([lesion_B1, torch.minimum(labels_BN, lesion_B1), sides_B3, lobes_BL], dim=1)
