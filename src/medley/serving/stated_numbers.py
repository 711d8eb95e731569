"""The percentages that a sentence states of a finding, held to the numbers of the prediction.

A percentage is the probability of its finding unless the words before it say that it is the threshold, or the film
without the note. It belongs to the finding named before it; where the sentence gives numbers first ("5 % effusion,
90 % edema"), to the one behind it. It is as exact as it is written: 90 % stands for 89.5 to 90.5, "about 90 %" for
five points on each side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from medley.language.mentions import Mention
from medley.serving.reasoning import FindingEvidence

_NUMBER = r"(?<![\d.,])\d{1,6}(?:[.,]\d{1,6})?"
_STATED = re.compile(
    rf"""
    (?P<how>\b(?:under|below|less\ than|at\ most|over|above|more\ than|at\ least|about|around|roughly|nearly|some|
        approximately|circa)\ |[<>~≈≤≥]\s*)?
    (?:(?P<low>{_NUMBER})\s*(?:%|per\ ?cent)?\s*(?:-|–|to)\s*)?
    (?P<value>{_NUMBER})\s*(?:%|per\ ?cent\b) |
    \b(?:probability|likelihood|score|confidence|p)\b[^.;%\d]{{0,60}}?(?P<share>[01]?\.\d+)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_THRESHOLD = re.compile(r"threshold|cut-?off", re.IGNORECASE)
_FILM_ALONE = re.compile(r"without (?:the|a) note|(?:film|image|picture)[ -](?:alone|only)", re.IGNORECASE)
_UPPER = ("under", "below", "less than", "at most", "<", "≤")
_LOWER = ("over", "above", "more than", "at least", ">", "≥")
_NEARLY = 0.05


class _Stated(NamedTuple):
    """Probabilities from `low` to `high`, at `start`, as `text` says them; `before` is what leads up to them."""

    low: float
    high: float
    start: int
    text: str
    before: str


def wrong_number(
    text: str, start: int, end: int, mentions: Sequence[Mention], evidence: Mapping[str, FindingEvidence]
) -> str | None:
    """What is wrong with the first percentage in the sentence `text[start:end]` that is not its finding's."""
    stated = list(_stated(text, start, end))
    if not stated or not mentions:
        return None
    numbers_first = stated[0].start < mentions[0].start
    for one in stated:
        before = [mention for mention in mentions if mention.start < one.start]
        behind = [mention for mention in mentions if mention.start > one.start]
        owner = (behind[0] if behind else before[-1]) if numbers_first else before[-1]
        finding = evidence.get(owner.label)
        if finding is not None and not any(one.low <= number <= one.high for number in _numbers(finding, one.before)):
            return f"says {one.text} of {finding.label}, of which the prediction says {finding.probability * 100:.3g} %"
    return None


def _stated(text: str, start: int, end: int) -> Iterator[_Stated]:
    last = start
    for match in _STATED.finditer(text, start, end):
        if match["share"]:
            half = 0.5 * 10.0 ** -len(match["share"].partition(".")[2])
            low, high = float(match["share"]) - half, float(match["share"]) + half
        else:
            first, value = ((match[name] or match["value"]).replace(",", ".") for name in ("low", "value"))
            half = 0.5 * 10.0 ** -len(value.partition(".")[2])
            low, high = (float(first) - half) / 100, (float(value) + half) / 100
            how = (match["how"] or "").strip().lower()
            if how in _UPPER:
                low = 0.0
            elif how in _LOWER:
                high = 1.0
            elif how:
                low, high = low - _NEARLY, high + _NEARLY
        at = match.start("share" if match["share"] else 0)
        said = match["share"] or match[0].strip()
        yield _Stated(low - 1e-9, high + 1e-9, at, said, text[last:at])
        last = match.end()


def _numbers(finding: FindingEvidence, before: str) -> tuple[float, ...]:
    """The numbers of the finding that words like these may lead up to."""
    if _THRESHOLD.search(before):
        found = [finding.threshold]
    elif _FILM_ALONE.search(before):
        found = [finding.probability_image_only]
    else:
        found = [finding.probability, finding.probability_calibrated]
    return tuple(number for number in found if number is not None)
