"""The Predictor: the one way from an image to an answer. Command line, batch runs and services all call it.

predictor = medley.load("runs/cxr_reasoner-tiny")
answer = predictor.predict("pa.png+lat.png", text="Cough for two weeks.")
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from medley.core.errors import MedleyError
from medley.core.family import Family, Processor, to_device
from medley.core.records import Evidence, FilmInput, Prediction, Study
from medley.data.source import batches
from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.fitted.thresholds import Thresholds
from medley.language.brain import read_brain
from medley.language.labeler import join_sections
from medley.serving.answer import make_answer, views_warnings
from medley.serving.opening.films import open_films
from medley.serving.opening.opened import Opened
from medley.serving.opening.request import Request
from medley.serving.opening.volumes import open_volume, studies_below
from medley.serving.run_folder import NO_THRESHOLDS, open_run
from medley.serving.schemas import Answer, Skipped
from medley.training.data import aggregate
from medley.training.recipe import Recipe, family_config

_STUDIES_AT_ONCE = 16


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
        calibration: Calibration | None = None,
        unfitted: str = NO_THRESHOLDS,
    ):
        """`unfitted` is what answers say where there are no thresholds."""
        self.family, self.recipe, self.processor = family, recipe, processor
        self.model = model.eval()
        self.thresholds, self.facts = thresholds, dict(facts)
        self.calibration, self.unfitted = calibration, unfitted
        self.reads = family.reads(family_config(recipe, family))

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def labels(self) -> tuple[str, ...]:
        return self.processor.labels

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections of a report that it writes, in order; none where its family does not write."""
        return tuple(self.recipe.model.get("sections", ("report",))) if self.writes else ()

    @property
    def writes(self) -> bool:
        """Whether it writes reports."""
        return self.family.write is not None

    @property
    def cuts(self) -> dict[str, float | None]:
        """The threshold of each label's finding; None where none is fitted."""
        if self.thresholds is None:
            return dict.fromkeys(self.labels)
        return {label: self.thresholds.of("fused", label)[0] for label in self.labels}

    @property
    def reads_notes(self) -> bool:
        """Whether a note can change its answer."""
        return self.recipe.model.get("note_tokens", 0) > 0

    def predict(self, study: str | Path | Sequence[str | Path], text: str | None = None) -> Answer:
        """Answer one study (see `Request`) from those of its films that can be read; the answer warns of the others.

        Raises MedleyError where none of them can be read, or its text cannot.
        """
        return self.answer(Request(study, text))

    def answer(self, request: Request) -> Answer:
        """Answer one request: as `predict`."""
        return self._answers([self._open(request)])[0]

    def predict_many(self, requests: Iterable[Request]) -> Iterator[Answer | Skipped]:
        """Answer many studies, in order and several at a time; one of which nothing can be read is a `Skipped`, and the
        rest go on."""
        for some in batches(list(requests), _STUDIES_AT_ONCE):
            opened = [self._open_or_skip(request) for request in some]
            answers = iter(self._answers([one for one in opened if isinstance(one, Opened)]))
            for one in opened:
                yield next(answers) if isinstance(one, Opened) else one

    def one_a_study(self, requests: Sequence[Request]) -> list[Request]:
        """The requests; of a model of volumes, a folder that holds studies becomes one request for each."""
        if isinstance(self.reads, FilmInput):
            return list(requests)
        return [study for one in requests for study in studies_below(one, alone=len(requests) == 1)]

    def read(self, request: Request) -> Opened:
        """What is read of a request: the studies that the model answers, and what there is to look at.

        Raises MedleyError where nothing of it can be read, or its text cannot.
        """
        return self._open(request)

    def _open_or_skip(self, request: Request) -> Opened | Skipped:
        try:
            return self._open(request)
        except (MedleyError, OSError) as error:
            return Skipped(request.name(), str(error))

    def _open(self, request: Request) -> Opened:
        """Images are read in the groups and the order of training and scoring, so that the answers are the same. As
        there, one that cannot be read is missing, and the study is where all are."""
        if isinstance(self.reads, FilmInput):
            return open_films(request, self.reads, self.recipe.data.views)
        return open_volume(request, self.reads)

    def _answers(self, opened: Sequence[Opened]) -> list[Answer]:
        """All groups of images of all studies go through the model as one batch."""
        studies = [study for one in opened for study in one.studies]
        if not studies:
            return []
        predictions, evidence = self.run(studies)
        found, at = [], 0
        for one in opened:
            part = slice(at, at := at + len(one.studies))
            found.append(self._answer(one, predictions[part], evidence[part]))
        return found

    def _answer(self, opened: Opened, predictions: Sequence[Prediction], evidence: Sequence[Evidence]) -> Answer:
        whole = aggregate(predictions, self.recipe.evaluate.aggregation)
        named = evidence[0].maps
        maps = {name: tuple(m for part in evidence for m in part.maps[name]) for name in named}
        remarks = list(opened.remarks)
        if isinstance(self.reads, FilmInput):
            remarks += views_warnings(opened.groups, self.reads.views, self.writes)
        if opened.note and not self.reads_notes:
            remarks.append(f"this model reads no notes: the answer is of the {opened.noun}s alone")
        elif opened.note and (cut := self.processor.cut_words(opened.note)):
            remarks.append(f"the note is long: its last {cut} tokens were not read")
        if self.recipe.model.get("tell_patient"):
            remarks.append("this model learned from age and sex as well, where they were known; here they are not told")
        if self.writes and not whole.hypothesis:
            remarks.append("the model wrote nothing of this study: there is no report, which is not a normal one")
        if self.thresholds is None and whole.scores:
            remarks.append(self.unfitted)
        pooled, has_note = Evidence(maps, evidence[0].words), opened.note is not None and self.reads_notes
        return make_answer(whole, opened, pooled, self.cuts, self.calibration, has_note, self.facts, remarks)

    @torch.inference_mode()
    def run(self, studies: Sequence[Study]) -> tuple[list[Prediction], list[Evidence]]:
        """Predictions and evidence of studies whose films are read already, as one batch."""
        batch = to_device(self.processor(studies), self.device)
        output = self.model(batch)
        return self._written(output, studies), self.processor.evidence(output, studies)

    @torch.inference_mode()
    def predictions(self, studies: Sequence[Study], write: bool = True) -> list[Prediction]:
        """Predictions alone, as one batch; without `write` no report is written, which takes most of the time."""
        output = self.model(to_device(self.processor(studies), self.device))
        return self._written(output, studies) if write else self.processor.predictions(output, studies)

    def _written(self, output: Any, studies: Sequence[Study]) -> list[Prediction]:
        """Predictions with the report of each study, where the family writes."""
        found = self.processor.predictions(output, studies)
        if self.family.write is None:
            return found
        reports = self.family.write(self.model, self.processor, output)
        written = []
        for prediction, report in zip(found, reports, strict=True):
            extra = {"sentence_confidence": {k: list(v) for k, v in report.confidence.items()}}
            if self.family.task == "brain_report":
                extra["structured"] = read_brain(join_sections(report.sections)).as_json()
            written.append(replace(prediction, hypothesis=report.sections, extra={**prediction.extra, **extra}))
        return written


def load(run: str | Path, device: str | None = None, unfinished: bool = False) -> Predictor:
    """The Predictor of a run: a folder that `medley train` wrote, or a hub id owner/name.

    Raises MedleyError where the folder holds no run or no weights, and where its training has not finished; with
    `unfinished` the best weights so far answer then, and every answer says so.
    """
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    opened = open_run(run, unfinished)
    return Predictor(
        opened.family,
        opened.recipe,
        opened.processor,
        opened.model.to(chosen),
        opened.thresholds,
        opened.facts,
        opened.calibration,
        opened.unfitted,
    )
