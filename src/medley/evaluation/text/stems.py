"""Porter's stems as NLTK and rouge-score cut them, each word once: reports have few words and many of each."""

from __future__ import annotations

from functools import cache
from typing import Any


class Stemmer:
    """What NLTK and rouge-score take for a stemmer."""

    def stem(self, word: str) -> str:
        """The stem of a word."""
        return _stem(word)


@cache
def _stem(word: str) -> str:
    return _porter().stem(word)


@cache
def _porter() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()
