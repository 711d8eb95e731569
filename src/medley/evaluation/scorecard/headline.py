"""The first line of a scorecard, in words: the one thing to read of it."""

from __future__ import annotations

from medley.evaluation.scorecard.card import Scorecard
from medley.evaluation.scorecard.looks import look_of


def headline(card: Scorecard) -> str:
    """What the system scored, and whether that beats each floor."""
    return look_of(card.task).headline(card)
