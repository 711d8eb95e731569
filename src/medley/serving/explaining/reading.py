"""One study's report, and what it was read from: the looks of all queries, and where each sentence was read.

for one in readings(predictor, Request("pa.png+lateral.png")):
    one.looks[0].name, one.sentences[0].maps
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from medley.core.errors import MedleyError
from medley.core.family import to_device
from medley.core.labels import ANATOMY
from medley.core.records import Study
from medley.data.preprocess.geometry import place
from medley.explain import reading, score
from medley.explain.lesions import Lesion, lesions_of, parts_of
from medley.explain.reading import Look, SentenceRead
from medley.serving.explaining.cases import KnownCase
from medley.serving.explaining.sentences import sentences_of
from medley.serving.predictor import Predictor, Request
from medley.serving.schemas import ReadFilm

_NUMBERED = "query"
SINGLE_CUT = 0.5  # of a map's range, for the iou of one study: there is no dev part to choose it on


@dataclass(frozen=True)
class Reading:
    """The films of a study that were read together, and the report that was written of them."""

    case_id: str
    films: tuple[ReadFilm, ...]
    looks: tuple[Look, ...]  # findings by falling probability, then the other queries in their order
    sentences: tuple[SentenceRead, ...]
    gate: float
    known: tuple[Mapping[str, Lesion], ...]  # one a film: name of a look -> where it is known to lie

    @property
    def likeness(self) -> float | None:
        """How alike the maps of the sentences are, 1 the same; None for fewer than two sentences."""
        return reading.likeness([one.maps for one in self.sentences])

    def outlines(self) -> list[dict[str, np.ndarray]]:
        """For each film name of a look -> bool [px, px] on the square of the film's `display`."""
        squares = [film.display.placement for film in self.films]
        return [
            {name: lesion.on_square(square) for name, lesion in here.items()}
            for square, here in zip(squares, self.known, strict=True)
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: shares are in [0, 1]."""
        return {
            "case_id": self.case_id,
            "films": [{"file": film.quality["file"], "view": film.view} for film in self.films],
            "gate": self.gate,
            "queries": [
                {
                    "name": look.name,
                    "probability": look.probability,
                    "threshold": look.threshold,
                    "spread": look.spread,
                    "of_films": list(look.of_films),
                    "against_the_mask": look.scores,
                }
                for look in self.looks
            ],
            "sentences": [
                {
                    "section": one.section,
                    "text": one.text,
                    "confidence": one.confidence,
                    "read_of": {"whole_film": one.whole, "queries": one.found, "indication": one.note},
                    "queries": dict(one.queries),
                    "words": [word.as_json() for word in one.words],
                }
                for one in self.sentences
            ],
            "likeness_of_the_sentences_maps": self.likeness,
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """The raw maps by name: queries_film_0 [Q, h, w] in the order of `looks`, sentences_film_0 [S, h, w], ..."""
        found = {}
        for v in range(len(self.films)):
            found[f"queries_film_{v}"] = np.stack([look.maps[v] for look in self.looks])
            if self.sentences:
                found[f"sentences_film_{v}"] = np.stack([one.maps[v] for one in self.sentences])
        return found


def is_readable(predictor: Predictor) -> bool:
    """Whether the family writes a report from queries, which is what can be followed."""
    return predictor.family.write is not None and set(ANATOMY) <= set(predictor.processor.regions)


def readings(predictor: Predictor, request: Request, known: KnownCase | None = None) -> list[Reading]:
    """One Reading for each group of films that the model reads together. Looks are held against the masks that a known
    case has.

    Raises MedleyError for a family that writes no report from queries, and where the study cannot be read.
    """
    if not is_readable(predictor):
        raise MedleyError(f"{predictor.family.name} writes no report from queries: there is no reading to follow")
    opened = predictor.read(request)
    places = {} if known is None else _known_places(known, query_names(predictor))
    return [
        _reading(predictor, study, films, [places.get(film.quality["file"], {}) for film in films])
        for study, films in zip(opened.studies, opened.groups, strict=True)
    ]


def _known_places(known: KnownCase, names: Mapping[str, str]) -> dict[str, dict[str, Lesion]]:
    """file -> name of a look -> where it is known to lie. A query called by a number has no place of its own."""
    found: dict[str, dict[str, Lesion]] = {}
    for lesion in (*lesions_of(known.case, known.folder), *parts_of(known.case, known.folder)):
        if not names.get(lesion.label, _NUMBERED).startswith(_NUMBERED):
            found.setdefault(lesion.image.path, {})[names[lesion.label]] = lesion
    return found


@torch.inference_mode()
def _reading(
    predictor: Predictor, study: Study, films: tuple[ReadFilm, ...], known: Sequence[Mapping[str, Lesion]]
) -> Reading:
    model, processor = predictor.model, predictor.processor
    output = model(to_device(processor([study]), predictor.device))
    maps_QVhw = output.maps_BQVhw[0, :, : len(films)].float().cpu().numpy()
    scores = processor.predictions(output, [study])[0].scores
    return Reading(
        case_id=study.case.case_id,
        films=films,
        looks=_looks(predictor, scores, maps_QVhw, films, known),
        sentences=sentences_of(predictor, output, [len(films)], list(query_names(predictor).values()))[0],
        gate=float(output.gate_B[0]),
        known=tuple(known),
    )


def query_names(predictor: Predictor) -> dict[str, str]:
    """What each query is called, in their order: findings by name; parts of the chest by name where the run was taught
    where they lie, else "query 15"."""
    weight = predictor.processor.config.region_weight  # type: ignore[attr-defined]
    taught = bool(predictor.facts["anatomy_known"] and weight)
    return {
        name: name.replace("_", " ") if taught or name in predictor.labels else f"{_NUMBERED} {number}"
        for number, name in enumerate(predictor.processor.regions, start=1)
    }


def _looks(
    predictor: Predictor,
    scores: Mapping[str, float],
    maps_QVhw: np.ndarray,
    films: Sequence[ReadFilm],
    known: Sequence[Mapping[str, Lesion]],
) -> tuple[Look, ...]:
    found, cuts = [], predictor.cuts
    for (label, name), maps_Vhw in zip(query_names(predictor).items(), maps_QVhw, strict=True):
        held = next((_held(maps_Vhw[v], known[v][name], films[v]) for v in range(len(films)) if name in known[v]), None)
        found.append(Look(name, scores.get(label), cuts.get(label), tuple(maps_Vhw), held))
    return tuple(sorted(found, key=lambda look: 1.0 if look.probability is None else -look.probability))


def _held(map_hw: np.ndarray, lesion: Lesion, film: ReadFilm) -> dict[str, float] | None:
    """A map against the place where its query's name is known to lie; None where there is no attention on the film."""
    if map_hw.sum() <= 0:
        return None
    original = film.film.placement
    mask = lesion.on_square(place(original.height, original.width, score.SQUARE_PX))
    measured = score.measure(score.read_maps([map_hw]), score.marks([("", "", lesion.label, mask)]), SINGLE_CUT)
    return {name: float(measured[name][0, 0]) for name in ("pointing_game", "iou")}
