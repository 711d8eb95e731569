"""From a prediction and its evidence to an Answer: bands, zones, words of the note, differential, warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medley.core.labels import NO_FINDING
from medley.core.records import Evidence, Film, Prediction
from medley.evaluation.fitted.calibration import Calibration
from medley.explain.attention import salience
from medley.serving.consistency import flags_of
from medley.serving.reasoning import UNLIKELY, band_of, differential, gather_evidence
from medley.serving.schemas import Answer, ReadFilm
from medley.serving.zones import zone_of

if TYPE_CHECKING:  # which needs the warnings below
    from medley.serving.opening.opened import Opened

_TOP_WORDS = 3
_ZONE_PX = 64
_LEAST_SALIENCE = 0.25  # a peak of one and a half even shares of the attention


def make_answer(
    prediction: Prediction,
    opened: Opened,
    evidence: Evidence,
    cuts: Mapping[str, float | None],
    calibration: Calibration | None,
    has_note: bool,
    model: Mapping[str, Any],
    remarks: Sequence[str],
) -> Answer:
    """The Answer of one study. `cuts` are the labels' thresholds; `model` says where the answer comes from; `remarks`
    are warnings of the reading."""
    cuts = {label: cuts[label] for label in prediction.scores}  # none, of a model that only writes
    bands = {label: band_of(p, cuts[label]) for label, p in prediction.scores.items()}
    named = [label for label, band in bands.items() if band != UNLIKELY and label != NO_FINDING]
    films = [one.film for one in opened.films]
    findings = gather_evidence(
        prediction.scores,
        cuts,
        image_only=prediction.heads.get("image_only"),
        has_note=has_note,
        calibrated=_calibrated(prediction.scores, calibration),
        zones={label: _zone(films, evidence.maps[label]) for label in named} if films else {},
        note_tokens={label: _top(evidence.words.get(label, {})) for label in named},
        hierarchy=model["hierarchy_holds"],
    )
    return Answer(
        prediction=prediction,
        findings=tuple(sorted(findings, key=lambda finding: -finding.probability)),
        differential=differential(findings),
        films=tuple(opened.films),
        warnings=(*remarks, *_warnings(opened.films, model)),
        model=model,
        heatmaps=evidence.maps,
        flags=flags_of(prediction.task, prediction.hypothesis, prediction.scores, cuts),
        unread=opened.unread,
        volume=opened.volume,
    )


def _calibrated(scores: Mapping[str, float], calibration: Calibration | None) -> dict[str, float]:
    """The calibrated probability of each label that has a curve."""
    if calibration is None:
        return {}
    curves = {label: calibration.of("fused", label)[0] for label in scores}
    return {label: float(curve(np.asarray(scores[label]))) for label, curve in curves.items() if curve is not None}


def _zone(films: Sequence[Film], maps: Sequence[np.ndarray]) -> str | None:
    """Where the first frontal film was read; None for laterals, which the atlas is not of, and for a flat map."""
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


def _warnings(films: Sequence[ReadFilm], model: Mapping[str, Any]) -> Iterable[str]:
    for one in films:
        for reason in one.quality["reasons"]:
            yield f"{one.quality['file']}: {reason}"
    yield from model_warnings(model)


def unread_warnings(unread: Sequence[str], films: Sequence[ReadFilm]) -> Iterable[str]:
    """What everybody must know who reads an answer or a picture of a study of which not all films were read."""
    for reason in unread:
        yield f"answered without a film of this study: {reason}"
    if unread and all(film.view == "LATERAL" for film in films):
        yield "no frontal film of this study was read: the answer is of a lateral film alone"


def views_warnings(groups: Sequence[Sequence[ReadFilm]], views: int, writes: bool) -> Iterable[str]:
    """What the answer is of, where it is not of one group of as many films as the model reads together (`views`)."""
    if len(groups) > 1:
        films = sum(map(len, groups))
        yield f"{films} films are not read all together but in {len(groups)} groups: each finding pools the groups"
        if writes:
            read = " and ".join(str(one.quality["file"]) for one in groups[0])
            yield f"the report was written from {read} alone, not from the other films of this study"
    elif len(groups[0]) < views:
        lacking = "frontal" if groups[0][0].view == "LATERAL" else "lateral"
        yield f"one film: this model reads a frontal and a lateral film of a study together, and had no {lacking} one"


def model_warnings(model: Mapping[str, Any]) -> Iterable[str]:
    """What everybody must know who reads an answer or a picture of this model; `model` are the Predictor's facts."""
    if not model["finished"]:
        yield "the training of this run has not finished: these are answers of its best weights so far"
    if model["leaky"]:
        yield "this model was trained on notes that give the labels away: what it adds for a note is not to be trusted"
    if model["trained_on_synthetic"]:
        yield "this model was trained on generated images: its answers on real ones mean nothing clinically"
