"""The Predictor: the one way from an image to an answer. Command line, batch runs and services all call it.

predictor = medley.load("runs/cxr_reasoner-tiny")
answer = predictor.predict("pa.png+lat.png", text="Cough for two weeks.")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.family import Family, Processor, to_device
from medley.core.records import Case, Evidence, Film, Prediction, Study
from medley.core.weights import resolve
from medley.data.notes import clean_note
from medley.data.preprocess.film import fit, read_film
from medley.data.preprocess.quality import film_quality, other_subject
from medley.data.source import batches
from medley.evaluation.thresholds import Thresholds
from medley.families import get_family
from medley.serving.answer import make_answer
from medley.serving.schemas import Answer, Skipped
from medley.training.checkpoint import rebuild, stage_folder
from medley.training.data import aggregate
from medley.training.recipe import Recipe, family_config, resolve_recipe

_DISPLAY_PX = 640


@dataclass(frozen=True)
class Request:
    """One study to be answered: its files, views of it joined by `+` in one path or given apart, and its note."""

    study: str | Path | Sequence[str | Path]
    text: str | None = None
    case_id: str | None = None

    def files(self) -> list[Path]:
        """The image files, in order."""
        given = [self.study] if isinstance(self.study, str | Path) else list(self.study)
        return [Path(part) for item in given for part in str(item).split("+") if part]

    def name(self) -> str:
        """`case_id`, or the names of the files."""
        return self.case_id or "+".join(file.name for file in self.files())


@dataclass(frozen=True)
class _ReadFilm:
    film: Film
    display: Film
    quality: Mapping[str, Any]


class Predictor:
    """A trained model with everything it needs to answer: processor, thresholds, and what it was trained on."""

    def __init__(
        self,
        family: Family,
        recipe: Recipe,
        processor: Processor,
        model: torch.nn.Module,
        thresholds: Thresholds | None,
        facts: Mapping[str, Any],
    ):
        self.family, self.recipe, self.processor = family, recipe, processor
        self.model = model.eval()
        self.thresholds, self.facts = thresholds, dict(facts)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def labels(self) -> tuple[str, ...]:
        return self.processor.labels

    def predict(self, study: str | Path | Sequence[str | Path], text: str | None = None) -> Answer:
        """Answer one study. Raises MedleyError where its films or its text cannot be read."""
        request = Request(study, text)
        films = [self._read(file) for file in self._files(request)]
        note = clean_note(text, request.name())
        case = Case(request.name(), patient_id=request.name(), study_id=request.name(), source="predict")
        return self._answer(case, films, note)

    def predict_many(self, requests: Iterable[Request]) -> Iterator[Answer | Skipped]:
        """Answer many studies, in order; one that cannot be read is a `Skipped`, and the rest go on."""
        for request in requests:
            try:
                answer = self.predict(request.study, request.text)
            except (MedleyError, OSError) as error:
                yield Skipped(request.name(), str(error))
            else:
                yield replace(answer, prediction=replace(answer.prediction, case_id=request.name()))

    def _files(self, request: Request) -> list[Path]:
        if not request.files():
            raise MedleyError("a study needs at least one image file")
        return request.files()

    def _read(self, file: Path) -> _ReadFilm:
        raw = read_film(file)
        if said := other_subject(raw.header):
            raise UnreadableImage(f"{file} is no chest film: {said}")
        quality = film_quality(raw.pixels, raw.header)
        guessed = "LATERAL" if quality.view_guess == "lateral" else "UNKNOWN"
        view = raw.view if raw.view != "UNKNOWN" else guessed
        film, display = (Film(view, *fit(raw.pixels, px)) for px in (self.processor.image_px, _DISPLAY_PX))
        return _ReadFilm(film, display, {"file": str(file), "view": view, **vars(quality)})

    def _answer(self, case: Case, films: Sequence[_ReadFilm], note: str | None) -> Answer:
        groups = [Study(case, tuple(one.film for one in group), note) for group in batches(films, self.processor.views)]
        predictions, evidence = self.run(groups)
        whole = aggregate(predictions, self.recipe.evaluate.aggregation)
        maps = {name: tuple(m for part in evidence for m in part.maps[name]) for name in self.labels}
        return make_answer(
            self,
            whole,
            [one.film for one in films],
            [one.display for one in films],
            [one.quality for one in films],
            Evidence(maps, evidence[0].words),
            note,
            self.processor.cut_words(note) if note else 0,
        )

    @torch.inference_mode()
    def run(self, studies: Sequence[Study]) -> tuple[list[Prediction], list[Evidence]]:
        """Predictions and evidence of studies whose films are read already, as one batch."""
        batch = to_device(self.processor(studies), self.device)
        output = self.model(batch)
        return self.processor.predictions(output, studies), self.processor.evidence(output, studies)

    @torch.inference_mode()
    def predictions(self, studies: Sequence[Study]) -> list[Prediction]:
        """Predictions alone, as one batch."""
        return self.processor.predictions(self.model(to_device(self.processor(studies), self.device)), studies)


def load(run: str | Path, device: str | None = None) -> Predictor:
    """The Predictor of a run: a folder that `medley train` wrote, or a hub id owner/name.

    Raises MedleyError where the folder holds no run or no weights.
    """
    from medley.core.config import read_yaml
    from medley.core.files import read_json

    folder = resolve(run)
    if not (folder / "config.yaml").is_file():
        raise MedleyError(f"{folder} holds no config.yaml: it is no run of `medley train`")
    recipe = resolve_recipe(read_yaml(folder / "config.yaml"), str(folder / "config.yaml"))
    family = get_family(recipe.family)
    config = family_config(recipe, family)
    if not (folder / "processor").is_dir():
        raise MedleyError(f"{folder} holds no processor: its training did not begin; run medley train again")
    processor = family.load_processor(config, folder / "processor")
    stage = stage_folder(folder, len(recipe.stages), list(recipe.stages)[-1])
    model, weights = rebuild(family, config, processor, stage)
    saved = folder / "thresholds.json"
    thresholds = Thresholds.from_json(read_json(saved), str(saved)) if saved.is_file() else None
    data = read_json(folder / "data.json")
    facts = {
        "run": str(folder),
        "family": family.name,
        "medley": weights["medley"],
        "stage": weights["stage"],
        "trained_on_synthetic": data["synthetic"],
        "note_regime": data["notes"]["regime"],
        "label_policy": data["label_policy"],
    }
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return Predictor(family, recipe, processor, model.to(chosen), thresholds, facts)
