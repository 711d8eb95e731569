"""The films of a request, each at the model's size and at one to look at, in the groups that are read together."""

from __future__ import annotations

from pathlib import Path

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.records import Case, Film, FilmInput, Study
from medley.data.images.films import group_views
from medley.data.notes import clean_note
from medley.data.preprocess.film import read_film, settle_view
from medley.data.preprocess.geometry import fit
from medley.data.preprocess.quality import film_quality, other_subject
from medley.serving.answer import unread_warnings
from medley.serving.opening.opened import Opened
from medley.serving.opening.request import Request
from medley.serving.schemas import ReadFilm

_DISPLAY_PX = 640


def open_films(request: Request, reads: FilmInput, order: tuple[str, ...]) -> Opened:
    """Films are grouped and ordered as in training and scoring. One that cannot be read is missing, and the study is
    where all are: then, and for a text that cannot be read, MedleyError is raised."""
    name = request.name()
    request.refuse_faults()
    if not request.images():
        raise MedleyError("a study needs at least one image file")
    films: list[ReadFilm] = []
    unread: list[str] = []
    for view, file in request.images():
        try:
            films.append(_read(file, view, reads.px))
        except UnreadableImage as error:
            unread.append(str(error))
    if not films:
        raise UnreadableImage("; ".join(unread))
    case, note = Case(name, patient_id=name, study_id=name, source="predict"), clean_note(request.text, name)
    groups = tuple(group_views(films, reads.views, order))
    studies = tuple(Study(case, tuple(one.film for one in group), note) for group in groups)
    remarks = tuple(unread_warnings(unread, films))
    return Opened(case, studies, note, groups, unread=tuple(unread), remarks=remarks)


def _read(file: Path, said: str | None, px: int) -> ReadFilm:
    """A film at the model's size and at one to look at. Without a view said, the picture may tell a lateral."""
    raw = read_film(file)
    if other := other_subject(raw.header):
        raise UnreadableImage(f"{file} is no chest film: {other}")
    quality = film_quality(raw.pixels, raw.header)
    view = settle_view(said, raw.view)
    if said is None and view == "UNKNOWN" and quality.view_guess == "lateral":
        view = "LATERAL"
    film, display = (Film(view, *fit(raw.pixels, side)) for side in (px, _DISPLAY_PX))
    return ReadFilm(film, display, {"file": str(file), "view": view, **vars(quality)})
