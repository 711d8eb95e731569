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
from medley.core.records import VIEWS, Case, Evidence, Film, Prediction, Study
from medley.data.notes import clean_note
from medley.data.preprocess.film import read_film, settle_view
from medley.data.preprocess.geometry import fit
from medley.data.preprocess.quality import film_quality, other_subject
from medley.data.source import batches, group_views
from medley.evaluation.fitted.calibration import Calibration
from medley.evaluation.fitted.thresholds import Thresholds
from medley.serving.answer import make_answer, unread_warnings, views_warnings
from medley.serving.run_folder import NO_THRESHOLDS, open_run
from medley.serving.schemas import Answer, ReadFilm, Skipped
from medley.training.data import aggregate
from medley.training.recipe import Recipe

_DISPLAY_PX = 640
_STUDIES_AT_ONCE = 16


@dataclass(frozen=True)
class Request:
    """One study to be answered: its films, views of it joined by `+` in one text or given apart, and its note.

    A film is a file, or `VIEW=file` where the view is known and the file does not say it: `PA=a.png+LATERAL=b.png`.
    Relative files are relative to `folder`.
    """

    study: str | Path | Sequence[str | Path]
    text: str | None = None
    case_id: str | None = None
    folder: Path = Path()
    fault: str | None = None  # why it cannot be answered, where that is known before its films are read

    def films(self) -> list[tuple[str | None, Path]]:
        """(view, file) of each film, in order; the view is None where it was not said."""
        given: Sequence[str | Path]
        if not isinstance(self.study, str | Path):
            given = self.study
        elif (self.folder / self.study).is_file():  # a name that holds a plus
            given = [self.study]
        else:
            given = [part for part in str(self.study).split("+") if part]
        return [self._film(str(one)) for one in given]

    def _film(self, text: str) -> tuple[str | None, Path]:
        view, said, file = text.partition("=")
        if said and view in VIEWS:
            return view, self.folder / file
        return None, self.folder / text

    def name(self) -> str:
        """`case_id`, or the names of the files."""
        return self.case_id or "+".join(file.name for _, file in self.films()) or "a study without a film"


@dataclass(frozen=True)
class _Opened:
    """A request whose films are read, in the groups that the model reads together; `unread` says why others are not."""

    case: Case
    groups: Sequence[tuple[ReadFilm, ...]]
    note: str | None
    unread: tuple[str, ...]


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

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def labels(self) -> tuple[str, ...]:
        return self.processor.labels

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections of a report that it writes, in order; none where its family does not write."""
        return tuple(self.recipe.model["sections"]) if self.writes else ()

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
            answers = iter(self._answers([one for one in opened if isinstance(one, _Opened)]))
            for one in opened:
                yield next(answers) if isinstance(one, _Opened) else one

    def read(self, request: Request) -> tuple[list[Study], list[ReadFilm], tuple[str, ...]]:
        """The films of a request in the groups that the model reads together, each group a Study; the same films one by
        one; and why others of the study cannot be read. Raises MedleyError where none of them can, or the text."""
        opened = self._open(request)
        studies = [Study(opened.case, tuple(one.film for one in group), opened.note) for group in opened.groups]
        return studies, [film for group in opened.groups for film in group], opened.unread

    def _open_or_skip(self, request: Request) -> _Opened | Skipped:
        try:
            return self._open(request)
        except (MedleyError, OSError) as error:
            return Skipped(request.name(), str(error))

    def _open(self, request: Request) -> _Opened:
        """Films are read in the groups and the order of training and scoring, so that the answers are the same. As
        there, one that cannot be read is missing, and the study is where all are."""
        name = request.name()
        if request.fault is not None:
            raise MedleyError(request.fault)
        if not request.films():
            raise MedleyError("a study needs at least one image file")
        films: list[ReadFilm] = []
        unread: list[str] = []
        for view, file in request.films():
            try:
                films.append(self._read(file, view))
            except UnreadableImage as error:
                unread.append(str(error))
        if not films:
            raise UnreadableImage("; ".join(unread))
        case = Case(name, patient_id=name, study_id=name, source="predict")
        groups = group_views(films, self.processor.views, self.recipe.data)
        return _Opened(case, groups, clean_note(request.text, name), tuple(unread))

    def _read(self, file: Path, said: str | None) -> ReadFilm:
        """A film at the model's size and at one to look at. Without a view said, the picture may tell a lateral."""
        raw = read_film(file)
        if other := other_subject(raw.header):
            raise UnreadableImage(f"{file} is no chest film: {other}")
        quality = film_quality(raw.pixels, raw.header)
        view = settle_view(said, raw.view)
        if said is None and view == "UNKNOWN" and quality.view_guess == "lateral":
            view = "LATERAL"
        film, display = (Film(view, *fit(raw.pixels, px)) for px in (self.processor.image_px, _DISPLAY_PX))
        return ReadFilm(film, display, {"file": str(file), "view": view, **vars(quality)})

    def _answers(self, opened: Sequence[_Opened]) -> list[Answer]:
        """All groups of films of all studies go through the model as one batch."""
        studies = [Study(one.case, tuple(f.film for f in group), one.note) for one in opened for group in one.groups]
        if not studies:
            return []
        predictions, evidence = self.run(studies)
        found, at = [], 0
        for one in opened:
            part = slice(at, at := at + len(one.groups))
            found.append(self._answer(one, predictions[part], evidence[part]))
        return found

    def _answer(self, opened: _Opened, predictions: Sequence[Prediction], evidence: Sequence[Evidence]) -> Answer:
        films = [film for group in opened.groups for film in group]
        whole = aggregate(predictions, self.recipe.evaluate.aggregation)
        maps = {name: tuple(m for part in evidence for m in part.maps[name]) for name in self.labels}
        remarks = list(unread_warnings(opened.unread, films))
        remarks += views_warnings(opened.groups, self.processor.views, self.writes)
        if opened.note and not self.reads_notes:
            remarks.append("this model reads no notes: the answer is of the films alone")
        elif opened.note and (cut := self.processor.cut_words(opened.note)):
            remarks.append(f"the note is long: its last {cut} tokens were not read")
        if self.writes and not whole.hypothesis:
            remarks.append("the model wrote nothing of this study: there is no report, which is not a normal one")
        if self.thresholds is None:
            remarks.append(self.unfitted)
        pooled, has_note = Evidence(maps, evidence[0].words), opened.note is not None and self.reads_notes
        answer = make_answer(whole, films, pooled, self.cuts, self.calibration, has_note, self.facts, remarks)
        return replace(answer, unread=opened.unread)

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
        return [
            replace(
                prediction,
                hypothesis=report.sections,
                extra={**prediction.extra, "sentence_confidence": {k: list(v) for k, v in report.confidence.items()}},
            )
            for prediction, report in zip(found, reports, strict=True)
        ]


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
