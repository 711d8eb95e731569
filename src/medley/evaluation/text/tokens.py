"""How a text becomes tokens. A BLEU or CIDEr without the name of its tokens is no number: the choice moves it.

| name | what it is | who uses it |
|---|---|---|
| `coco` | Penn Treebank words, lower case, no punctuation (`ptb.py`) | the COCO tools, so most papers |
| `13a` | sacrebleu's default: case and punctuation count | machine translation |

ROUGE has its own (lower-case letters and digits, Porter's stems), chrF reads characters, BERTScore word pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from medley.core.errors import choose
from medley.evaluation.text import ptb
from medley.evaluation.text.stems import Stemmer

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # and halves of characters

Tokenizer = Callable[[str], Sequence[str]]


def clean(text: str) -> str:
    """The text with a space for every control character and every half of a broken character; else as it is."""
    return _CONTROL.sub(" ", text)


def tokenizer(name: str) -> Tokenizer:
    """The tokenizer of that name. Raises MedleyError for an unknown one, naming the nearest."""
    return choose(name, TOKENIZERS, "tokenizer")


def rouge_tokens(text: str) -> list[str]:
    """The tokens of rouge-score with its stemmer: words of more than three letters are cut to Porter's stem."""
    from rouge_score.tokenize import tokenize

    return tokenize(text, Stemmer())


def _of_sacrebleu(text: str) -> list[str]:
    return _tokenizer_13a()(text.rstrip()).split()


@cache
def _tokenizer_13a() -> Callable[[str], str]:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()


TOKENIZERS: dict[str, Tokenizer] = {"coco": ptb.tokenize, "13a": _of_sacrebleu}
