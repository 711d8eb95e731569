"""What a general model is told before it sees the slices of a brain, and what it is asked after them.

A prompt is a text of two parts with a line `---` between them: the instruction stands before the slices, the question
after them. These words are filled in: {slices} how many there are, {sequence} how they were made, {looks} what is
bright and dark on it, {sides} which side of the picture is which of the patient.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from medley.core.errors import MedleyError, choose
from medley.core.records import SEQUENCES

LINE = "---"
OURS = "brain_prompt.txt"
_NAMES = {
    "flair": "T2-weighted FLAIR",
    "t1": "T1-weighted images without contrast",
    "t1c": "T1-weighted images with contrast",
    "t2": "T2-weighted images",
}
_LOOKS = {
    "flair": "On FLAIR, oedema and tumour are brighter than healthy brain, and the fluid in the ventricles is dark.",
    "t1": "On T1, oedema and most tumours are darker than healthy brain, and the fluid in the ventricles is darkest.",
    "t1c": "On T1 with contrast, tumour that takes up contrast is bright; oedema and necrosis are dark.",
    "t2": "On T2, oedema and tumour are brighter than healthy brain, and the fluid in the ventricles is bright too.",
}
CONVENTIONS = {
    "neurological": "In every picture the patient's left is on the left, the patient's right on the right, and the "
    "front of the head at the top.",
    "radiological": "In every picture the patient's left is on the right, the patient's right on the left, and the "
    "front of the head at the top.",
}


@dataclass(frozen=True)
class Prompt:
    """The words around the slices, filled in."""

    instruction: str
    question: str

    @property
    def digest(self) -> str:
        """sha256 of both parts."""
        return hashlib.sha256(f"{self.instruction}\n{LINE}\n{self.question}".encode()).hexdigest()


def read_prompt(path: Path | None, sequence: str, slices: int, convention: str) -> Prompt:
    """The prompt of a file, or ours, filled in for `slices` slices of a sequence shown in a convention.

    Raises MedleyError for a file that is not two parts of text, and for one that does not tell the sides apart: a model
    that has to guess them is not measured.
    """
    choose(sequence, dict.fromkeys(SEQUENCES), "sequence")
    choose(convention, CONVENTIONS, "convention")
    where = "our own prompt" if path is None else str(path)
    try:
        text = files(__package__).joinpath(OURS).read_text("utf-8") if path is None else path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise MedleyError(f"{where} is not a text file in UTF-8: {error}") from error
    lines = text.splitlines()
    marks = [number for number, line in enumerate(lines) if line.strip() == LINE]
    if len(marks) != 1:
        rule = f"one line '{LINE}' must part the instruction (before the slices) from the question (after them)"
        raise MedleyError(f"{where} has {len(marks)} lines '{LINE}'; {rule}")
    parts = "\n".join(lines[: marks[0]]).strip(), "\n".join(lines[marks[0] + 1 :]).strip()
    if not all(parts):
        which = "instruction above" if not parts[0] else "question below"
        raise MedleyError(f"{where} has no {which} its line '{LINE}'")
    if "{sides}" not in text and "left" not in text.lower():
        raise MedleyError(f"{where} does not say which side of a picture is the patient's left: put {{sides}} into it")
    words = {"slices": str(slices), "sequence": _NAMES[sequence], "looks": _LOOKS[sequence]}
    words["sides"] = CONVENTIONS[convention]
    return Prompt(*(_filled(part, words) for part in parts))


def _filled(text: str, words: dict[str, str]) -> str:
    """Other braces stay as they are: a prompt may show JSON."""
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text
