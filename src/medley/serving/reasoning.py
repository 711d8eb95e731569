"""The differential in words, made only from a prediction: it explains what the model gave out, not the patient.

    evidence = gather_evidence(scores, thresholds, image_only=..., zones=..., note_tokens=...)
    print(differential(evidence).text)

Every sentence is a reading of numbers that are in the prediction: probability and band, where the heat map lies, what
the note added, what in the same prediction speaks against, and at which number the verdict would change. No sentence
claims that one of these caused another. `verifier.verify` holds this text, or anybody's, to the same prediction.

Bands compare odds with the threshold's odds: `likely` from twice, `possible` from half, else `unlikely`. A label whose
threshold could not be fitted is read against 0.5, and its line says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medley.core.errors import MedleyError, nearest
from medley.core.labels import HIERARCHY, NO_FINDING

HEADLINE = (
    "Explanation of model outputs, not a diagnosis: each line restates numbers of this prediction and claims no cause."
)
LIKELY, POSSIBLE, UNLIKELY = "likely", "possible", "unlikely"
_BAND_ODDS = 2.0
_NOTE_MATTERS = 0.02  # a smaller change by the note is called none
_TOKEN_CHARS = 24
UNFITTED = 0.5


@dataclass(frozen=True)
class FindingEvidence:
    """What one prediction says of one label. Probabilities in [0, 1]; what is not known is None or empty."""

    label: str
    probability: float
    threshold: float | None  # None where dev had too few positives to fit one
    band: str  # likely | possible | unlikely
    probability_image_only: float | None = None  # what the film alone gives
    probability_calibrated: float | None = None  # None where no calibration was fitted
    delta_from_note: float | None = None  # probability minus the probability without the note; None without one
    zone: str | None = None  # from the heat map: `zones.zone_of`
    top_note_tokens: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    @property
    def positive(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= (UNFITTED if self.threshold is None else self.threshold)

    @property
    def side(self) -> str | None:
        """The patient's side of the zone: left, right, bilateral, or None."""
        word = (self.zone or "").partition(" ")[0]
        return {"left": "left", "right": "right", "both": "bilateral"}.get(word)


@dataclass(frozen=True)
class Differential:
    """`lines` tell the `ranked` findings, one each; `text` is the headline, the lines and what is unlikely."""

    lines: tuple[str, ...]
    text: str
    ranked: tuple[FindingEvidence, ...]


def band_of(probability: float, threshold: float | None) -> str:
    """likely where the odds are at least twice the threshold's, possible from half of them, else unlikely."""
    threshold = UNFITTED if threshold is None else threshold
    high, low = probability * (1.0 - threshold), threshold * (1.0 - probability)  # odds ratio without a division
    if high >= _BAND_ODDS * low:
        return LIKELY if probability > 0 else UNLIKELY
    return POSSIBLE if high * _BAND_ODDS >= low else UNLIKELY


def gather_evidence(
    scores: Mapping[str, float],
    thresholds: Mapping[str, float | None],
    image_only: Mapping[str, float] | None = None,
    zones: Mapping[str, str | None] | None = None,
    note_tokens: Mapping[str, Sequence[str]] | None = None,
    calibrated: Mapping[str, float] | None = None,
    *,
    has_note: bool = True,
    hierarchy: bool = True,
) -> tuple[FindingEvidence, ...]:
    """One record a label of `scores`, with its band and what speaks against it, in the order of `scores`.

    `image_only` is what the film alone gives; nothing is said of a note where `has_note` is False. `hierarchy` says
    whether the labels that the model learned from obey `core.labels.HIERARCHY`: only then does an unlikely parent
    speak against its child. Raises MedleyError for a probability outside [0, 1], and for a label in the other tables
    that `scores` lacks.
    """
    image_only, zones, note_tokens = image_only or {}, zones or {}, note_tokens or {}
    calibrated = calibrated or {}
    tables = {"threshold": thresholds, "image": image_only, "zone": zones, "note": note_tokens}
    for name, table in {**tables, "calibrated": calibrated}.items():
        for label in table:
            if label not in scores:
                raise MedleyError(f"{name} table: the prediction has no label '{label}'{nearest(label, scores)}")
    for label, value in (*scores.items(), *image_only.items(), *thresholds.items(), *calibrated.items()):
        if value is not None and not 0.0 <= value <= 1.0:
            raise MedleyError(f"label '{label}': {value} is no probability; it must lie between 0 and 1")
    bands = {label: band_of(p, thresholds.get(label)) for label, p in scores.items()}
    found = []
    for label, probability in scores.items():
        alone = image_only.get(label)
        without = alone if has_note else None
        found.append(
            FindingEvidence(
                label=label,
                probability=probability,
                threshold=thresholds.get(label),
                band=bands[label],
                probability_image_only=alone,
                probability_calibrated=calibrated.get(label),
                delta_from_note=None if without is None else probability - without,
                zone=zones.get(label),
                top_note_tokens=tuple(filter(None, map(clean_token, note_tokens.get(label, ())))),
                against=_against(label, scores, thresholds, bands, without, hierarchy),
            )
        )
    return tuple(found)


def clean_token(token: str) -> str:
    """A token of the note as it is quoted: one line, without quotation marks, short."""
    plain = "".join(" " if c in "“”\"'" or not c.isprintable() else c for c in token)
    return " ".join(plain.split())[:_TOKEN_CHARS].strip()


def _against(
    label: str,
    scores: Mapping[str, float],
    thresholds: Mapping[str, float | None],
    bands: Mapping[str, str],
    alone: float | None,
    hierarchy: bool,
) -> tuple[str, ...]:
    if bands[label] == UNLIKELY or label == NO_FINDING:
        return ()
    reasons = [
        f"its parent label {parent} is unlikely at {_percent(scores[parent])}"
        for parent in (HIERARCHY.get(label, ()) if hierarchy else ())
        if bands.get(parent) == UNLIKELY
    ]
    kinds = [child for child, parents in HIERARCHY.items() if hierarchy and label in parents and child in bands]
    if kinds and all(bands[kind] == UNLIKELY for kind in kinds):
        reasons.append("no more specific kind of it reaches its own threshold")
    if alone is not None and band_of(alone, thresholds.get(label)) == UNLIKELY:
        reasons.append(f"the film without the note gives {_percent(alone)}")
    if bands.get(NO_FINDING) == LIKELY:
        reasons.append(f"the model also scores a healthy film at {_percent(scores[NO_FINDING])}")
    return tuple(reasons)


def differential(findings: Sequence[FindingEvidence]) -> Differential:
    """The ranked differential: likely findings, then possible ones, each by falling probability.

    Unlikely findings share one closing sentence. Deterministic; names no label that `findings` lacks.
    """
    others = [finding for finding in findings if finding.label != NO_FINDING]
    named = [finding for finding in others if finding.band != UNLIKELY]
    named.sort(key=lambda f: ((LIKELY, POSSIBLE).index(f.band), -f.probability, f.label))
    lines = tuple(_line(rank, finding) for rank, finding in enumerate(named, 1))
    closing = []
    if not findings:
        closing.append("This model scores no findings beside what it writes.")
    elif not named:
        closing.append("None of the labels comes near its threshold.")
    if rest := sorted((f for f in others if f.band == UNLIKELY), key=lambda f: (-f.probability, f.label)):
        closing.append("No support for " + ", ".join(f"{f.label} at {_percent(f.probability)}" for f in rest) + ".")
    return Differential(lines, "\n".join([HEADLINE, *lines, *closing]), tuple(named))


def _line(rank: int, finding: FindingEvidence) -> str:
    probability, threshold, away = _apart(finding.probability, _cut(finding))
    said = "with no fitted threshold" if finding.threshold is None else f"threshold {threshold}"
    parts = [f"{rank}. {finding.label}: {finding.band}, {probability}, {said}."]
    if finding.zone:
        parts.append(f"Heat map: {finding.zone}.")
    if finding.delta_from_note is not None:
        parts.append(_note(finding.delta_from_note, finding.top_note_tokens))
    if finding.against:
        parts.append(" ".join(f"Against: {reason}." for reason in finding.against))
    parts.append(_would_change(finding, threshold, away))
    return " ".join(parts)


def _note(delta: float, tokens: Sequence[str]) -> str:
    if abs(delta) < _NOTE_MATTERS:
        return "Note: changed it by less than 2 points."
    words = ", ".join(f"“{token}”" for token in tokens)
    return f"Note: {delta * 100:+.0f} points{', most weight on ' + words if words else ''}."


def _would_change(finding: FindingEvidence, threshold: str, away: str) -> str:
    alone = finding.probability_image_only
    if finding.delta_from_note is not None and alone is not None and (alone >= _cut(finding)) != finding.positive:
        return (
            f"What would change this: without the note it is {_apart(alone, _cut(finding))[0]}, across the threshold."
        )
    return f"What would change this: {'falling below' if finding.positive else 'reaching'} {threshold}, {away}."


def _cut(finding: FindingEvidence) -> float:
    return UNFITTED if finding.threshold is None else finding.threshold


def _apart(probability: float, threshold: float) -> tuple[str, str, str]:
    """Both in per cent and the way between them, with as many digits as it takes to tell them apart, at most three.

    The way is the difference of the two as they are written, so that no line contradicts itself.
    """
    if probability == threshold:
        return _percent(probability), _percent(threshold), "just on it"
    for digits in range(4):
        one, other = round(probability * 100, digits), round(threshold * 100, digits)
        if one != other:
            away = f"{abs(one - other):.{digits}f}"
            return _percent(probability, digits), _percent(threshold, digits), f"{away} point{_plural(away)} away"
    return _percent(probability, 3), _percent(threshold, 3), "less than 0.001 points away"


def _plural(count: str) -> str:
    return "" if count == "1" else "s"


def _percent(probability: float, digits: int = 0) -> str:
    """Per cent, except that what is not certain is never written as 0 % or 100 %."""
    percent, least = probability * 100, 10.0**-digits
    assert math.isfinite(percent)
    if 0 < percent < least or 100 - least < percent < 100:
        return f"under {least:g} %" if percent < least else f"over {100 - least:g} %"
    return f"{percent:.{digits}f} %"
