"""Swap left and right in a text, for a film that is mirrored. Doing it twice gives the text back.

Words ("left-sided", "leftward", "RIGHT"), the usual abbreviations (LLL, RUL, Rt, L, R, LIJ) and dextro-/levo- are
swapped; letter case is kept. Anatomy with one side only (lingula, aortic knob, gastric bubble, dextrocardia) has no
mirrored word and stays: a mirrored film of it is not a film of anybody.
"""

from __future__ import annotations

import re

_PAIRS = {"left": "right", "lt": "rt", "dextroscoliosis": "levoscoliosis", "dextrocurvature": "levocurvature"}
# Second part of an abbreviation that starts with L or R: lobes, zones, quadrants, limbs, veins, chambers.
_PLACES = "UL|LL|ML|UZ|MZ|LZ|UQ|LQ|UE|LE|IJ|SC|V"

_SWAP: dict[str, str] = {}
for _one, _other in _PAIRS.items():
    for _case in (str.lower, str.upper, str.capitalize):
        _SWAP[_case(_one)] = _case(_other)
        _SWAP[_case(_other)] = _case(_one)
for _place in ("", *_PLACES.split("|")):
    _SWAP["L" + _place], _SWAP["R" + _place] = "R" + _place, "L" + _place
    if len(_place) > 1:
        _SWAP["l" + _place.lower()], _SWAP["r" + _place.lower()] = "r" + _place.lower(), "l" + _place.lower()

_BEFORE = r"(?<![A-Za-z0-9])"
_WORD = re.compile(
    _BEFORE
    + "("
    + "|".join(sorted(_SWAP, key=len, reverse=True))
    + r")(?![A-Za-z0-9]|['’](?!s\b)[A-Za-z])"
    + "|"
    + _BEFORE
    + r"(left|right|Left|Right|LEFT|RIGHT)(?=(?:wards?|most|sided|WARDS?|MOST|SIDED)(?![A-Za-z]))"
)
# Not a side: the lumbar spine and its vertebrae, and units.
_SPINE = re.compile(r"[LR](?:-|\s)?(?:spine|\d)")


def swap_sides(text: str) -> str:
    """`text` with left and right exchanged. `swap_sides(swap_sides(text)) == text` for every text."""

    def swap(match: re.Match[str]) -> str:
        word = match[0]
        if len(word) == 1 and _SPINE.match(text, match.start()):
            return word
        return _SWAP[word]

    return _WORD.sub(swap, text)
