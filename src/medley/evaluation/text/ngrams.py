"""How often each run of n tokens stands in each text, as sparse matrices: what BLEU, ROUGE, CIDEr and chrF count.

Dictionaries of tuples are what makes the reference tools slow. Here tokens are numbers, a run of n is its first n - 1
and its last, numbered anew, and all texts are counted at once.

Shapes: T tokens of all texts, D texts, G distinct runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array


def word_ngrams(texts: Sequence[Sequence[str]], longest: int) -> Iterator[csr_array]:
    """For n = 1 … longest, the counts [D, G] of every run of n words within each text."""
    import pyarrow as pa

    words = pa.array([word for text in texts for word in text], pa.string())
    return _ngrams(_numbered(words), [len(text) for text in texts], longest)


def character_ngrams(texts: Sequence[str], longest: int) -> Iterator[csr_array]:
    """The same of characters; texts without surrogates."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    return _ngrams(_numbered(codes), [len(text) for text in texts], longest)


def overlap(first: csr_array, second: csr_array) -> np.ndarray:
    """How many runs each pair of texts shares, each counted as often as it stands in both [D]."""
    return np.asarray(first.minimum(second).sum(axis=1)).ravel()


def _ngrams(tokens_T: np.ndarray, lengths: Sequence[int], longest: int) -> Iterator[csr_array]:
    lengths_D = np.asarray(lengths, int)
    left_T = np.repeat(np.cumsum(lengths_D), lengths_D) - np.arange(len(tokens_T))  # tokens from here to the text's end
    distinct = int(tokens_T.max(initial=0)) + 1
    starts, runs = np.arange(len(tokens_T)), tokens_T
    for n in range(1, longest + 1):
        if n > 1:
            inside = left_T[starts] >= n
            starts = starts[inside]
            runs = _numbered(runs[inside] * distinct + tokens_T[starts + n - 1])
        fits_D = np.maximum(lengths_D - n + 1, 0)
        rows = np.r_[0, np.cumsum(fits_D)]
        counts = csr_array(
            (np.ones(len(runs)), runs.copy(), rows), shape=(len(lengths_D), int(runs.max(initial=-1)) + 1)
        )
        counts.sum_duplicates()
        yield counts


def _numbered(values: object) -> np.ndarray:
    """Each value's number: equal values, equal numbers, from 0 without a gap."""
    import pyarrow as pa

    array = values if isinstance(values, pa.Array) else pa.array(values)
    return array.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
