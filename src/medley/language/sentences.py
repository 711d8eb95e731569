"""Cut a report or a note into sentences, and know the section each stands in.

A full stop ends a sentence unless it belongs to an abbreviation, a decimal or a list number. A blank line, a list item
and a section header end one too. A single line break does so only where the line is short: reports are often
hard-wrapped at 70 to 80 characters, and a wrapped sentence must stay whole.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WRAP_CHARS = 60  # a longer line without a full stop may go on in the next
INPUT_HEADERS = frozenset({"indication", "history", "comparison", "technique"})  # not a statement about this film
# What stands under these says nothing of this image: what was asked, what was before, what should be done next.
NOT_REPORTED = INPUT_HEADERS | {"recommendation"}

_HEADERS = {
    "findings": "findings",
    "finding": "findings",
    "findings and impression": "findings",
    "impression": "impression",
    "impressions": "impression",
    "conclusion": "impression",
    "conclusions": "impression",
    "opinion": "impression",
    "summary": "impression",
    "recommendation": "recommendation",
    "recommendations": "recommendation",
    "indication": "indication",
    "indications": "indication",
    "clinical indication": "indication",
    "reason for exam": "indication",
    "reason for examination": "indication",
    "reason for study": "indication",
    "history": "history",
    "clinical history": "history",
    "clinical information": "history",
    "medical history": "history",
    "comparison": "comparison",
    "comparisons": "comparison",
    "technique": "technique",
    "procedure": "technique",
    "examination": "technique",
    "exam": "technique",
}
_HEADER = re.compile(
    r"[ \t]*(" + "|".join(sorted(map(re.escape, _HEADERS), key=len, reverse=True)) + r")[ \t]*:[ \t]*", re.IGNORECASE
)
_BREAK = re.compile(
    r"""
    (?P<stop>[.!](?=[\s"')\]]|$)["')\]]*) |      # a full stop; decimals have a digit after it
    (?P<ask>(?<=[A-Za-z0-9)])\?(?=\s|$)) |       # a question mark that follows its word; `? mass` is a hedge
    (?P<blank>\n[ \t]*\n\s*) |
    (?P<item>\n[ \t]*(?=(?:\d{1,2}[.)]|[-*•])[ \t])) |
    (?P<line>\n)
    """,
    re.VERBOSE,
)
_ABBREVIATIONS = frozenset(
    {"dr", "mr", "mrs", "ms", "vs", "e.g", "i.e", "eg", "ie", "approx", "nos", "fig", "a.m", "p.m", "esp", "incl", "cf"}
)
_UNITS = frozenset({"cm", "mm", "hr", "hrs", "yr", "yrs", "wk", "al", "st"})  # these may end a sentence, too
_LAST_WORD = re.compile(r"([A-Za-z0-9.]+)$")


class Sentence(NamedTuple):
    """`text[start:end]`, without its header, in the section whose header came last (None before the first)."""

    start: int
    end: int
    section: str | None


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of `text` in order; they do not overlap, and leave out only white space and section headers."""
    found: list[Sentence] = []
    section: str | None = None
    start = line_start = 0

    def close(end: int) -> None:
        nonlocal section, start
        while header := _HEADER.match(text, start, end):
            section = _HEADERS[" ".join(header[1].lower().split())]
            start = header.end()
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if start < end:
            found.append(Sentence(start, end, section))

    for match in _BREAK.finditer(text):
        kind = match.lastgroup
        if kind == "stop" and _belongs_to_word(text, match.start(), start):
            continue
        if kind == "line":
            wrapped = match.start() - line_start >= WRAP_CHARS
            line_start = match.end()
            if wrapped and not _HEADER.match(text, match.end()):
                continue
        elif kind in ("blank", "item"):
            line_start = match.end()
        close(match.end())
        start = match.end()
    close(len(text))
    return found


def _belongs_to_word(text: str, dot: int, start: int) -> bool:
    """Whether the full stop at `dot` is part of an abbreviation or of a list number, and ends nothing."""
    if text[dot] != ".":
        return False
    word = _LAST_WORD.search(text, start, dot)
    if word is None:
        return False
    if word[1].isdigit() and len(word[1]) <= 2:
        return not text[start : word.start()].strip()  # `2. No effusion`: the number begins its sentence
    low = word[1].lower()
    if low == "no":  # `No. 2` is a number, `Effusion: no.` is an answer
        return text[dot + 1 : dot + 3].strip().isdigit()
    if low in _UNITS:
        return not _starts_sentence(text, dot + 1)
    return low in _ABBREVIATIONS


def _starts_sentence(text: str, at: int) -> bool:
    rest = text[at:].lstrip()
    return not rest or rest[0].isupper()
