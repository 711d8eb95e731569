"""Predictions of a whole part of a case table through the Predictor, as they are or with something taken away."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medley.core.records import Case, Prediction, Study, target_sections
from medley.data.source import Source, batches
from medley.evaluation.reports.tasks import REPORT_TASKS
from medley.serving.predictor import Predictor
from medley.training.data import aggregate

Tick = Callable[[str, int, int], None] | None  # what is being done, how many of it are done, of how many
_BATCH = 64


def predict_part(
    predictor: Predictor,
    source: Source,
    part: str,
    tick: Tick = None,
    *,
    films_of: Mapping[str, Case] | None = None,
    change: Callable[[Study], Study] = lambda study: study,
    write: bool = True,
    what: str = "predicting",
) -> list[Prediction]:
    """One prediction a study of the part, with the labels it is scored against and its images' own scores.

    `films_of` (case id -> case) reads another case's films beside a study's own note; `change` alters what the model
    reads. Labels, patient and group stay those of the study itself. Without `write` a family that writes gives its
    findings alone, and quicker. `what` is the word of the progress bar.
    """
    source.require(part)
    how, cases = predictor.recipe.evaluate.aggregation, source.parts[part]
    shown = {case.case_id: films_of[case.case_id] if films_of else case for case in cases}
    groups = [(case, group) for case in cases for group in source.groups(shown[case.case_id])]
    by_case: dict[str, list[Prediction]] = {}
    for done, chunk in enumerate(batches(groups, _BATCH), start=1):
        studies = [change(source.study(case, images)) for case, images in chunk]
        for (case, images), prediction in zip(chunk, predictor.predictions(studies, write), strict=True):
            alone = ({"view": "+".join(image.view for image in images), "scores": prediction.scores},)
            by_case.setdefault(case.case_id, []).append(dataclasses.replace(prediction, images=alone))
        if tick:
            tick(f"{what} {part}", min(done * _BATCH, len(groups)), len(groups))
    return [_finish(case, by_case[case.case_id], source, predictor, how) for case in cases]


def _finish(case: Case, group: list[Prediction], source: Source, predictor: Predictor, how: str) -> Prediction:
    known = source.known_labels(case)
    age = None if np.isnan(case.age_years) else case.age_years
    first = source.groups(case)[0][0]  # of films the frontal one, where there is one
    about = {"sex": case.sex, "age_years": age, "view": first.view, "source": case.source or None}
    return dataclasses.replace(
        aggregate(group, how),
        images=tuple(image for prediction in group for image in prediction.images),
        labels={name: known.get(name) for name in predictor.labels},
        **(_true_report(case, predictor.family.task, predictor.sections) if predictor.writes else {}),
        group={name: value for name, value in about.items() if value is not None},
    )


def _true_report(case: Case, task: str, sections: Sequence[str]) -> dict[str, Any]:
    """What a written report is held against: the sections that the system writes, or all where the study has none of
    them by name; and what the table tells of sides and places."""
    written = target_sections(case)
    return {
        "reference": {name: written[name] for name in sections if name in written} or written,
        "truth": REPORT_TASKS[task].truth(case.truth, f"case '{case.case_id}'"),
    }
