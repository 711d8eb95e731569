"""Likeness of words: BLEU, ROUGE, METEOR, CIDEr, chrF and BERTScore, each from what every report brings to it."""

from medley.evaluation.text.sections import Texts, joined, texts_of
from medley.evaluation.text.statistics import METRICS, TextStatistics, pooled, text_statistics, versions

__all__ = ["METRICS", "TextStatistics", "Texts", "joined", "pooled", "text_statistics", "texts_of", "versions"]
