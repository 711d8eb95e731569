"""What a Predictor answers, as frozen records; `as_json` is what the command line prints and a service would send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from medley.core.records import Film, Prediction, Volume
from medley.serving.consistency import Flag
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
class ReadVolume:
    """The volume of a study on the model's grid, the same brain at a size to look at, and what was done and found."""

    volume: Volume
    display: Volume
    quality: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """One study answered. `heatmaps` holds label -> one float32 [h, w] patch map a film, summing to its share; of a
    volume one [d, h, w]."""

    prediction: Prediction
    findings: tuple[FindingEvidence, ...]  # most probable first
    differential: Differential
    films: tuple[ReadFilm, ...]
    warnings: tuple[str, ...]
    model: Mapping[str, Any]
    heatmaps: Mapping[str, tuple[np.ndarray, ...]]
    picture: str | None = None  # where its picture was saved, relative to the folder of the answers
    flags: tuple[Flag, ...] = ()  # where the written report and the findings beside it part
    unread: tuple[str, ...] = ()  # why other images of the study are not among those that were read
    volume: ReadVolume | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: findings, ranked differential, evidence, quality, warnings, model.

        Probabilities begin with `p_`: `p_raw` is what the threshold, the band and the decision are read from, `p_cal`
        the same calibrated (null where no calibration was fitted).
        """
        return {
            "case_id": self.prediction.case_id,
            "labels": [self._label(finding) for finding in self.findings],
            "differential": [
                {
                    "rank": rank,
                    "name": finding.label,
                    "band": finding.band,
                    "p_raw": finding.probability,
                    "p_cal": finding.probability_calibrated,
                    "zone": finding.zone,
                    "against": list(finding.against),
                    "text": line.partition(" ")[2],
                }
                for rank, (finding, line) in enumerate(
                    zip(self.differential.ranked, self.differential.lines, strict=True), start=1
                )
            ],
            "differential_text": self.differential.text,
            **(self._report() if self.prediction.hypothesis else {}),
            "evidence": {
                "picture": self.picture,
                "top_note_words": {f.label: list(f.top_note_tokens) for f in self.findings if f.top_note_tokens},
            },
            "quality": [dict(one.quality) for one in self.films] + ([dict(self.volume.quality)] if self.volume else []),
            "films_not_read": list(self.unread),
            "warnings": list(self.warnings),
            "model": {"version" if key == "medley" else key: value for key, value in self.model.items()},
        }

    def _report(self) -> dict[str, Any]:
        """What was written, of a brain what it says in fields and the places seen beside it, how sure the model was of
        each sentence, and where the findings say something else."""
        return {
            "report": dict(self.prediction.hypothesis),
            **{name: self.prediction.extra[name] for name in ("structured", "places") if name in self.prediction.extra},
            "sentence_confidence": self.prediction.extra.get("sentence_confidence", {}),
            "consistency": [flag.as_json() for flag in self.flags],
        }

    def _label(self, finding: FindingEvidence) -> dict[str, Any]:
        return {
            "name": finding.label,
            "p_raw": finding.probability,
            "p_cal": finding.probability_calibrated,
            "threshold": finding.threshold,
            "decision": None if finding.threshold is None else finding.positive,
            "band": finding.band,
            "p_image_only": finding.probability_image_only,
            "p_text_only": self.prediction.heads.get("text_only", {}).get(finding.label),
            "delta_from_note": finding.delta_from_note,
            "zone": finding.zone,
        }


@dataclass(frozen=True)
class Skipped:
    """A study that could not be answered, and why; the rest of the batch goes on."""

    case_id: str
    reason: str
