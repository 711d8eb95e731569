"""What the probes of check 2 see of a note: its words, its outside, or a frozen BERT's reading of it.

Shapes: N notes, F features.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_BERT_BATCH = 32


def words_of(texts: Sequence[str]) -> Any:
    """TF-IDF of 1 to 3 words, punctuation being a word too; for texts that are `marked`."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rare = 3 if len(texts) >= 200 else 1
    return TfidfVectorizer(ngram_range=(1, 3), min_df=rare, token_pattern=r"\w+|[^\w\s]")


def marked(texts: Sequence[str]) -> list[str]:
    """The texts behind a mark that all share, so that there is a word even where none stands in three notes."""
    return [f"^ {text or 'no note at all'}" for text in texts]


def outside(texts: Sequence[str]) -> np.ndarray:
    """What can be seen of a note without reading it, float [N, F]: lengths, counts of marks, letter case."""
    rows = []
    for text in texts:
        letters = sum(character.isalpha() for character in text)
        marks = [text.count(mark) for mark in string.punctuation]
        upper, digits = sum(map(str.isupper, text)), sum(map(str.isdigit, text))
        words = text.split()
        shape = [len(text), len(words), letters / max(1, len(words)), upper / max(1, letters), digits]
        rows.append([float(bool(text)), float(text[:1].isupper()), *shape, *marks])
    return np.log1p(np.array(rows, float))


def frozen_bert(folder: Path | str, texts: Sequence[str]) -> np.ndarray:
    """Mean token state [N, F] of each text under a BERT that nothing trains. Raises MedleyError if it cannot load."""
    import torch
    from transformers import AutoTokenizer

    from medley.encoders.text import build_text, describe_text

    tower = build_text(describe_text(str(folder)), pretrained=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    states = []
    with torch.inference_mode():
        for at in range(0, len(texts), _BERT_BATCH):
            some = list(texts[at : at + _BERT_BATCH])
            batch = tokenizer(some, return_tensors="pt", padding=True, truncation=True, max_length=256)
            mask_BL = batch["attention_mask"]
            tokens_BLD = tower(batch["input_ids"], mask_BL.bool())
            pooled = (tokens_BLD * mask_BL[..., None]).sum(1) / mask_BL.sum(1, keepdim=True).clamp(min=1)
            states.append(pooled.float().numpy())
    return np.concatenate(states)
