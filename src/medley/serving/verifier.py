"""Hold a text to a prediction: take out every sentence that says what the prediction does not.

Works on our own differential and on any language model's prose. It reads the text with `language.find_mentions`, so it
knows "no effusion" from "effusion", and it only deletes: it never rewrites a sentence into a true one. What a text
repeats of the patient's history (sections INDICATION, HISTORY, COMPARISON, TECHNIQUE) claims nothing of this film.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medley.core.labels import NO_FINDING
from medley.language.beyond import MEANT
from medley.language.chest import HINTS, IMPLIES
from medley.language.mentions import ABSENT, PRESENT, Mention, find_mentions
from medley.language.sentences import INPUT_HEADERS, split_sentences
from medley.serving.reasoning import LIKELY, POSSIBLE, UNLIKELY, FindingEvidence, clean_token
from medley.serving.stated_numbers import wrong_number

_QUOTED = re.compile(r"“([^“”]*)”")
_NOTELESS = re.compile(r"without (?:the|a|any) note", re.IGNORECASE)  # denies a note, and no finding


@dataclass(frozen=True)
class Removed:
    """A sentence that was taken out, and why."""

    sentence: str
    reason: str


@dataclass(frozen=True)
class Verified:
    """`faithfulness` is the share of sentences with a claim that were kept; None where no sentence made one."""

    text: str
    removed: tuple[Removed, ...]
    faithfulness: float | None


def verify(text: str, findings: Sequence[FindingEvidence]) -> Verified:
    """The text without the sentences that the prediction does not bear out.

    A sentence goes when it names a finding or a disease that the prediction does not hold, says one is there or
    possible that the prediction calls unlikely, denies one that reaches its threshold, calls the film normal beside
    one, puts one on another side than its heat map (or on both, where the map lies on one), or gives it a percentage
    that is not its own. Words of the note, quoted in “ ”, are no claims.
    """
    evidence = {finding.label: finding for finding in findings}
    tokens = {token for finding in findings for token in map(clean_token, finding.top_note_tokens)}
    readable = _QUOTED.sub(lambda m: " " * len(m[0]) if m[1] in tokens else m[0], text)
    claims_only = _NOTELESS.sub(lambda m: " " * len(m[0]), readable)
    mentions = [one for one in find_mentions(claims_only, wide=True) if one.section not in INPUT_HEADERS]
    kept, removed, claims = [], [], 0
    last = 0
    for sentence in split_sentences(readable):
        inside = [mention for mention in mentions if sentence.start <= mention.start < sentence.end]
        claims += bool(inside)
        reason = next(filter(None, (_objection(mention, evidence) for mention in inside)), None)
        reason = reason or wrong_number(readable, sentence.start, sentence.end, inside, evidence)
        if reason is None:
            kept.append(text[last : sentence.end])
        else:
            kept.append(text[last : sentence.start])
            removed.append(Removed(text[sentence.start : sentence.end], reason))
        last = sentence.end
    kept.append(text[last:])
    left = "".join(kept) if not removed else _tidy("".join(kept))
    return Verified(left, tuple(removed), (claims - len(removed)) / claims if claims else None)


def _objection(mention: Mention, evidence: Mapping[str, FindingEvidence]) -> str | None:
    """Why the prediction does not bear this mention out; None where it does."""
    if mention.label == NO_FINDING:
        standing = [f.label for f in evidence.values() if f.label not in (NO_FINDING, "Support Devices") and _stands(f)]
        if mention.polarity == PRESENT and standing:
            return f"calls the film normal, and the prediction holds {', '.join(standing)}"
        return None
    finding = _meant(mention.label, evidence)
    if finding is None:
        return f"names {mention.label}, of which the prediction says nothing"
    if mention.polarity == ABSENT:
        if finding.label != mention.label:
            return None  # "no nodule" does not deny a mass
        elsewhere = _elsewhere(mention.side, finding.side)  # healthy on one side says nothing of the other
        only_large = mention.severity == "severe"  # "no large effusion" leaves room for a small one
        if _stands(finding) and not elsewhere and not only_large:
            return f"denies {finding.label}, which the prediction calls {finding.band}"
        return None
    if finding.band == UNLIKELY:
        return f"claims {mention.label}, which the prediction calls unlikely"
    if mention.side is not None and finding.side in ("left", "right") and finding.side != mention.side:
        where = "both sides" if mention.side == "bilateral" else f"the {mention.side}"
        return f"puts {finding.label} on {where}, and its heat map lies on the {finding.side}"
    return None


def _meant(label: str, evidence: Mapping[str, FindingEvidence]) -> FindingEvidence | None:
    """What the prediction holds of this label or, where it lacks it, of what the label implies, hints at or may mean.

    Of several the likeliest: a word with two meanings is borne out by either.
    """
    if label in evidence:
        return evidence[label]
    names = (*IMPLIES.get(label, ()), *HINTS.get(label, ()), *MEANT.get(label, ()))
    known = [evidence[name] for name in names if name in evidence]
    ranks = (UNLIKELY, POSSIBLE, LIKELY)
    return max(known, key=lambda finding: (ranks.index(finding.band), finding.probability), default=None)


def _elsewhere(denied: str | None, found: str | None) -> bool:
    """Whether to deny a finding on this side leaves room for it where it was found."""
    if denied == "bilateral":
        return found in ("left", "right")
    return denied is not None and found not in (denied, "bilateral")


def _stands(finding: FindingEvidence) -> bool:
    return finding.band == LIKELY or (finding.band != UNLIKELY and finding.positive)


def _tidy(text: str) -> str:
    lines = (re.sub(r"[ \t]{2,}", " ", line).strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
