"""chrF of a corpus (Popović 2015): shared runs of 1 … 6 characters, to the digit of sacrebleu 2 with its defaults.

Spaces do not count, case does; recall weighs as much as precision four times over (beta 2). It needs no tokens, and a
misspelt word still gets most of its due.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medley.evaluation.text.ngrams import character_ngrams, overlap
from medley.evaluation.text.part import Part, ratio

LONGEST = 6
BETA = 2.0


def chrf_part(hypotheses: Sequence[str], references: Sequence[str]) -> Part:
    """`chrf` of pairs of texts without surrogates."""
    n = len(hypotheses)
    squeezed = ["".join(text.split()) for text in (*hypotheses, *references)]
    shared, ours, theirs = [], [], []
    for counts in character_ngrams(squeezed, LONGEST):
        of_reference = np.asarray(counts[n:].sum(axis=1)).ravel()
        shared.append(overlap(counts[:n], counts[n:]))
        # where the reference is too short for such a run, the hypothesis is not blamed for its own
        ours.append(np.where(of_reference > 0, np.asarray(counts[:n].sum(axis=1)).ravel(), 0))
        theirs.append(of_reference)
    scored_N = np.array([bool(text) for text in squeezed[n:]])
    columns_NK = np.stack([*shared, *ours, *theirs], axis=1) * scored_N[:, None]
    return Part(("chrf",), columns_NK, _of_sums, scored_N, {})


def _of_sums(sums_KR: np.ndarray) -> dict[str, np.ndarray]:
    shared, ours, theirs = np.split(sums_KR, 3)
    counted = (ours > 0) & (theirs > 0)
    precision, recall = (
        ratio(np.where(counted, np.nan_to_num(ratio(shared, of)), 0).sum(0), counted.sum(0)) for of in (ours, theirs)
    )
    weighed = BETA**2 * precision + recall
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(weighed > 0, (1 + BETA**2) * precision * recall / weighed, 0.0)
    return {"chrf": np.where(counted.any(0), value, np.nan)}
