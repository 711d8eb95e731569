"""Find the phrases of a vocabulary in a sentence: one walk over the words, longest phrase first.

A vocabulary is written in shorthand, `pleural {effusion|effusions}`, and kept as a tree of words, so that its size does
not matter to the time it takes. Hyphens part words (`air-space` = `air space`); letter case does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

_BRACES = re.compile(r"\{([^{}]*)\}")
_TOKEN = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+(?:\.[0-9]+)?|[,;:?()/>]")
_END = ""  # key of a tree node's term: no word is empty


class Token(NamedTuple):
    """A word or a punctuation mark, in lower case, with its place in the text."""

    word: str
    start: int
    end: int


class Term(NamedTuple):
    """What a phrase is: its kind (finding, negation, side, ...) and what it stands for."""

    kind: str
    value: Any = None


class Mark(NamedTuple):
    """A phrase found: its term, and the half-open range of its tokens."""

    term: Term
    first: int
    last: int


def expand(shorthand: str) -> list[str]:
    """Every phrase that a shorthand stands for: `{a|b} c{s|}` gives `a c`, `a cs`, `b c`, `b cs`-like variants.

    >>> expand("{big|} heart{s|}")
    ['big hearts', 'big heart', 'hearts', 'heart']
    """
    braces = _BRACES.search(shorthand)
    if braces is None:
        return [" ".join(shorthand.split())]
    before, after = shorthand[: braces.start()], shorthand[braces.end() :]
    return [phrase for choice in braces[1].split("|") for phrase in expand(before + choice + after)]


def lower(text: str) -> str:
    """Lower case of the same length: offsets stay true (`İ`.lower() has two characters)."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def tokens(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """Words and punctuation of `text[start:end]`, which must be lower case already; offsets are those of `text`."""
    found = _TOKEN.finditer(text, start, len(text) if end is None else end)
    return [Token(match[0], match.start(), match.end()) for match in found]


def overlaid(entries: Iterable[tuple[str, Term]], ours: Iterable[tuple[str, Term]]) -> list[tuple[str, Term]]:
    """The entries of a vocabulary with `ours`; where both know a phrase, ours has it."""
    ours = list(ours)
    known = {phrase for shorthand, _ in ours for phrase in expand(shorthand)}
    kept = [(phrase, term) for shorthand, term in entries for phrase in expand(shorthand) if phrase not in known]
    return kept + ours


class Vocabulary:
    """A tree of phrases. A phrase with two meanings is a mistake of ours and is refused."""

    def __init__(self, entries: Iterable[tuple[str, Term]]):
        self._tree: dict = {}
        for shorthand, term in entries:
            for phrase in expand(shorthand):
                self._add(phrase, term)

    def _add(self, phrase: str, term: Term) -> None:
        node = self._tree
        for word in tokens(phrase):
            node = node.setdefault(word.word, {})
        assert node is not self._tree, f"an empty phrase for {term}"
        assert node.get(_END, term) == term, f"'{phrase}' is both {node[_END]} and {term}"
        node[_END] = term

    def marks(self, words: list[Token]) -> list[Mark]:
        """Every phrase in the words, from left to right, longest first, none overlapping another."""
        found: list[Mark] = []
        tree, first, count = self._tree, 0, len(words)
        while first < count:
            node = tree.get(words[first].word)
            longest, term = first, None
            last = first
            while node is not None:
                last += 1
                if _END in node:
                    longest, term = last, node[_END]
                node = node.get(words[last].word) if last < count else None
            if term is None:
                first += 1
            else:
                found.append(Mark(term, first, longest))
                first = longest
        return found
