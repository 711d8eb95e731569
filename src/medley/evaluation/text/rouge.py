"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004): how many single words, pairs, and words in order two reports share.

`rouge_1`, `rouge_2` and `rouge_l` are the mean F1 of rouge-score 0.1 with its stemmer. `rouge_l_coco` is the ROUGE-L of
the COCO tools, which weighs recall 1.44 times as much as precision (beta 1.2) and knows no stems: what most papers on
report generation print as ROUGE-L.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medley.evaluation.text.ngrams import overlap, word_ngrams
from medley.evaluation.text.part import Part, mean_part, ratio

COCO_BETA = 1.2


def rouge_part(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> Part:
    """`rouge_1`, `rouge_2`, `rouge_l` of pairs of token lists, as `rouge_tokens` makes them."""
    n = len(hypotheses)
    scores = {}
    for name, counts in zip(("rouge_1", "rouge_2"), word_ngrams([*hypotheses, *references], 2), strict=True):
        ours, theirs = (np.asarray(part.sum(axis=1)).ravel() for part in (counts[:n], counts[n:]))
        scores[name] = _f(overlap(counts[:n], counts[n:]), ours, theirs, 1.0)
        pairs = theirs.any()
    scores["rouge_l"] = _in_order(hypotheses, references, 1.0)
    if not pairs:
        scores["rouge_2"] = np.full(n, np.nan)
    return mean_part(scores, _has_token(references), {"rouge_2": "no reference has two words"})


def coco_rouge_part(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> Part:
    """`rouge_l_coco` of pairs of token lists."""
    return mean_part({"rouge_l_coco": _in_order(hypotheses, references, COCO_BETA)}, _has_token(references), {})


def common_in_order(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence, a row of the usual table in one number (Hyyrö 2004).

    Bit i of `open` is 0 where the table grows from the i-th to the next word of `first`.
    """
    places: dict[str, int] = {}
    for i, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << i
    every = (1 << len(first)) - 1
    open_ = every
    for word in second:
        here = open_ & places.get(word, 0)
        open_ = (open_ + here | open_ - here) & every
    return len(first) - open_.bit_count()


def _in_order(hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]], beta: float) -> np.ndarray:
    common = [common_in_order(ours, theirs) for ours, theirs in zip(references, hypotheses, strict=True)]
    ours, theirs = (np.array([len(tokens) for tokens in texts]) for texts in (hypotheses, references))
    return _f(np.array(common), ours, theirs, beta)


def _f(shared: np.ndarray, ours: np.ndarray, theirs: np.ndarray, beta: float) -> np.ndarray:
    """F of precision and recall; 0 where nothing is shared."""
    precision, recall = (np.nan_to_num(ratio(shared, of)) for of in (ours, theirs))
    return np.nan_to_num(ratio((1 + beta**2) * precision * recall, recall + beta**2 * precision))


def _has_token(texts: Sequence[Sequence[str]]) -> np.ndarray:
    return np.array([len(tokens) > 0 for tokens in texts])
