"""A free-text radiology report -> its sections, input and target kept strictly apart.

Written before the film was read (may be model input): INDICATION, REASON FOR EXAM -> `indication`; HISTORY, CLINICAL
INFORMATION -> `history`. Written from the film (target only): FINDINGS, IMPRESSION, CONCLUSION, and FINDINGS AND
IMPRESSION -> `report`. An input section is one paragraph, and ends at anything that looks like a header (a view name,
a wet read) and at the first sentence that describes the film without one (`film_talk`); a target ends only at a header
of the table below, because dictated findings often hold sub-headings (`PA AND LATERAL VIEWS OF THE CHEST:`).
Comparison, technique, addenda and wet reads are dropped.
"""

from __future__ import annotations

import re

from medley.core.records import INPUT_SECTIONS, TARGET_SECTIONS
from medley.data.readers.film_talk import before_the_film

_SECTION = {
    "FINDINGS AND IMPRESSION": "report",
    "FINDINGS/IMPRESSION": "report",
    "IMPRESSION/FINDINGS": "report",
    "FINDINGS": "findings",
    "FINDING": "findings",
    "IMPRESSION": "impression",
    "IMPRESSIONS": "impression",
    "CONCLUSION": "impression",
    "CONCLUSIONS": "impression",
    "INTERPRETATION": "impression",
    "OPINION": "impression",
    "REPORT": "report",
    "CLINICAL INDICATION": "indication",
    "INDICATION": "indication",
    "INDICATIONS": "indication",
    "REASON FOR EXAM": "indication",
    "REASON FOR EXAMINATION": "indication",
    "REASON FOR STUDY": "indication",
    "REASON FOR THE EXAM": "indication",
    "REASON FOR THIS EXAMINATION": "indication",
    "CLINICAL HISTORY": "history",
    "CLINICAL INFORMATION": "history",
    "PATIENT HISTORY": "history",
    "MEDICAL HISTORY": "history",
    "HISTORY": "history",
    "INDICATION/HISTORY": "history",
    "HISTORY/INDICATION": "history",
}
_DROPPED = (
    "EXAMINATION",
    "EXAM",
    "STUDY",
    "PROCEDURE",
    "TECHNIQUE",
    "COMPARISON",
    "COMPARISONS",
    "COMPARISON/TECHNIQUE",
    "TYPE",
    "ADDENDUM",
    "NOTIFICATION",
    "NOTIFICATIONS",
    "RECOMMENDATION",
    "RECOMMENDATIONS",
    "RECOMMENDATION(S)",
    "DOSE",
    "SUPERVISOR",
    "WET READ",
    "PRELIMINARY REPORT",
    "FINAL REPORT",
    "FINAL ADDENDUM",
)
_KNOWN = sorted([*_SECTION, *_DROPPED], key=len, reverse=True)
_NAMES = "|".join(re.escape(name) for name in _KNOWN)
# At a line's start, or behind a full stop or the like, in any letter case ("Cough. Findings: ..."); behind any word in
# capitals or, for what is written from the film, with a capital ("Cough Findings: ..."); in capitals alone in a line.
_FROM_FILM = "|".join(re.escape(name).capitalize() for name in _KNOWN if _SECTION.get(name) in TARGET_SECTIONS)
_HEADER = re.compile(
    rf"(?:^[ \t]*(?i:({_NAMES}))|(?<=[.;,?!)])\s*(?i:({_NAMES}))|(?<=\s)({_NAMES}|{_FROM_FILM}))[ \t]*:"
    rf"|^[ \t]*({_NAMES})[ \t]*$",
    re.MULTILINE,
)
# Any other header: where a line or a sentence begins, capitals up to a colon, or words of a view up to one; and the
# name of a target in any place and case.
_LOOKS_LIKE_HEADER = re.compile(
    r"(?:(?:^|\n)[ \t]*|(?<=[.;])\s+)(?:[A-Z][A-Z0-9 ,/&()'.-]{3,60}:"
    r"|(?i:(?:single|portable|upright|supine|frontal|lateral|ap|pa|two|one)\b[^.:;\n]{0,80}"
    r"\b(?:chest|views?|radiographs?|films?)\b[^.:;\n]{0,80}:))"
    rf"|\b(?i:{_FROM_FILM})[ \t]*:"
)
_PARAGRAPH = re.compile(r"\n[ \t]*\n")


def strip_blanks(text: str) -> str:
    """De-identified blanks (`___`) and runs of space taken out."""
    return " ".join(re.sub(r"_{2,}", " ", text).split())


def parse_report(text: str) -> dict[str, str]:
    """section -> text, with only the sections that a Case may hold; what the report lacks is left out."""
    found: dict[str, list[str]] = {}
    headers = list(_HEADER.finditer(text))
    for number, header in enumerate(headers):
        section = _SECTION.get(next(name for name in header.groups() if name).upper())
        if section is None:
            continue
        body = text[header.end() : headers[number + 1].start() if number + 1 < len(headers) else len(text)]
        if section in INPUT_SECTIONS:
            body = _LOOKS_LIKE_HEADER.split(_PARAGRAPH.split(body.strip(), maxsplit=1)[0], maxsplit=1)[0]
            body = before_the_film(body)
        body = strip_blanks(body)
        if body and body not in found.setdefault(section, []):
            found[section].append(body)
    return {section: " ".join(parts) for section, parts in found.items() if parts}
