"""Which words are held against which: the sections of predictions, each by itself and all of them joined.

A reference that lacks a section says nothing about it, so such a study is not in that section's numbers, which say how
many are. A hypothesis that lacks what its reference has is an empty one, and a miss.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from medley.core.records import Prediction

ORDER = ("findings", "impression", "report")  # in which sections are joined; others follow by name
APART = ("findings", "impression")  # sections that have numbers of their own


class Texts(NamedTuple):
    """What was said and what should have been, one text a study; empty where there is none."""

    hypotheses: list[str]
    references: list[str]


def texts_of(predictions: Sequence[Prediction]) -> dict[str, Texts]:
    """Prefix of the metric names -> texts: `""` all sections joined, and `findings/`, `impression/`.

    A section stands by itself where some hypothesis and some reference have it.
    """
    texts = {
        "": Texts([joined(each.hypothesis) for each in predictions], [joined(each.reference) for each in predictions])
    }
    for section in APART:
        apart = Texts(
            [each.hypothesis.get(section, "") for each in predictions],
            [each.reference.get(section, "") for each in predictions],
        )
        if any(text.strip() for text in apart.hypotheses) and any(text.strip() for text in apart.references):
            texts[f"{section}/"] = apart
    return texts


def joined(sections: Mapping[str, str]) -> str:
    """The sections that hold a word, one after the other, findings first."""
    return "\n".join(sections[name].strip() for name in in_order(sections) if sections[name].strip())


def in_order(names: Collection[str]) -> list[str]:
    """Findings before impression, what else there is by its name behind them."""
    return [*(name for name in ORDER if name in names), *sorted(set(names) - set(ORDER))]
