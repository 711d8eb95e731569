"""METEOR as NLTK counts it (Lavie and Agarwal 2007): words matched as they are, by stem, and by WordNet's synonyms.

It is not the Java program that most papers ran, which has other weights and paraphrases (Denkowski and Lavie 2014), so
the two are not to be compared. NLTK does the matching; here words are stemmed and looked up once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medley.evaluation.text.part import Part, mean_part
from medley.evaluation.text.stems import Stemmer
from medley.evaluation.text.wordnet import WordNet


def meteor_part(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[str]], scored_N: np.ndarray, wordnet: WordNet
) -> Part:
    """`meteor` of pairs of token lists: the mean of NLTK's `single_meteor_score` with its own defaults."""
    from nltk.translate.meteor_score import single_meteor_score

    stemmer = Stemmer()
    pairs = zip(hypotheses, references, strict=True)
    scores = [single_meteor_score(theirs, ours, stemmer=stemmer, wordnet=wordnet) for ours, theirs in pairs]
    return mean_part({"meteor": np.array(scores)}, scored_N, {})
