"""METEOR with the whole WordNet is that of NLTK on real reports; needs MEDLEY_REAL_DATA, and WordNet at NLTK_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medley.core.seeds import generator
from medley.evaluation.text import text_statistics
from medley.evaluation.text.ptb import tokenize
from medley.evaluation.text.wordnet import INSIDE

PAIRS = 500


@pytest.mark.filterwarnings("ignore:The multilingual functions")
def test_meteor_of_open_i_findings(real_data):
    from nltk.corpus.reader.wordnet import WordNetCorpusReader
    from nltk.translate.meteor_score import single_meteor_score

    folder = Path(os.environ.get("NLTK_DATA", ""))
    if not (folder / INSIDE).is_dir():
        pytest.skip("NLTK_DATA names no folder of WordNet; medley doctor --wordnet DIR makes one")

    class English(WordNetCorpusReader):
        def map_wn(self, version="wordnet"):
            """Not between versions: there is one."""

    table = pl.read_parquet(real_data / "cxr_reports/openi_reports.parquet", columns=["findings"])
    texts = [text for text in table["findings"] if text]
    drawn = [texts[i] for i in generator("meteor pairs").permutation(len(texts))[: 2 * PAIRS]]
    said, right = drawn[:PAIRS], drawn[PAIRS:]
    ours = text_statistics(said, right, wordnet=folder).by_report()["meteor"]
    wordnet = English(str(folder / INSIDE), None)
    pairs = [(tokenize(theirs), tokenize(one)) for one, theirs in zip(said, right, strict=True)]
    scores = np.array([single_meteor_score(*pair, wordnet=wordnet) for pair in pairs])
    assert np.abs(ours - scores).max() < 1e-6

    class Silent:
        def synsets(self, word):
            return []

    without = np.array([single_meteor_score(*pair, wordnet=Silent()) for pair in pairs])
    assert (scores > without + 1e-6).mean() > 0.05  # the synonyms of one in twelve pairs count
