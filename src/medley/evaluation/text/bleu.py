"""BLEU-1 … BLEU-4 of a corpus (Papineni et al. 2002), to the digit of sacrebleu 2 on the same tokens.

The geometric mean of the shares of the hypotheses' runs of 1 … n tokens that stand in their references, times a penalty
where the hypotheses are shorter. Where no run of some length matches, sacrebleu's default smoothing ("exp") stands in.
pycocoevalcap's differs by its guard against zero: below 1e-6 wherever runs of all lengths match.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from medley.evaluation.text.ngrams import overlap
from medley.evaluation.text.part import Part

LONGEST = 4


def bleu_part(hypotheses: Sequence[csr_array], references: Sequence[csr_array], scored_N: np.ndarray) -> Part:
    """`bleu_1` … `bleu_4` from the counts [N, G] of runs of 1 … 4 tokens. One reference a report."""
    totals = [np.asarray(counts.sum(axis=1)).ravel() for counts in hypotheses]
    matches = [overlap(ours, theirs) for ours, theirs in zip(hypotheses, references, strict=True)]
    length_N = np.asarray(references[0].sum(axis=1)).ravel()
    columns_NK = np.stack([*matches, *totals, length_N], axis=1) * scored_N[:, None]
    why = {f"bleu_{n}": f"no hypothesis has {n} tokens" for n in range(2, LONGEST + 1)}
    names = tuple(f"bleu_{n}" for n in range(1, LONGEST + 1))
    return Part(names, columns_NK, _of_sums, scored_N, why)


def _of_sums(sums_KR: np.ndarray) -> dict[str, np.ndarray]:
    matches, totals, reference = sums_KR[:LONGEST], sums_KR[LONGEST:-1], sums_KR[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        brevity = np.exp(np.minimum(0, 1 - reference / totals[0]))
        halvings = np.cumsum((matches == 0) & (totals > 0), axis=0)
        log_precision = np.log(np.where(matches > 0, matches, 0.5**halvings) / totals)
        means = np.cumsum(log_precision, axis=0) / np.arange(1, LONGEST + 1)[:, None]
        values = np.where(matches[0] > 0, brevity * np.exp(means), 0.0)
    values = np.where(totals > 0, values, np.nan)
    return {f"bleu_{n + 1}": values[n] for n in range(LONGEST)}
