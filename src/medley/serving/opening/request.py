"""One study that somebody asks about: its files, what is known of them, and its note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medley.core.errors import MedleyError
from medley.core.records import SEQUENCES, VIEWS

MASK = "mask"  # of the brain
_SAID = (*VIEWS, *SEQUENCES, MASK)


@dataclass(frozen=True)
class Request:
    """One study to be answered: its images, views or sequences of it joined by `+` in one text or given apart, and its
    note.

    An image is a file (a folder, of a DICOM series), or `VIEW=file` where the view or the sequence is known and the
    file does not say it: `PA=a.png+LATERAL=b.png`, `flair=a.nii.gz+t1c=b.nii.gz`; `mask=brain.nii.gz` says which
    voxels of a volume are brain. Relative files are relative to `folder`.
    """

    study: str | Path | Sequence[str | Path]
    text: str | None = None
    case_id: str | None = None
    folder: Path = Path()
    fault: str | None = None  # why it cannot be answered, where that is known before its images are read

    def images(self) -> list[tuple[str | None, Path]]:
        """(view, file) of each image, in order; the view is None where it was not said."""
        return [self._image(one) for one in self._given()]

    def refuse_faults(self) -> None:
        """Raises MedleyError where nothing that is read could answer this request."""
        if self.fault is not None:
            raise MedleyError(self.fault)
        for one in self._given():
            if one.endswith("=") and one[:-1] in _SAID:
                raise MedleyError(f"{one} names no file: write {one}FILE")

    def _given(self) -> list[str]:
        given: Sequence[str | Path]
        if not isinstance(self.study, str | Path):
            given = self.study
        elif str(self.study) and (self.folder / self.study).exists():  # a name that holds a plus
            given = [self.study]
        else:
            given = [part for part in str(self.study).split("+") if part]
        return [str(one) for one in given]

    def _image(self, text: str) -> tuple[str | None, Path]:
        view, said, file = text.partition("=")
        if said and view in _SAID:
            return view, self.folder / file
        return None, self.folder / text

    def name(self) -> str:
        """`case_id`, or the names of the files."""
        return self.case_id or "+".join(file.name for _, file in self.images()) or "a study without an image"
