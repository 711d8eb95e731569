"""Swapping left and right: every way reports write them, and twice is the identity."""

from __future__ import annotations

import pytest

from medley.core.seeds import generator
from medley.language.mentions import find_mentions
from medley.language.sides import swap_sides


@pytest.mark.parametrize(
    ("text", "mirrored"),
    [
        ("Small left pleural effusion.", "Small right pleural effusion."),
        ("LEFT-sided, Right lower lobe", "RIGHT-sided, Left lower lobe"),
        ("LLL opacity, RUL nodule, rml", "RLL opacity, LUL nodule, lml"),
        ("leftward shift, rightmost", "rightward shift, leftmost"),
        ("L lung; R/L; Lt. base", "R lung; L/R; Rt. base"),
        ("RIJ line", "LIJ line"),
        ("levoscoliosis", "dextroscoliosis"),
        ("left's", "right's"),
        ("left_lung left/right", "right_lung right/left"),
        ("L5 and the L-spine; L 4", "L5 and the L-spine; L 4"),
        ("brightly rightly leftover upright copyright", "brightly rightly leftover upright copyright"),
        ("bilateral, both", "bilateral, both"),
    ],
)
def test_swap(text: str, mirrored: str) -> None:
    assert swap_sides(text) == mirrored
    assert swap_sides(mirrored) == text


def test_twice_is_the_identity_for_any_text() -> None:
    pieces = [
        "left",
        "Right",
        "LEFT",
        "leFt",
        "L",
        "R",
        "rll",
        "LUL",
        "-",
        " ",
        "ward",
        "sided",
        "spine",
        "5",
        "'s",
        "_",
        "/",
        "é",
        "lt",
        "x",
    ]
    for seed in range(2000):
        random = generator("sides", seed)
        text = "".join(pieces[i] for i in random.integers(len(pieces), size=int(random.integers(1, 9))))
        assert swap_sides(swap_sides(text)) == text, text


def test_the_mirrored_text_is_read_on_the_other_side() -> None:
    text = "Left-sided effusion. RUL consolidation. Opacity at the left base. Bibasilar atelectasis."
    other = {"left": "right", "right": "left", "bilateral": "bilateral"}
    before = [(m.label, m.zone, m.side) for m in find_mentions(text)]
    after = [(m.label, m.zone, m.side) for m in find_mentions(swap_sides(text))]
    assert after == [(label, zone, other[side]) for label, zone, side in before]
