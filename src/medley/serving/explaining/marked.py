"""Studies whose lesions are known, and the maps of a run over them: what scoring explanations starts from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch

from medley.core.family import to_device
from medley.core.records import Case, ImageRef, Study
from medley.core.seeds import generator, seed_torch
from medley.data.preprocess.geometry import place
from medley.data.source import Source, batches
from medley.explain import score
from medley.explain.lesions import Lesion, has_lesions, lesions_of
from medley.explain.methods import film_maps
from medley.serving.predictor import Predictor
from medley.training.recipe import family_config

_BATCH = 32


@dataclass(frozen=True)
class Marked:
    """Films with known lesions: `studies[s]` is read with its other films, and film `views[s]` is the marked one."""

    studies: tuple[Study, ...]
    views: tuple[int, ...]
    lesions: score.Marks
    study_of: tuple[int, ...]  # lesion -> study
    columns: tuple[int, ...]  # lesion -> place among the model's labels
    left_out: dict[str, int]  # why -> how many lesions

    def of_study(self, s: int) -> list[int]:
        """The lesions of a study."""
        return [p for p, study in enumerate(self.study_of) if study == s]


def marked_studies(predictor: Predictor, source: Source, part: str, most: int) -> Marked:
    """At most `most` cases of the part that have marked lesions, by a keyed draw; each marked film is a study."""
    seed, labels = predictor.recipe.seed, list(predictor.labels)
    assert source.table.path is not None
    cases = [case for case in source.parts.get(part, []) if has_lesions(case)]
    drawn = sorted(generator("explanations", seed, part).permutation(len(cases))[:most].tolist())
    left_out: Counter[str] = Counter()
    studies: list[Study] = []
    views, study_of = list[int](), list[int]()
    rows: list[tuple[str, str, str, np.ndarray]] = []
    for case in (cases[index] for index in drawn):
        by_image: dict[ImageRef, list[Lesion]] = {}
        for lesion in lesions_of(case, source.table.path.parent):
            if lesion.label in labels:
                by_image.setdefault(lesion.image, []).append(lesion)
            else:
                left_out["the model has no such label"] += 1
        for image, lesions in by_image.items():
            group = group_of(case, image, source)
            if group is None:
                left_out["its film cannot be read, or is of a view that is left out"] += len(lesions)
                continue
            study, view = source.study(case, group), group.index(image)
            original = study.films[view].placement
            square = place(original.height, original.width, score.SQUARE_PX)
            for lesion in lesions:
                rows.append((case.case_id, case.patient_id, lesion.label, lesion.on_square(square)))
                study_of.append(len(studies))
            studies.append(study)
            views.append(view)
    marks = score.marks(rows)
    columns = tuple(labels.index(label) for label in marks.labels)
    return Marked(tuple(studies), tuple(views), marks, tuple(study_of), columns, dict(left_out))


def group_of(case: Case, image: ImageRef, source: Source) -> tuple[ImageRef, ...] | None:
    return next((group for group in source.groups(case) if image in group), None)


def maps_of(
    predictor: Predictor, marked: Marked, method: str, model: torch.nn.Module | None = None
) -> list[np.ndarray]:
    """One map [h, w] a lesion, of the marked film; `model` stands in for the predictor's own.

    Raises MedleyError for a method that the model's tower has no part for.
    """
    model = predictor.model if model is None else model
    maps: dict[int, np.ndarray] = {}
    for chunk in batches(range(len(marked.studies)), _BATCH):
        lesions = [marked.of_study(s) for s in chunk]
        columns_BK = torch.zeros(len(chunk), max(len(some) for some in lesions), dtype=torch.long)
        for b, some in enumerate(lesions):
            columns_BK[b, : len(some)] = torch.tensor([marked.columns[p] for p in some])
        batch = to_device(predictor.processor([marked.studies[s] for s in chunk]), predictor.device)
        maps_BKVhw = film_maps(method, model, batch, columns_BK).float().cpu().numpy()  # type: ignore[arg-type]
        for b, (s, some) in enumerate(zip(chunk, lesions, strict=True)):
            maps |= {p: maps_BKVhw[b, k, marked.views[s]] for k, p in enumerate(some)}
    return [maps[p] for p in range(len(marked.lesions))]


def random_model(predictor: Predictor, number: int) -> torch.nn.Module:
    """The run's architecture with random weights, the same for the same number; torch's own randomness stays."""
    config = family_config(predictor.recipe, predictor.family)
    with torch.random.fork_rng():
        seed_torch("randomised", predictor.recipe.seed, number)
        model = predictor.family.model(config, predictor.processor, pretrained=False)
    return model.eval().to(predictor.device)
