"""From a prediction and its evidence to an Answer: bands, zones, words of the note, differential, warnings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medley.core.labels import NO_FINDING
from medley.core.records import Evidence, Film, Prediction
from medley.explain.attention import salience
from medley.serving.reasoning import UNLIKELY, band_of, differential, gather_evidence
from medley.serving.schemas import Answer
from medley.serving.zones import zone_of

if TYPE_CHECKING:
    from medley.serving.predictor import Predictor

_TOP_WORDS = 3
_ZONE_PX = 64
_LEAST_SALIENCE = 0.25  # a peak of one and a half even shares of the attention


def make_answer(
    predictor: Predictor,
    prediction: Prediction,
    films: Sequence[Film],
    display: Sequence[Film],
    qualities: Sequence[Mapping[str, Any]],
    evidence: Evidence,
    note: str | None,
    words_cut: int,
) -> Answer:
    """The Answer of one study. Zones are named on frontal films only: the atlas is of those."""
    thresholds = {label: _threshold(predictor, label) for label in predictor.labels}
    bands = {label: band_of(p, thresholds[label]) for label, p in prediction.scores.items()}
    named = [label for label, band in bands.items() if band != UNLIKELY and label != NO_FINDING]
    findings = gather_evidence(
        prediction.scores,
        thresholds,
        image_only=prediction.heads["image_only"] if note else None,
        zones={label: _zone(films, evidence.maps[label]) for label in named},
        note_tokens={label: _top(evidence.words[label]) for label in named},
    )
    return Answer(
        prediction=prediction,
        findings=tuple(sorted(findings, key=lambda finding: -finding.probability)),
        differential=differential(findings),
        quality=tuple(qualities),
        warnings=tuple(_warnings(predictor, qualities, words_cut)),
        model=predictor.facts,
        display=tuple(display),
        heatmaps=evidence.maps,
    )


def _threshold(predictor: Predictor, label: str) -> float | None:
    return predictor.thresholds.of("fused", label)[0] if predictor.thresholds else None


def _zone(films: Sequence[Film], maps: Sequence[np.ndarray]) -> str | None:
    """Where the first frontal film was read, or None for a map that prefers no place."""
    frontal = [index for index, film in enumerate(films) if film.view != "LATERAL"]
    if not frontal:
        return None
    heat = _without_padding(films[frontal[0]], salience(maps[frontal[0]], _ZONE_PX))
    return zone_of(heat) if heat.max() >= _LEAST_SALIENCE else None


def _without_padding(film: Film, heat_px: np.ndarray) -> np.ndarray:
    """The part of a square map that lies on the film itself."""
    placement, ratio = film.placement, len(heat_px) / film.placement.px
    top, left = round(placement.top * ratio), round(placement.left * ratio)
    return heat_px[top : len(heat_px) - top, left : len(heat_px) - left]


def _top(words: Mapping[str, float]) -> list[str]:
    long = {word: share for word, share in words.items() if len(word) > 2}
    return sorted(long, key=lambda word: -long[word])[:_TOP_WORDS]


def _warnings(predictor: Predictor, qualities: Sequence[Mapping[str, Any]], words_cut: int):
    for quality in qualities:
        for reason in quality["reasons"]:
            yield f"{quality['file']}: {reason}"
    if len(qualities) > predictor.processor.views:
        yield f"{len(qualities)} films: the model reads {predictor.processor.views} at a time, and the answer is a mean"
    if words_cut:
        yield f"the note is long: its last {words_cut} tokens were not read"
    if predictor.thresholds is None:
        yield "this run has no thresholds (medley evaluate fits them on its dev part): bands are read against 0.5"
    if predictor.facts["trained_on_synthetic"]:
        yield "this model was trained on generated films: its answers on real ones mean nothing clinically"
