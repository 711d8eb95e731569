"""The tokens of the COCO caption tools, without Java: Penn Treebank words in lower case, without punctuation.

BLEU, ROUGE-L and CIDEr of most published report generators were counted on what Stanford's PTBTokenizer 3.4.1 makes of
a text, in lower case, less a list of punctuation marks (Chen et al. 2015, arXiv 1504.00325). These are its rules as far
as reports need them, found by asking it; docs/scores.md says on how many real reports the tokens are the same. Its
quirks are kept, such as brackets that stay, as `-lrb-`, because the list of marks has them in capitals.
"""

from __future__ import annotations

import re
from functools import lru_cache

MARKS = frozenset({"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"})  # no tokens

_SPELLED = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_SPELLED |= dict.fromkeys("–—", "--") | dict.fromkeys('“”"', "''") | dict.fromkeys("‘’", "'") | {"…": "..."}
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": "''", "&apos;": "'"}

# which words keep their full stop: in any case, only with a capital, only before a number
_ABBREVIATIONS = (
    "jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tues?|wed|thurs?|thu|fri|mrs?|ms|messrs|drs?|prof|st|jr|sr|inc|"
    "ltd|cos?|corp|bros|vs|etc|al|gen|col|lt|sgt|capt|cmdr|adm|rep|sen|gov|pres|ave|blvd|rd|ft|mt|ph|dept|est|cf|assn|"
    "assoc|univ|ala|ariz|calif|colo|conn|ct|fla|ga|ind|kans?|ky|mich|minn|mo|mont|neb|nev|okla|penn|tenn|va|vt|wisc?|"
    "wyo|md|dak|pvt|seq|hon|rev|tel|ext|intl|invt|natl|plc|ad[jv]|maj|brig|insp|msgr|supts?|bldg|cpl|pfc"
)
_WITH_CAPITAL = "Ark|Del|Ill|La|Mass|Miss|Ore|Pa|Tex|Wash|Az"
_BEFORE_NUMBER = "nos?|figs?|ca|art|pp|op"

_BEGINNINGS = frozenset(
    re.findall(r"\w+", "A An And As At But For From He I If In It On She That The There These They This We")
)

_CLITIC = r"(?i:n't|'(?:s|m|d|re|ve|ll))(?!\w)"
_JOINED = r"[^\W_]+(?:(?:[-/&_]|(?<=[^\W\d_])\.(?=[^\W\d_])|(?<=\b[OoDd])'(?=[^\W\d_]{2}))[^\W_]+)*"
_TOKEN = re.compile(
    rf"""
      (?<!<)</?[A-Za-z][^<>\s]*>                                     # <br>
    | &(?:lt|gt|amp|quot|apos);
    | (?:https?://|www\.)[^\s<>"]+ | [\w.]+@\w+(?:\.\w+)+
    | {_CLITIC} | '\d0s\b
    | (?:[^\W\d_]\.){{2,}}(?!\w) | \b[^\W\d_]\.(?![^\W\d_]|\s+[A-Z])    # initials; a letter alone not before a sentence
    | \b(?:(?i:{_ABBREVIATIONS}|ph\.d)|{_WITH_CAPITAL}|{_WITH_CAPITAL.upper()}|(?i:{_BEFORE_NUMBER})(?=\.\s+\d))\.(?!\w)
    | [^\W_]+?(?={_CLITIC})
    | (?:[-+]?\d+(?:[.,:]\d+)+|[-+]?[.,]\d+(?:[.,:]\d+)*)(?:-\d+)?   # 3.5, 1,000, 10:30; 3.5-4 is one, too
    | (?<![^\W_])[-+]\d+(?![^\W_])
    | {_JOINED}
    | << | >> | __+ | [?!]{{2,}} | \.{{3}} | '' | `` | \*+
    | \S
    """,
    re.VERBOSE,
)
_TWO_WORDS = {"cannot": ("can", "not"), "gonna": ("gon", "na"), "gotta": ("got", "ta"), "wanna": ("wan", "na")}


def tokenize(text: str) -> list[str]:
    """The tokens of a text; none for a text of punctuation alone. Signs beyond Unicode's first plane are none."""
    pieces = text.replace("’", "'").split()
    tokens: list[str] = []
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=False):
        after = "0" if following[:1].isdigit() else "A" if following in _BEGINNINGS else "a"
        tokens += _tokens(piece, after)
    return tokens


@lru_cache(2**16)
def _tokens(piece: str, after: str) -> tuple[str, ...]:
    """The tokens of what stands between two spaces; `after` is 0 before a number, A before a sentence."""
    tokens: list[str] = []
    for match in _TOKEN.finditer(f"{piece} {after}"):
        if match.start() >= len(piece):
            break
        token = _ENTITIES.get(match.group()) or _SPELLED.get(match.group()) or match.group().lower()
        if token not in MARKS and not (len(token) == 1 and ord(token) > 0xFFFF):
            tokens += _TWO_WORDS.get(token, (token,))
    return tuple(tokens)
