"""One is not many, and none is."""

from __future__ import annotations

import pytest

from medley.core.counts import counted


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "study", "1 study"),
        (0, "study", "0 studies"),
        (2, "study", "2 studies"),
        (3, "day", "3 days"),
        (2, "box", "2 boxes"),
        (1, "class", "1 class"),
        (5, "class", "5 classes"),
        (4, "test case", "4 test cases"),
    ],
)
def test_a_count_agrees_with_its_noun(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said
