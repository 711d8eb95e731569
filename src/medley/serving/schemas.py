"""What a Predictor answers, as frozen records; `as_json` is what the command line prints and a service would send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medley.core.records import Film, Prediction
from medley.serving.reasoning import Differential, FindingEvidence


@dataclass(frozen=True)
class ReadFilm:
    """One film of a study: at the model's size, at a size to look at, and what the quality gate found."""

    film: Film
    display: Film
    quality: Mapping[str, Any]

    @property
    def view(self) -> str:
        """PA, AP, LATERAL or UNKNOWN."""
        return self.film.view


@dataclass(frozen=True)
class Answer:
    """One study answered. `heatmaps` holds label -> one float32 [h, w] patch map a film, summing to its share."""

    prediction: Prediction
    findings: tuple[FindingEvidence, ...]  # most probable first
    differential: Differential
    films: tuple[ReadFilm, ...]
    warnings: tuple[str, ...]
    model: Mapping[str, Any]
    heatmaps: Mapping[str, tuple[np.ndarray, ...]]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: findings, differential, evidence, quality, warnings, model. Pictures are left out."""
        return {
            "case_id": self.prediction.case_id,
            "labels": [
                {
                    "name": finding.label,
                    "probability": finding.probability,
                    "threshold": finding.threshold,
                    "decision": None if finding.threshold is None else finding.probability >= finding.threshold,
                    "band": finding.band,
                    "probability_image_only": finding.probability_image_only,
                    "probability_text_only": self.prediction.heads["text_only"][finding.label],
                    "delta_from_note": finding.delta_from_note,
                    "zone": finding.zone,
                    "top_note_words": list(finding.top_note_tokens),
                }
                for finding in self.findings
            ],
            "differential": self.differential.text,
            "quality": [dict(one.quality) for one in self.films],
            "warnings": list(self.warnings),
            "model": dict(self.model),
        }


@dataclass(frozen=True)
class Skipped:
    """A study that could not be answered, and why; the rest of the batch goes on."""

    case_id: str
    reason: str
