"""Hold a text to a prediction: take out every sentence that says what the prediction does not.

Works on our own differential and on any language model's prose. It reads the text with `language.find_mentions`, so it
knows "no effusion" from "effusion", and it only deletes: it never rewrites a sentence into a true one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medley.core.labels import NO_FINDING
from medley.language.chest import HINTS, IMPLIES
from medley.language.mentions import ABSENT, PRESENT, Mention, find_mentions
from medley.language.sentences import split_sentences
from medley.serving.reasoning import LIKELY, UNLIKELY, FindingEvidence, clean_token

_QUOTED = re.compile(r"“([^“”]*)”")


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

    A sentence goes when it names a finding that the prediction does not hold, says one is there or possible that the
    prediction calls unlikely, denies one that reaches its threshold, calls the film normal beside one, or puts one on
    the other side than its heat map. Words of the note, quoted in “ ”, are no claims.
    """
    evidence = {finding.label: finding for finding in findings}
    tokens = {token for finding in findings for token in map(clean_token, finding.top_note_tokens)}
    readable = _QUOTED.sub(lambda m: " " * len(m[0]) if m[1] in tokens else m[0], text)
    mentions = find_mentions(readable)
    kept, removed, claims = [], [], 0
    last = 0
    for sentence in split_sentences(readable):
        inside = [mention for mention in mentions if sentence.start <= mention.start < sentence.end]
        claims += bool(inside)
        reason = next(filter(None, (_objection(mention, evidence) for mention in inside)), None)
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
    names = (mention.label, *IMPLIES.get(mention.label, ()), *HINTS.get(mention.label, ()))
    known = [name for name in names if name in evidence]
    if not known:
        return f"names {mention.label}, of which the prediction says nothing"
    finding = evidence[known[0]]
    one_sided = mention.side in ("left", "right")
    if mention.polarity == ABSENT:
        if finding.label != mention.label:
            return None  # "no nodule" does not deny a mass
        elsewhere = one_sided and finding.side != mention.side  # healthy on one side says nothing of the other
        only_large = mention.severity == "severe"  # "no large effusion" leaves room for a small one
        if _stands(finding) and not elsewhere and not only_large:
            return f"denies {finding.label}, which the prediction calls {finding.band}"
        return None
    if finding.band == UNLIKELY:
        return f"claims {mention.label}, which the prediction calls unlikely"
    if one_sided and finding.side in ("left", "right") and finding.side != mention.side:
        return f"puts {finding.label} on the {mention.side}, and its heat map lies on the {finding.side}"
    return None


def _stands(finding: FindingEvidence) -> bool:
    return finding.band == LIKELY or (finding.band != UNLIKELY and finding.positive)


def _tidy(text: str) -> str:
    lines = (re.sub(r"[ \t]{2,}", " ", line).strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
