"""A request whose images are read: what the model answers, and what there is to look at."""

from __future__ import annotations

from dataclasses import dataclass

from medley.core.records import Case, Study
from medley.serving.schemas import ReadFilm, ReadVolume


@dataclass(frozen=True)
class Opened:
    """The studies are one a group of images that the model reads together; `unread` says why other images are not
    read, `remarks` what the reader of the answer must know of the reading."""

    case: Case
    studies: tuple[Study, ...]
    note: str | None
    groups: tuple[tuple[ReadFilm, ...], ...] = ()  # of films
    volume: ReadVolume | None = None
    unread: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def films(self) -> list[ReadFilm]:
        """All films of all groups."""
        return [film for group in self.groups for film in group]

    @property
    def noun(self) -> str:
        """What is read of it: film or volume."""
        return "volume" if self.volume else "film"
