"""One study explained: which places of each film, and which words of the note, speak for a label.

for one in explain(predictor, Request("pa.png", "Cough."), ["Pneumonia"], ["queries", "hirescam"]):
    one.maps[0], one.words
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medley.core.errors import MedleyError, choose
from medley.core.family import to_device
from medley.core.labels import NO_FINDING, require_labels
from medley.core.records import Study
from medley.data.preprocess.geometry import unfit
from medley.encoders.text import word_shares
from medley.explain.layers import is_cnn
from medley.explain.methods import METHODS, film_maps
from medley.explain.overlay import heats_of
from medley.explain.words import WordShares, word_gradients
from medley.serving.predictor import Predictor, Request
from medley.serving.schemas import ReadFilm
from medley.serving.zones import zone_of
from medley.training.data import aggregate

_MOST_TARGETS = 4


@dataclass(frozen=True)
class Explanation:
    """One label of one study by one method. `maps` holds one float32 [h, w] a film, of the square the model reads."""

    case_id: str
    label: str
    method: str
    probability: float
    threshold: float | None
    films: tuple[ReadFilm, ...]
    maps: tuple[np.ndarray, ...]
    words: Mapping[str, float] | None  # word -> what it adds to the log-odds; None where the findings read no note
    note: WordShares | None
    unread: tuple[str, ...] = ()  # why other films of the study are not among `films`

    def heat(self, film: int) -> np.ndarray:
        """float32 [H, W] in [0, 1] over the original film: 0 where nothing speaks for the label, 1 at the study's
        peak."""
        placement = self.films[film].film.placement
        heat_px = heats_of(self.maps, self.method, placement.px)[film]
        return np.clip(unfit(heat_px, placement), 0, 1)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: where each film's map peaks, in pixels of the original, and what the words add."""
        said: dict[str, Any] = {
            "case_id": self.case_id,
            "label": self.label,
            "method": self.method,
            "probability": self.probability,
            "threshold": self.threshold,
            "films": [self._film(number) for number in range(len(self.films))],
            "films_not_read": list(self.unread),
        }
        if self.words is not None and self.note is not None:
            said["note"] = {
                "words": dict(self.words),
                "log_odds": self.note.note,
                "log_odds_of_an_empty_note": self.note.empty,
                "error_of_the_sum": self.note.error,
            }
        return said

    def _film(self, number: int) -> dict[str, Any]:
        film, heat_HW, peak = self.films[number], self.heat(number), float(self.maps[number].max())
        height, width = heat_HW.shape
        said = {
            "file": film.quality["file"],
            "view": film.view,
            "height_px": height,
            "width_px": width,
            "highest": peak,
        }
        if heat_HW.max() <= 0:
            return {**said, "peak_px": None, "zone": None}
        y, x = np.unravel_index(int(heat_HW.argmax()), heat_HW.shape)
        return {**said, "peak_px": [int(x), int(y)], "zone": None if film.view == "LATERAL" else zone_of(heat_HW)}


def explain(
    predictor: Predictor, request: Request, targets: Sequence[str], methods: Sequence[str]
) -> list[Explanation]:
    """Every label asked for by every method. Without targets: the findings at or over their thresholds, at most four,
    or the most probable where there is none.

    Raises MedleyError for an unknown label or method, and where the study cannot be read.
    """
    labels = require_labels(targets, predictor.labels, "--target")
    check_methods(predictor, methods)
    opened = predictor.read(request)
    studies = opened.studies
    whole = aggregate(predictor.predictions(studies, write=False), predictor.recipe.evaluate.aggregation)
    cuts = predictor.cuts
    labels = labels or _called(whole.scores, cuts)
    columns_1K = torch.tensor([[predictor.labels.index(label) for label in labels]])
    asked = studies[0].note and predictor.family.write is None  # else the decoder alone reads the note
    words = {label: _words(predictor, studies[0], label) for label in labels} if asked else {}
    found = []
    for method in methods:
        maps = [one for study in studies for one in _maps(predictor, study, method, columns_1K)]
        for place, label in enumerate(labels):
            by_word, note = words.get(label, (None, None))
            found.append(
                Explanation(
                    case_id=whole.case_id,
                    label=label,
                    method=method,
                    probability=whole.scores[label],
                    threshold=cuts[label],
                    films=tuple(opened.films),
                    maps=tuple(of_film[place] for of_film in maps),
                    words=by_word,
                    note=note,
                    unread=opened.unread,
                )
            )
    return found


def check_methods(predictor: Predictor, methods: Sequence[str]) -> None:
    """Raises MedleyError for an unknown method, and for rollout where the tower is a CNN."""
    for method in methods:
        choose(method, METHODS, "method")
        if method == "rollout" and is_cnn(predictor.model.vision):  # type: ignore[arg-type]
            raise MedleyError(
                "rollout follows the attention of a ViT; the vision tower of this run is a CNN: use queries"
            )


def _called(scores: Mapping[str, float], cuts: Mapping[str, float | None]) -> list[str]:
    over = {label: p - (cuts[label] or 0.5) for label, p in scores.items() if label != NO_FINDING}
    ranked = sorted(over, key=lambda label: -over[label])
    return [label for label in ranked if over[label] >= 0][:_MOST_TARGETS] or ranked[:1]


def _maps(predictor: Predictor, study: Study, method: str, columns_1K: torch.Tensor) -> list[np.ndarray]:
    """[K, h, w] of each film of the study."""
    batch = to_device(predictor.processor([study]), predictor.device)
    maps_KVhw = film_maps(method, predictor.model, batch, columns_1K)[0].float().cpu().numpy()  # type: ignore[arg-type]
    return [maps_KVhw[:, v] for v in range(len(study.films))]


def _words(predictor: Predictor, study: Study, label: str) -> tuple[dict[str, float], WordShares]:
    """What each word of the note adds to the log-odds of the label."""
    processor, model = predictor.processor, predictor.model
    tokenizer, most = processor.tokenizer, processor.config.note_tokens  # type: ignore[attr-defined]
    batch = to_device(processor([study]), predictor.device)
    ids = batch.words_BL[0].tolist()
    stays_L = torch.tensor(tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)).bool()
    table = model.text.backbone.get_input_embeddings()  # type: ignore[union-attr,operator]
    column = predictor.labels.index(label)
    shares = word_gradients(model, batch, 0, column, table, stays_L, tokenizer.pad_token_id)  # type: ignore[arg-type]
    return word_shares(tokenizer, str(study.note), most, shares.tokens), shares
