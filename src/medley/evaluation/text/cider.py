"""CIDEr and CIDEr-D (Vedantam et al. 2015): likeness of reports in their rare words, 0 … 10 as their authors print it.

Runs of 1 … 4 tokens weigh the more the fewer references have them; a report's score is the cosine of the two weighted
counts, averaged over the four lengths, times 10. `cider` is that (equation 3). `cider_d` cuts counts to the reference's
and takes off for unlike lengths (section 3.4): it is what pycocoevalcap calls CIDEr, so what papers print.

How rare a run is, is a matter of the whole reference set and stays as it is in every resample: a resample asks what
other patients would have given, not for another metric.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from medley.evaluation.text.part import Part, mean_part

SIGMA = 6.0  # of the penalty for unlike lengths, in pairs of tokens
_ALIKE = "the references have no run of tokens that tells one from another, so nothing has weight"


def cider_part(hypotheses: Sequence[csr_array], references: Sequence[csr_array], scored_N: np.ndarray) -> Part:
    """`cider` and `cider_d` from the counts [N, G] of runs of 1 … 4 tokens. One reference a report."""
    cosines, clipped, told_apart = [], [], False
    for ours, theirs in zip(hypotheses, references, strict=True):
        found_G = np.bincount(theirs.indices, minlength=theirs.shape[1])
        weight_G = np.log(max(1, scored_N.sum())) - np.log(np.maximum(1, found_G))
        ours, theirs = _weighted(ours, weight_G), _weighted(theirs, weight_G)
        norms_N = _norms(ours) * _norms(theirs)
        told_apart |= bool(theirs.data.any())
        cosines.append(_divided(ours.multiply(theirs), norms_N))
        clipped.append(_divided(ours.minimum(theirs).multiply(theirs), norms_N))
    unlike_N = np.asarray(hypotheses[1].sum(axis=1) - references[1].sum(axis=1)).ravel()
    penalty_N = np.exp(-(unlike_N**2) / (2 * SIGMA**2))
    scores = {"cider": 10 * np.mean(cosines, axis=0), "cider_d": 10 * np.mean(clipped, axis=0) * penalty_N}
    if not told_apart:
        scores = {name: np.full(len(scored_N), np.nan) for name in scores}
    return mean_part(scores, scored_N, dict.fromkeys(scores, _ALIKE))


def _weighted(counts: csr_array, weight_G: np.ndarray) -> csr_array:
    return csr_array((counts.data * weight_G[counts.indices], counts.indices, counts.indptr), shape=counts.shape)


def _norms(vectors: csr_array) -> np.ndarray:
    return np.sqrt(np.asarray(vectors.power(2).sum(axis=1)).ravel())


def _divided(products: csr_array, norms_N: np.ndarray) -> np.ndarray:
    """The rows' sums over the norms; 0 for a report without any weight."""
    return np.asarray(products.sum(axis=1)).ravel() / np.where(norms_N > 0, norms_N, 1)
